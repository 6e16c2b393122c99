"""One data format a file; each registers itself in `workbench.data.format.FORMATS`."""
