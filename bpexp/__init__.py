"""bpexp: why deep networks are hard to train, measured layer by layer."""
