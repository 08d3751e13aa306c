"""What is shipped for demonstrations and for the tests of those who build on massgen-ls."""
