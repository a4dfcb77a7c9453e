"""What measurements mean: verdict, summaries, paired differences and precision."""
