"""The application: composes the tabs and serves them. `python app.py` and `llm-workbench serve` call `main`."""

import os
import sys

from workbench.core.telemetry import TELEMETRY_OFF

os.environ.update(TELEMETRY_OFF)  # before Gradio is imported

import gradio as gr

from tabs.label.role_pages import annotator_page, viewer_page
from tabs.notices.notice_bell import notice_bell
from tabs.overview.space_banner import space_banner
from tabs.people.signed_in import signed_in
from tabs.serving.allocator import return_free_memory
from tabs.serving.page import Page
from tabs.serving.serve import serve
from tabs.shell.address import address_line
from tabs.shell.context import SEE_TERMINAL, Context
from tabs.shell.elements import error_box, header
from tabs.shell.kit import Static
from tabs.shell.plugin_part import plugin_part, plugin_problems
from tabs.shell.tab_registry import all_tabs
from workbench.core.collector import hold_collections
from workbench.core.errors import UserError
from workbench.core.hardware import cached_hardware
from workbench.people.roles import Role


def _header(ctx: Context) -> str:
    live = next((view for view in ctx.queue.live() if view.status == "running"), None)
    return header(cached_hardware(ctx.home).describe(), live.label if live else "", "running", ctx.asks_login)


def _problem(ctx: Context) -> str:
    """Why nothing can be kept, or what of the page is not drawn, for as long as that is so."""
    message, remedy = ctx.shelves.problem()
    if not message and ctx.failed_parts:
        message, remedy = "A part of this page could not be drawn, and shows what it did before.", SEE_TERMINAL
    return error_box(message, remedy) if message else ""


def compose(ctx: Context) -> gr.Blocks:
    """The whole page: every tab there is, in their order."""
    demo = Page(title="LLM Workbench", fill_width=True, analytics_enabled=False)
    with demo:
        with gr.Row(elem_classes="wb-top"):
            top = Static(_header(ctx))
            signed_in(ctx)
            notice_bell(ctx)
        ctx.follow(top, lambda: _header(ctx))
        address_line(ctx)
        problem = Static(_problem(ctx), visible=bool(_problem(ctx)), elem_id="home-problem")
        space_banner(ctx)
        plugins_box = Static("", visible=False, elem_id="plugin-problem")
        with gr.Tabs(overflow_behavior="wrap", elem_id="tabs") as tabs:
            for tab in all_tabs():
                with ctx.links.tab(tabs, tab.title, tab.id), plugin_part(ctx, tab.plugin):
                    tab.build(ctx)
        ctx.follow(problem, lambda: gr.update(value=(words := _problem(ctx)), visible=bool(words)))  # knows what failed
        ctx.wire(demo)
        plugins_box.value = plugin_problems()  # known when all of it is drawn
        plugins_box.visible = bool(plugins_box.value)
    return demo


PAGES = {Role.OWNER: compose, Role.ANNOTATOR: annotator_page, Role.VIEWER: viewer_page}
"""What composes the page of each role."""


def main() -> None:
    """Serves the page until interrupted; exits with the error when it cannot."""
    return_free_memory()
    hold_collections()
    try:
        serve(PAGES)
    except UserError as error:
        sys.exit(f"error: {error}")
