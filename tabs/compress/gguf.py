"""GGUF files of the shelf in the Compress tab: what their headers say, and how to run them elsewhere."""

import shlex
from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.shell.context import Context, guarded
from tabs.shell.elements import empty, facts, hint, table
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import CodeView, Static
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.units import human_count, human_size
from workbench.models.model_names import model_folder
from workbench.models.model_references import ModelRef, gguf_file
from workbench.models.shelf import ModelInfo

NONE = (
    "No GGUF files yet",
    "One file with weights, tokenizer and chat template.",
    "Make one under Quantize, or import one below.",
)


def gguf_list(ctx: Context) -> gr.Dropdown:
    """The list, and for the one chosen the commands of llama.cpp and Ollama; returns its picker."""
    listed = Static(_listed(ctx))
    ctx.follow(listed, lambda: _listed(ctx))
    chosen = ctx.picker(
        lambda: [*reversed(ctx.pairs(ModelRef("gguf")))], label="Run it elsewhere", value=None, elem_id="gguf-file",
        info="Commands for llama.cpp and Ollama.",
    )  # fmt: skip
    about = Static(visible=False)
    command = CodeView("Terminal", elem_id="gguf-command", visible=False)
    modelfile = CodeView("Modelfile", file="Modelfile", elem_id="gguf-modelfile", visible=False)

    def show(name: str | None) -> list[Any]:
        if not name:
            return [gr.update(visible=False)] * 3
        texts = [_about(ctx.home, name), commands(ctx.home, name), _modelfile(ctx.home, name)]
        return [gr.update(value=text, visible=bool(text)) for text in texts]

    chosen.change(guarded(show), chosen, [about, command, modelfile], queue=False, **QUIET)
    return chosen


def commands(home: Home, name: str) -> str:
    """What to type to talk to the file with llama.cpp, serve it, or give it to Ollama."""
    path = gguf_file(home, name)
    file, folder = shlex.quote(str(path)), shlex.quote(str(path.parent))
    lines = [
        "# llama.cpp: talk to it, or serve it as an OpenAI-compatible API",
        f"llama-cli -m {file} -cnv",
        f"llama-server -m {file} --port 8080",
    ]
    if (path.parent / "Modelfile").is_file():
        lines += ["# Ollama", f"cd {folder} && ollama create {shlex.quote(name)} -f Modelfile"]
    return "\n".join(lines)


def _files(ctx: Context) -> list[ModelInfo]:
    return [info for info in ctx.infos() if info.kind == "gguf" and not info.error]


def _listed(ctx: Context) -> Markup:
    rows = []
    for info in _files(ctx):
        text = read_manifest(info.folder).info
        context = text.get("context_length")
        template = ("yes" if text["chat_template"] else "no") if "chat_template" in text else "?"
        rows.append((
            info.name, info.dtype, human_size(info.size), human_count(info.parameters),
            f"{context:,}" if isinstance(context, int) and context else "?", template,
        ))  # fmt: skip
    return table(["Name", "Type", "Size", "Weights", "Context", "Chat template"], rows) if rows else empty(*NONE)


def _about(home: Home, name: str) -> Markup:
    """Where it lies, and what its header says beside the columns of the list."""
    folder = model_folder(home, name)
    sentences = read_manifest(folder).info
    rows = [("File", str(folder / "model.gguf")), ("Architecture", sentences.get("architecture") or "?")]
    if sentences.get("tokenizer"):
        rows.append(("Tokenizer", sentences["tokenizer"]))
    warning = "It has no chat template: chats are put to it as plain text."
    return facts(rows) + ("" if sentences.get("chat_template") else hint(warning))


def _modelfile(home: Home, name: str) -> str:
    try:
        return (model_folder(home, name) / "Modelfile").read_text("utf-8")[:20_000]
    except (OSError, UnicodeDecodeError, UserError):
        return ""
