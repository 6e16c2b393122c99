"""One archive of a home, and a home made of it again."""
