"""One step of a recipe a file; each registers itself in `workbench.data.step.STEPS`."""
