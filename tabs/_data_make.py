"""More rows made by a model from the chosen dataset."""

import gradio as gr

from tabs._context import Context


def make(ctx: Context, dataset: gr.Dropdown) -> None:
    """The form of the job, its progress, and what it made."""
