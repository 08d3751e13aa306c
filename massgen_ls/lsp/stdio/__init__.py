"""The way in and out: standard input and output, and the first answer."""
