"""What a Hugging Face Space can do and what it loses, told to its owners until they have read it."""

import hashlib
from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.shell.context import Context, guarded
from tabs.shell.elements import hint, note, result_box
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static
from workbench.core.hardware import cached_hardware
from workbench.core.home import Home
from workbench.core.settings import Settings
from workbench.core.space import storage_warning
from workbench.people.people_settings import read_setting, write_setting
from workbench.preferences import store

READ_SETTING = "space banner"
ZERO_GPU = (
    "ZeroGPU lends a GPU for moments, to functions that ask for it. The workbench's jobs are processes of their own "
    "and run for longer: here they use the CPU. Choose a GPU of the Space's own in its settings."
)
ON_CPU = (
    "This Space has no GPU: labelling, data, merging and GGUF models work well; training is for small models. A GPU is "
    "chosen in the Space's settings."
)
NO_HUB_LOGIN = (
    "People log in with passwords only. Add `hf_oauth: true` to the front matter of the Space's README.md, and they "
    "can log in with Hugging Face."
)


def space_sentences(home: Home, settings: Settings) -> tuple[list[str], list[str]]:
    """(what somebody must know, what this Space can do); both empty where this is no Space."""
    if not settings.space_id:
        return [], []
    hardware = cached_hardware(home)
    facts = [ZERO_GPU] if settings.zero_gpu else [ON_CPU] if hardware.device == "cpu" else []
    facts.insert(0, f"This Space: {hardware.describe()}.")
    if not settings.oauth_client_id:
        facts.append(NO_HUB_LOGIN)
    warning = storage_warning(home.root, settings)
    return [warning] if warning else [], facts


def space_banner(ctx: Context) -> None:
    """A box at the top of an owner's page, gone once it was dismissed, and back when it has something else to say."""
    with gr.Row(visible=False, elem_id="space-banner", elem_classes="wb-space-banner") as row:
        text = Static("", min_width=200)
        dismiss = gr.Button("Dismiss", size="sm", min_width=90, scale=0, elem_id="space-banner-dismiss")

    def opened() -> list[Any]:
        said = space_sentences(ctx.home, Settings.current())
        is_new = any(said) and read_setting(ctx.home, READ_SETTING) != _mark(said)
        return [gr.update(visible=is_new), gr.update(value=_html(said) if is_new else "")]

    def dismissed() -> Any:
        with store.writing(ctx.home) as db:
            write_setting(db, READ_SETTING, _mark(space_sentences(ctx.home, Settings.current())))
        return gr.update(visible=False)

    dismiss.click(guarded(dismissed), None, row, **QUIET)
    ctx.on_load.append((opened, None, [row, text]))


def _html(said: tuple[list[str], list[str]]) -> Markup:
    warnings, facts = said
    return result_box(*map(note, warnings), *map(hint, facts))


def _mark(said: tuple[list[str], list[str]]) -> str:
    return hashlib.sha256("\n".join(said[0] + said[1]).encode()).hexdigest()
