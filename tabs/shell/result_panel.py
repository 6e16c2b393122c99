"""What the job chosen in a panel found: words, one figure of several, and what else changes with them."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gradio as gr

from tabs.shell.context import SEE_TERMINAL, Context, guarded
from tabs.shell.elements import error_box
from tabs.shell.job_panel import LAST, QUIET, JobPanel
from tabs.shell.kit import Figure, Static
from workbench.core.errors import UserError, explain
from workbench.jobs.view import JobRecord

log = logging.getLogger(__name__)
T = TypeVar("T")

Figures = list[tuple[str, dict[str, Any]]]


@dataclass
class Drawn:
    """`html` and (title, plotly figure) of a job; `more` are updates for the other components of the panel."""

    html: str = ""
    figures: Figures = field(default_factory=list)
    more: list[Any] = field(default_factory=list)


def result_panel(
    ctx: Context,
    panel: JobPanel,
    name: str,
    nothing: str,
    draw: Callable[..., Drawn],
    mark: Callable[[str | None], str],
    more: Sequence[Any] = (),
    asking: Sequence[Any] = (),
) -> None:
    """Builds it; elem_ids begin with `name`, `nothing` is shown where there are no words.

    draw(job, *asked): what to show of a job, `asked` being the values of `asking`, whose input draws it anew.
    mark(job): changes when that may have changed. more: the components `Drawn.more` updates.
    """
    words = Static(nothing, elem_id=f"{name}-result")
    which = gr.Dropdown([], label="Figure", visible=False, interactive=True, elem_id=f"{name}-figures")
    picture = Figure(elem_id=f"{name}-figure")
    shown, inputs = [words, which, picture, *more], [panel.picker, *asking]

    def refresh(*values: Any) -> list[Any]:
        found = draw(*values)
        titles = [title for title, _ in found.figures]
        choice = gr.update(choices=titles, value=titles[0] if titles else None, visible=len(titles) > 1)
        return [found.html or nothing, choice, found.figures[0][1] if titles else None, *found.more]

    def tick(seen: str, job: str | None, *asked: Any) -> list[Any]:
        now = mark(job)
        return [gr.skip()] * (1 + len(shown)) if now == seen else [now, *refresh(job, *asked)]

    def pick(title: str | None, *values: Any) -> Any:
        return dict(draw(*values).figures).get(title or "")

    panel.picker.change(guarded(refresh), inputs, shown, queue=False, **QUIET)
    which.input(guarded(pick), [which, *inputs], picture, queue=False, **LAST, **QUIET)
    for one in asking:
        one.input(guarded(lambda *values: draw(*values).html or nothing), inputs, words, queue=False, **LAST, **QUIET)
    seen = gr.Textbox(visible=False)
    ctx.on_change.append((tick, [seen, *inputs], [seen, *shown]))


def drawn_or_explained(draw: Callable[[], T], as_result: Callable[[str], T]) -> T:
    """What `draw` makes of a job's files: nothing while one of them is missing, else what keeps it from being drawn.

    as_result: the result that consists of this HTML.
    """
    try:
        return draw()
    except FileNotFoundError:
        return as_result("")
    except (UserError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        known = explain(error)
        return as_result(error_box(f"This result cannot be read: {known.message}", known.remedy))
    except Exception as error:
        log.exception("a result could not be drawn")
        return as_result(error_box(f"This result could not be drawn ({type(error).__name__}).", SEE_TERMINAL))


def view_of(ctx: Context, job: str | None) -> JobRecord | None:
    """A job by its id, None when there is none."""
    try:
        return ctx.queue.get(job or "")
    except UserError:
        return None
