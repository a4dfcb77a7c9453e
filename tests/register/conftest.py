"""What pytest must not import: a program that registers rows."""

collect_ignore = ["my_study.py"]
