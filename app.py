"""LLM Workbench: serves the page. `python app.py`, or `llm-workbench serve` where it is installed."""

from workbench.core.collector import hold_collections

if __name__ == "__main__":
    hold_collections()  # before the page is imported

from tabs.application import compose, main

__all__ = ["compose"]

if __name__ == "__main__":
    main()
