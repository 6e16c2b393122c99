"""A new session: of answers that models are to give, or of answers that are there already."""

from typing import Any

import gradio as gr

from tabs.forms.form import Form, beside_fields
from tabs.label.session_owner import known_voters
from tabs.shell.context import Context
from tabs.shell.elements import heading, hint
from tabs.shell.job_panel import QUIET, JobPanel
from tabs.shell.kit import Static
from workbench.jobs.job import Job
from workbench.preferences.jobs.generate import Generate
from workbench.preferences.jobs.import_answers import ImportAnswers

MAKER = (
    "You choose the models, so you know which ones meet; which answer is whose stays hidden from you as from everyone, "
    "and sides are drawn at random for every pair. Others learn the names when the session is closed."
)
IMPORTED = "Whoever reads the file knows whose answers they are; in the session it stays hidden until it is closed."


class NewSession:
    """The two forms, drawn where it is constructed; `wire` connects them once there is what they fill."""

    def __init__(self, ctx: Context):
        self.ctx = ctx
        suggested = {"labelling.voters": lambda: known_voters(ctx)}
        with gr.Tabs(elem_classes="wb-subtabs", elem_id="new-session"):
            with gr.Tab("Models answer"):
                Static(heading("New session", "Two or more models answer the same prompts; people judge blind."))
                self.form = Form(Generate, ctx.choices, first=("prompts",), suggested=suggested, elem_id="label-form")
                self.start = gr.Button(
                    "Generate answers", variant="primary", elem_id="label-start", elem_classes="wb-start"
                )
                Static(hint(MAKER))
            with gr.Tab("Import answers"):
                Static(heading("New session", "Answers you have, or pairs of a dataset, are judged blind."))
                self.imports = Form(ImportAnswers, ctx.choices, suggested=suggested, elem_id="import-answers-form")
                self.file = gr.File(
                    label="Answers from files of such lines, instead",
                    type="filepath",
                    file_count="multiple",
                    height=120,
                    elem_id="import-answers-file",
                )
                self.take = gr.Button(
                    "Open for judging", variant="primary", elem_id="import-answers-start", elem_classes="wb-start"
                )
                Static(hint(IMPORTED))

    def wire(self, panel: JobPanel, session: gr.Dropdown) -> None:
        """The job that is started is shown in the panel, and its session is chosen."""
        ctx, shown = self.ctx, [panel.picker, session]

        def generate_answers(value: Any) -> tuple[Any, Any]:
            return self._started(self.form.parsed(value))

        def import_answers(value: Any, files: list[str] | None) -> tuple[Any, Any]:
            return self._started(self.imports.parsed(value, files=files or []))

        generated = beside_fields(generate_answers, [self.form], outputs=2)
        self.start.click(generated, self.form.input, [*shown, self.form.input], **QUIET)
        taken = beside_fields(import_answers, [self.imports], outputs=2)
        self.take.click(taken, [self.imports.input, self.file], [*shown, self.imports.input], **QUIET)
        ctx.links.offer("label", self.form.input, self.form.filled)

    def _started(self, job: Job) -> tuple[Any, Any]:
        job_id = self.ctx.queue.submit(job)
        view, name = self.ctx.queue.get(job_id), str(job.outputs()[0].name)
        return gr.update(choices=[(view.label, job_id)], value=job_id), gr.update(choices=[(name, name)], value=name)
