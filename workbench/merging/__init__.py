"""Merging: mergekit's engine and methods, driven tensor by tensor, with faster kernels of our own."""
