"""What is checked of a merge before it runs, a topic a file; `workbench.merging.checks` puts it together."""
