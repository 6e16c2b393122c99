"""The address of the page: what it names is opened, and what there is not is said in one line."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from tabs.shell.context import Context
from tabs.shell.job_panel import LAST
from tabs.shell.kit import Query, component
from tabs.shell.scripts import page_call
from workbench.core.errors import UserError, shortened
from workbench.core.home import existing
from workbench.preferences.sessions import get_session

KINDS = {"model": "model", "dataset": "dataset", "job": "job", "session": "labelling session"}
"""What an address can name, and what that is called."""
SHOWN_CHARACTERS = 80


def address_line(ctx: Context) -> gr.HTML:
    """Keeps the address to what is shown and opens what one names; says in a line where there is no such thing."""

    def find(query: Query) -> dict[str, Any]:
        kind, name = (str(query.get(field) or "") for field in ("kind", "name"))
        if kind in KINDS and _exists(ctx, kind, name):
            return {"problem": ""}
        title = KINDS.get(kind, "thing")
        return {"problem": f"No {title} named {shortened(name, SHOWN_CHARACTERS)}: it was deleted or renamed."}

    line = component("address_line", None, {"find": find}, ("", "", ""), page="", elem_id="address")
    ctx.links.on_choice(line.input, tuple(KINDS), opened_item, [line])
    return line


def session_address(page: str, picker: gr.Dropdown, offered: Callable[[], list[tuple[str, str]]]) -> gr.HTML:
    """As `address_line` for a page that shows one session of those `offered`, at `page`/<session>. Of every other name
    it says the same, whether there is such a session or not."""

    def find_session(query: Query) -> dict[str, Any]:
        name = str(query.get("name") or "")
        if any(name == session for _, session in offered()):
            return {"problem": ""}
        shown = shortened(name, SHOWN_CHARACTERS)
        return {"problem": f"You cannot open {shown} here: there is no such session, or your role does not show it."}

    line = component(
        "address_line", None, {"find_session": find_session}, ("", "", ""), page=page, elem_id="address"
    )  # fmt: skip
    line.input(None, line, picker, js="(opened) => opened.key || null", queue=False, show_progress="hidden", **LAST)
    picker.change(None, picker, None, js=page_call("noteShown", "'session'", "values[0]"), queue=False)
    return line


def opened_item(clicked: Any) -> tuple[str, Any]:
    """What was asked for as {"kind", "key"}, as the tab that shows it takes it: jobs as rows of a list, others by
    name."""
    kind, key = (str((clicked or {}).get(field) or "") for field in ("kind", "key"))
    if kind not in KINDS or not key:
        raise UserError("Nothing was chosen.", "Press one of the results.")
    return kind, {"key": key} if kind == "job" else key


def _exists(ctx: Context, kind: str, name: str) -> bool:
    if kind == "model":
        return any(info.name == name for info in ctx.infos())
    if kind == "dataset":
        return existing(ctx.home.datasets, name) is not None
    try:
        if kind == "job":
            return bool(ctx.queue.get(name))
        return bool(get_session(ctx.home, name))
    except UserError:
        return False
