"""What is proved of a machine, one check a file."""
