"""The world behind the ports: each room is a stranger to the others; wiring puts them together."""
