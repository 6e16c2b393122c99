"""One step of a recipe a file; each registers itself in `workbench.data.recipes.step.STEPS`."""
