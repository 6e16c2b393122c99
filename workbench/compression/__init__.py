"""Compressing: quantizers and pruners one a file, and what each cost."""
