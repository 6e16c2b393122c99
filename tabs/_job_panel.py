"""The live view of any job with its buttons, used by every tab that starts work."""

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs._context import Context, guarded
from tabs._kit import POKE, LiveRun
from workbench.errors import UserError
from workbench.jobs.queue import JobView

MOST_POINTS = 5_000
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
LAST: dict[str, Any] = {"trigger_mode": "always_last"}
"""For events that follow one another quickly: Gradio would drop those that come while one is answered."""


@dataclass
class JobPanel:
    """`picker` chooses the job shown, `view` is its live picture; set `picker` to show another."""

    picker: gr.Dropdown
    view: gr.HTML


def points_of(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    """What the live view asks for: status, progress, and only the points and log after its cursors."""
    try:
        view = ctx.queue.get(str(query.get("job") or ""))
    except UserError as error:
        return {"found": False, "error": error.message}
    story = view.story
    fresh = query.get("generation") != story.generation or int(query.get("cursor") or 0) > len(story.points)
    start = 0 if fresh else int(query.get("cursor") or 0)
    points = story.points[start : start + MOST_POINTS]
    log, offset = ctx.queue.log(view.id, int(query.get("log") or 0))
    return {
        "found": True,
        "title": view.label,
        "status": view.status,
        "status_text": _status_text(view),
        "progress": story.progress if story.progress.get("total") else None,
        "eta": story.eta(),
        "elapsed": _elapsed(view),
        "error": story.error if view.status in ("failed", "interrupted") else "",
        "remedy": story.remedy,
        "generation": story.generation,
        "reset": fresh,
        "points": points,
        "cursor": start + len(points),
        "facts": view.job.facts(ctx.home) if view.job else [],
        "log": log,
        "log_offset": offset,
    }


def _status_text(view: JobView) -> str:
    if view.status == "queued":
        return str(view.story.progress.get("text") or "Waiting for its turn")
    if view.status == "stopped" and view.story.result.get("model"):
        return f"Stopped; what it learned so far is {view.story.result['model']}"
    return str(view.story.progress.get("text") or "")


def _elapsed(view: JobView) -> float:
    if not view.story.started_at:
        return 0.0
    return (view.story.ended_at or time.time()) - view.story.started_at


def job_panel(ctx: Context, methods: tuple[str, ...] = (), label: str = "Run", empty: Any = None) -> JobPanel:
    """Builds the panel. `methods` limits the picker to these kinds of job; empty shows all."""

    with gr.Row(elem_classes="wb-toolbar"):
        picker = ctx.picker(lambda: ctx.jobs(methods), first=True, label=label, value=None, scale=3, min_width=200)
        keep = gr.Button("Stop and keep", size="sm", min_width=90)
        discard = gr.Button("Stop and discard", size="sm", min_width=90)
        kill = gr.Button("Kill now", size="sm", variant="stop", min_width=70)
        resume = gr.Button("Resume", size="sm", min_width=70)
    view = LiveRun(lambda query: points_of(ctx, query), value="", **({"empty": empty} if empty else {}))
    picker.change(lambda job: job or "", picker, view, queue=False, **QUIET)
    for button, how in ((keep, "keep"), (discard, "discard"), (kill, "kill")):
        button.click(guarded(lambda job, how=how: _stop(ctx, job, how)), picker, None, **QUIET)
        button.click(None, None, None, js=POKE)
    resume.click(guarded(lambda job: _resume(ctx, job)), picker, None, **QUIET)
    return JobPanel(picker, view)


def _stop(ctx: Context, job: str | None, how: str) -> None:
    gr.Info(ctx.queue.stop(_chosen(job), how))


def _resume(ctx: Context, job: str | None) -> None:
    ctx.queue.resume(_chosen(job))
    gr.Info("Queued again; it goes on from its last checkpoint.")


def _chosen(job: str | None) -> str:
    if not job:
        raise UserError("No run is chosen.", "Choose one first.", "run")
    return job
