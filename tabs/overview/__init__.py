"""The Overview tab: where this home stands in the loop, and the next step as a button."""
