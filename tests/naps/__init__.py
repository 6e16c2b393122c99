"""Jobs that need no model: with this folder on PYTHONPATH, worker processes know them too."""
