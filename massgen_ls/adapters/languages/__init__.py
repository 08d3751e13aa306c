"""Syntax trees of programming languages, where their grammars are installed."""
