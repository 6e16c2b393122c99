"""The search for a learning rate in the Train tab: the button that starts it, and what it found."""

from typing import Any

import gradio as gr

from tabs.figures.learning_rates import by_rate
from tabs.forms.form import Form, beside_fields
from tabs.forms.sections import shown
from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading, render_html, sentence_list
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import REVEAL
from tabs.shell.result_panel import Drawn, drawn_or_explained, result_panel, view_of
from workbench.core.errors import UserError
from workbench.core.limits import number
from workbench.jobs.view import JobRecord
from workbench.training.jobs.find_learning_rate import FindLearningRate


def finder_button(ctx: Context, form: Form, panel: JobPanel, button: gr.Button) -> None:
    """Has the button start a search with the settings of the form."""

    def search(value: Any) -> Any:
        return shown(ctx, ctx.queue.submit(search_of(form, value)))

    started = button.click(beside_fields(search, [form]), form.input, [panel.picker, form.input], **QUIET)
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)


def search_of(form: Form, value: Any) -> FindLearningRate:
    """The search for a rate that fits the training in the form."""
    settings = form.data(value)
    return FindLearningRate.parse({k: v for k, v in settings.items() if k in FindLearningRate.model_fields})


def finder_result(ctx: Context, form: Form, panel: JobPanel) -> None:
    """What the search chosen in the panel found; nothing for other jobs. One click takes its rate into the form."""
    with gr.Row():
        take = gr.Button("Use the suggested rate", size="sm", visible=False, elem_id="train-take-rate")

    def draw(job: str | None) -> Drawn:
        view = view_of(ctx, job)
        return drawn_or_explained(lambda: drawn_search(view), lambda html: Drawn(html, [], [gr.update(visible=False)]))

    def mark(job: str | None) -> str:
        view = view_of(ctx, job)
        return f"{view.id}:{view.status}" if view else ""

    def taken(job: str | None, value: Any) -> Any:
        view = view_of(ctx, job)
        rate = suggested_rate(view)
        if view is None or rate is None or not isinstance(view.job, FindLearningRate):
            raise UserError("This search has no rate to suggest.", "Choose one that has.", "Run")
        return form.filled(value, view.job.taken_over(rate))

    result_panel(ctx, panel, "train-rate", "", draw, mark, [take])
    take.click(guarded(taken), [panel.picker, form.input], form.input, queue=False, **QUIET)


def suggested_rate(view: JobRecord | None) -> float | None:
    """The rate that a search suggests; None for other jobs, and while there is none."""
    return number(view.state.result.get("suggested")) if view and isinstance(view.job, FindLearningRate) else None


def drawn_search(view: JobRecord | None) -> Drawn:
    """What a search found: the reasons, the loss by rate, and whether there is a rate to take over."""
    if view is None or not isinstance(view.job, FindLearningRate) or not view.state.result:
        return Drawn("", [], [gr.update(visible=False)])
    result = view.state.result
    words = render_html(heading("Learning rate"), sentence_list(result.get("sentences") or []))
    figure = by_rate(result)
    rate = suggested_rate(view)
    button = gr.update(visible=rate is not None, value=f"Use {rate:g} for the training" if rate else "")
    return Drawn(words, [("Loss by learning rate", figure)] if figure else [], [button])
