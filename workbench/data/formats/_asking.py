"""What formats of one question a row share."""

from typing import Any

from workbench.data.values import text_of


def with_input(question: str, extra: Any, what: str) -> str:
    """The question, and after a blank line the text of its input when there is one. Raises `UserError`."""
    if extra is None or not (more := text_of(extra, what)).strip():
        return question
    return f"{question}\n\n{more}"
