"""All there is in a home, whatever its kind: its notes, the search over it, what it takes of the disk."""
