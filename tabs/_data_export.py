"""A dataset written in the format another trainer reads."""

import gradio as gr

from tabs._context import Context


def export(ctx: Context, dataset: gr.Dropdown) -> None:
    """Format, preview, files to download, and the hub."""
