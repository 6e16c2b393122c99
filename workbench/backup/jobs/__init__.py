"""The kind of job that backs up a home."""
