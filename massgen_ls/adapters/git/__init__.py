"""The user's repository, read only, and the shadow repository where everything else happens."""
