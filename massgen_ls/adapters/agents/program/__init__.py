"""How a program is talked to, and what it finds around it."""
