"""What an attempt is, whatever agent makes it: its frame, its failures, its answers."""
