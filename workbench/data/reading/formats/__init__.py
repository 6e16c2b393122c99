"""One data format a file; each registers itself in `workbench.data.reading.format.FORMATS`."""
