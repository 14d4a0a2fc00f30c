"""The command lines of `python -m evaluation`, one file each: options, and the call of what does the work."""
