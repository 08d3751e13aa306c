"""The machine: processes, the sandbox, files."""
