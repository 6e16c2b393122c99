"""Who is logged in, at the top of every page: one page is made for all who have its role."""

import gradio as gr

from tabs.serving.asking import asker
from tabs.shell.context import Context
from tabs.shell.elements import chip
from tabs.shell.kit import Static


def signed_in(ctx: Context) -> None:
    """A chip with the name and role of whoever opened the page; nothing where there are no accounts."""
    if not ctx.accounts:
        return
    name_chip = Static("", elem_id="signed-in", elem_classes="wb-signed-in")

    def named(request: gr.Request) -> str:
        who = asker(request)
        return chip("idle", f"{who.login} · {who.role}")

    ctx.on_load.append((named, None, name_chip))
