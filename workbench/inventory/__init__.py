"""All there is in a home, whatever its kind: its notes, the search over it."""
