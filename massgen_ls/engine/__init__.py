"""What happens in a run, and who owns it."""
