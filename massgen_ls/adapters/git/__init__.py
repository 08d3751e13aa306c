"""The shadow repository: snapshots, worktrees, capture. Nothing of the user's is written."""
