"""Blind preference votes, kept as facts: ratings, agreement and DPO pairs are computed from them."""
