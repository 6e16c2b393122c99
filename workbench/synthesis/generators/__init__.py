"""One way of making rows a file; each registers itself in `workbench.synthesis.generator.MAKERS`."""
