"""The pure floor: values and laws.

Nothing here reads a file, a clock, the environment or a random source, and nothing here awaits.
"""
