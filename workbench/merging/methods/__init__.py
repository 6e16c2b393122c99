"""Merge methods of our own, one a file."""
