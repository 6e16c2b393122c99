"""Error messages in the page quote what people typed; none of it becomes HTML."""

import gradio as gr
import pytest

from tabs.shell.context import guarded, page_error
from workbench.core.errors import Problem, SpecError, UserError

EVIL = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "error",
    [UserError(f"{EVIL} is not there.", f"Choose {EVIL}."), SpecError([Problem(EVIL, EVIL, EVIL)]), ValueError(EVIL)],
    ids=lambda error: type(error).__name__,
)
def test_markup_in_a_message_is_shown_as_text(error: Exception) -> None:
    message = str(page_error(error).message)
    assert "<" not in message and "&lt;img src=x" in message


def test_a_guarded_callback_tells_all_problems() -> None:
    def fails() -> None:
        raise SpecError([Problem("rate", "is 0 < 1.", "Raise it."), Problem("name", "is taken.", "")])

    with pytest.raises(gr.Error) as caught:
        guarded(fails)()
    assert "rate: is 0 &lt; 1. Raise it." in str(caught.value.message) and "name: is taken." in str(
        caught.value.message
    )
