"""Any program that edits files."""
