"""Configuration files → RunSpec."""
