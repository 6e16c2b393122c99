"""Speeds, measured side by side in one run and stated as ratios: `make bench [BENCH=name]`."""
