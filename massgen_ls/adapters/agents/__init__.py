"""Drivers: code that talks to one kind of agent."""
