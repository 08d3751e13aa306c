"""MassGen's configuration files: told apart from ours (`kind`), and mapped to ours (`mapping`).

The tables are in `tables`, `orchestrator` and `backend`, in the words of `rules`.
"""
