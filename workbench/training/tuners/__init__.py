"""The tuners, one a file."""
