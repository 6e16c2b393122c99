"""The live view of any job with its buttons, used by every tab that starts work."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs.shell.context import Context
from tabs.shell.kit import LiveRun
from workbench.core.errors import UserError
from workbench.core.limits import bounded_integer, number, text_up_to
from workbench.jobs.events import MOST_NAME_CHARACTERS
from workbench.jobs.listing import row_of_job
from workbench.jobs.runner import light_places
from workbench.jobs.view import JobRecord

MOST_POINTS = 5_000
LESS_MEMORY = "resume-smaller"
MOST_ALARMS, MOST_NOTES, MOST_SAMPLES = 50, 50, 200
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
    state = view.state
    fresh = query.get("generation") != state.generation or int(query.get("cursor") or 0) > len(state.points)
    start = 0 if fresh else int(query.get("cursor") or 0)
    points = state.points[start : start + MOST_POINTS]
    first_sample = 0 if fresh else int(query.get("samples") or 0)
    blind = view.job is not None and view.job.blind(ctx.home)
    log, offset = ("", 0) if blind else ctx.queue.log(view.id, int(query.get("log") or 0))
    return {
        "found": True,
        "title": view.label,
        "status": view.status,
        "status_text": _status_text(ctx, view),
        "progress": _progress(view) if state.progress.get("total") else None,
        "eta": state.eta(),
        "elapsed": state.elapsed(),
        "error": view.error if view.damage or view.status in ("failed", "interrupted") else "",
        "remedy": _remedy(view),
        "generation": state.generation,
        "reset": fresh,
        "points": points,
        "cursor": start + len(points),
        "can": actions(view),
        "facts": _facts(ctx, view),
        "alarms": state.alarms[-MOST_ALARMS:],
        "notes": [] if blind else state.notes[-MOST_NOTES:],
        "samples": state.samples[first_sample : first_sample + MOST_SAMPLES],
        "log": log,
        "log_offset": offset,
    }


def _remedy(view: JobRecord) -> str:
    """What to do about an error, with what its button for less memory does where it has one."""
    remedy, offer = view.state.remedy, view.less_memory
    return f"{remedy} {offer.title}: {offer.effect}." if offer else remedy


def _progress(view: JobRecord) -> dict[str, Any]:
    """How far the job is; of one that has ended, how far it came, and never as if it still did something."""
    progress, text = view.state.progress, str(view.state.progress.get("text") or "")
    if view.status == "queued":
        text = text or "Waiting"
    elif view.status == "done":
        made = row_of_job(view).result
        text = f"Finished: it made {made}" if made else "Finished"
    elif view.final and text:
        text = f"Last: {text}"
    return {**progress, "text": text}


def _status_text(ctx: Context, view: JobRecord) -> str:
    if view.status == "queued":
        return str(view.state.progress.get("text") or _waits_for(ctx, view))
    if view.status == "done":
        return "Done"
    if view.status == "stopped" and view.state.result.get("model"):
        return f"Stopped; what it learned so far is {view.state.result['model']}"
    if view.status == "paused":
        return "Paused: it holds no memory"
    return view.status.capitalize() if view.final else str(view.state.progress.get("text") or "")


def _waits_for(ctx: Context, view: JobRecord) -> str:
    if view.job is None or view.job.uses_device:
        return "Waiting for its turn"
    running = [one for one in ctx.queue.live() if one.status == "running" and one.job and not one.job.uses_device]
    most = light_places()
    if len(running) < most:
        return "Waiting for its turn"
    return f"Waiting for a free place: {most} {'job' if most == 1 else 'jobs'} without the device run at a time"


def _facts(ctx: Context, view: JobRecord) -> list[list[str]]:
    """What the job works on; in its place what is damaged of that."""
    try:
        result = view.state.result
        made = [*kept_facts(result.get("kept")), *account_facts(result.get("account"))]
        return [*(view.job.facts(ctx.home) if view.job else []), *used_facts(view.state.used), *made]
    except UserError as error:
        return [["Cannot be told", str(error)]]


def used_facts(used: dict[str, Any]) -> list[list[str]]:
    """The batch a training went down to where memory ran out, and since when; nothing of what does not say so."""
    names = ("batch_size", "gradient_accumulation", "from_step")
    rows, passes, step = (bounded_integer(used.get(name)) for name in names)
    if rows is None or passes is None or step is None:
        return []
    return [["Batch in use", f"{rows} rows at a time over {passes} passes, after step {step}, for want of memory"]]


def kept_facts(kept: Any) -> list[list[str]]:
    """Which evaluation's weights a training kept, beside the last one; nothing of what does not say so."""
    if not isinstance(kept, dict):
        return []
    metric = text_up_to(kept.get("metric"), MOST_NAME_CHARACTERS)
    best, last = (number(kept.get(name)) for name in ("best", "last"))
    step, last_step = (bounded_integer(kept.get(name)) for name in ("step", "last_step"))
    if not metric or best is None or last is None or step is None or last_step is None:
        return []
    other = "" if step == last_step else f"; step {last_step} had {last:.4g}"
    early = ", stopped early" if kept.get("stopped_early") is True else ""
    return [["Kept", f"the weights of step {step}, {metric} {best:.4g}{other}{early}"]]


LEAST_TOLD_SECONDS = 0.05  # less would be told as 0.0 s


def account_facts(account: Any) -> list[list[str]]:
    """Where the time of a training went, and its energy where the machine counts it; nothing of what is no account."""
    if not isinstance(account, dict) or not isinstance(seconds := account.get("seconds"), dict):
        return []
    phases = {name: number(value) for name, value in seconds.items() if name != "total"}
    spent = ", ".join(
        f"{name} {value:.1f} s" for name, value in phases.items() if value and value >= LEAST_TOLD_SECONDS
    )
    energy = number(account.get("energy_wh"))
    return [
        *([["Time", spent]] if spent else []),
        *([] if energy is None else [["Energy", f"{energy:.2f} Wh, of the whole device while it ran"]]),
    ]


def actions(view: JobRecord) -> list[tuple[str, str]]:
    """What may be done with a job as it is, and what the button says."""
    if view.status == "queued":
        return [("keep", "Take out of the queue")]
    if view.status == "running":
        pause = [("pause", "Pause")] if view.job and view.job.pausable else []
        return [*pause, ("keep", "Stop and keep"), ("discard", "Stop and discard"), ("kill", "Kill now")]
    smaller = [(LESS_MEMORY, offer.title)] if (offer := view.less_memory) else []
    return [*smaller, ("resume", "Resume")] if view.can_resume else []


def act(ctx: Context, query: dict[str, Any]) -> dict[str, str]:
    """Does {"how"} with {"job"}; says what happens next."""
    job, how = str(query.get("job") or ""), str(query.get("how") or "")
    if how not in ("resume", LESS_MEMORY):
        return {"text": ctx.queue.stop(job, how)}
    ctx.queue.resume(job, less_memory=how == LESS_MEMORY)
    return {"text": "Resumed: it goes on from its last checkpoint when its turn comes."}


def job_panel(ctx: Context, methods: tuple[str, ...] = (), label: str = "Run", empty: Any = None) -> JobPanel:
    """Builds the panel. `methods` limits the picker to these kinds of job; empty shows all."""
    picker = ctx.picker(
        lambda: ctx.jobs(methods), first=True, shown_empty=False, label=label, value=None, elem_classes="wb-job"
    )
    told: dict[str, Any] = {"empty": empty} if empty else {}
    view = LiveRun(lambda query: points_of(ctx, query), "", act=lambda query: act(ctx, query), **told)
    picker.change(lambda job: job or "", picker, view, queue=False, **QUIET)
    return JobPanel(picker, view)
