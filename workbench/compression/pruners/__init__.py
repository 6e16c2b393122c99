"""Pruners, one a file."""
