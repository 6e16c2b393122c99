"""The Overview tab: a search, the loop as steps with a button each, what this machine has, and the latest work."""

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.jobs.tab import JOB_COLUMNS, job_row, job_words
from tabs.overview.backup_panel import backup_panel
from tabs.overview.bin_panel import bin_panel
from tabs.overview.disk_panel import disk_panel
from tabs.overview.loop import Loop, LoopStep, answering, preference_training, read_loop, steps, training
from tabs.overview.machine_panel import machine_buttons, machine_findings
from tabs.overview.search_panel import search_panel
from tabs.shell.context import Context, guarded
from tabs.shell.elements import facts, heading, step_words
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static
from tabs.shell.tab_registry import Tab
from tabs.shell.table import ShelfTable
from workbench.core.hardware import cached_hardware
from workbench.core.units import human_size
from workbench.data.recipes.importing import import_sample
from workbench.jobs.job import JOBS, Job

LATEST_JOBS = 8
EMPTY = ("Nothing has run yet", "Downloads, trainings and answers are listed here.", "Begin with the step on the left.")
MARKS = {"done": "✓", "running": "…"}
STATES = {"done": "Done: ", "running": "Under way: ", "next": "Next: ", "later": ""}


def build(ctx: Context) -> None:
    """On top the search. Left: the loop. Right: the machine and the latest work. Beneath: what a check
    of the machine found, the disk, the bin and the backups."""
    with gr.Column(elem_classes="wb-panel"):
        search_panel(ctx)
    with gr.Row(elem_classes="wb-cols is-even"):
        with gr.Column(elem_classes="wb-panel wb-overview"):
            Static(heading("Make a model yours", "Each step's button does it with settings that suit a laptop; the "
                           "tabs above have all of them."))  # fmt: skip
            for number, step in enumerate(steps(Loop()), start=1):
                _step(ctx, number, step.id)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                Static(heading("This machine"))
                machine = Static(_machine(ctx))
                ctx.follow(machine, lambda: _machine(ctx))
                checked = machine_buttons(ctx)
            with gr.Column(elem_classes="wb-panel"):
                Static(heading("Latest work", "A row opens its job."))
                listed = ShelfTable(
                    JOB_COLUMNS, lambda: ctx.shelves.jobs()[1][: -LATEST_JOBS - 1 : -1], job_row, job_words, EMPTY,
                    elem_id="overview-jobs", notes=lambda row: ctx.shelves.notes_of("job", row.id),
                )  # fmt: skip
                ctx.links.on(listed.input, "job", lambda clicked: clicked, [listed])
    machine_findings(ctx, checked)
    with gr.Column(elem_classes="wb-panel"):
        disk_panel(ctx)
    with gr.Column(elem_classes="wb-panel"):
        bin_panel(ctx)
    with gr.Column(elem_classes="wb-panel"):
        backup_panel(ctx)


def _step(ctx: Context, number: int, name: str) -> None:
    """One step's words and its buttons, which follow the shelves."""

    def now() -> LoopStep:
        return next(step for step in _steps(ctx) if step.id == name)

    with gr.Row(elem_classes="wb-step", equal_height=True):
        words = Static(_words(number, now()), elem_id=f"step-{name}-words")
        ctx.follow(words, lambda: _words(number, now()))
        if name == "train":
            chat = gr.Button("Chat with both", size="sm", elem_id="step-chat", visible=False)
            ctx.follow(chat, lambda: gr.update(visible=now().state == "done"))
            ctx.links.on(chat.click, "compare", lambda: _before_and_after(ctx), [])
        button = gr.Button(**_button(now()), size="sm", elem_id=f"step-{name}")
        ctx.follow(button, lambda: gr.update(**_button(now())))
    if name in ("vote", "verdict"):
        ctx.links.on(button.click, "session", lambda: _session(ctx, name), [])
    else:
        button.click(guarded(partial(_start, ctx, name)), None, None, **QUIET)


def _steps(ctx: Context) -> list[LoopStep]:
    """The steps as they are now, worked out once for all that follows the shelves."""
    return ctx.shelves.made("steps", lambda: (ctx.looks, None), lambda _: steps(read_loop(ctx)))


def _words(number: int, step: LoopStep) -> Markup:
    return step_words(step.state, MARKS.get(step.state, str(number)), STATES[step.state], step.title, step.text)


def _button(step: LoopStep) -> dict[str, Any]:
    """The button of the next step is the one that stands out; one with nothing to press is left out."""
    primary = "primary" if step.state == "next" else "secondary"
    return {"value": step.button or step.title, "visible": bool(step.button), "variant": primary}


def _start(ctx: Context, name: str) -> None:
    """Does a step: most are jobs, which the list beside shows at once."""
    if name == "data":
        import_sample(ctx.home)
        gr.Info("The sample data is in the Data tab.")
        return
    jobs: dict[str, Callable[[], Job]] = {
        "model": lambda: JOBS.parse({"method": "starter-model"}), "train": lambda: training(ctx),
        "answers": lambda: answering(ctx, again=False), "dpo": lambda: preference_training(ctx),
        "again": lambda: answering(ctx, again=True),
    }  # fmt: skip
    ctx.queue.submit(jobs[name]())
    gr.Info("Queued: its progress is beside, under 'Latest work'.")


def _session(ctx: Context, name: str) -> str:
    loop = read_loop(ctx)
    session = loop.check if name == "vote" else loop.recheck
    return session.name if session else ""


def _before_and_after(ctx: Context) -> list[str]:
    loop = read_loop(ctx)
    return [model for model in (loop.base, loop.tuned) if model]


def _machine(ctx: Context) -> Markup:
    free = human_size(shutil.disk_usage(ctx.home.root).free)
    shelf = ", ".join(
        f"{len(choices)} {name if len(choices) == 1 else f'{name}s'}"
        for name, choices in (("model", ctx.infos()), ("dataset", ctx.datasets()), ("session", ctx.sessions()))
    )
    return facts([("Device", cached_hardware(ctx.home).describe()), ("Free disk", free), ("Here", shelf)])


TAB = Tab("overview", "Overview", 5, build)
