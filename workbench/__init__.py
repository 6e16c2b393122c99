"""The engine of LLM Workbench: everything the page and the command line can do, without either."""

__version__ = "0.1.0"
