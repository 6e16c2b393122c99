"""The sources of rows, one a file."""
