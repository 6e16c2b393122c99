"""Chat templates: the model's own, published ones, and one typed in, rendered where they can do no harm.

A template is a program from a model's author. It runs in jinja2's sandbox in a process of its own with bounded
memory, output and time; one that does not end is killed with that process, and the next render starts a new one.
"""

import atexit
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from workbench.core.assets import ASSETS
from workbench.core.child_process import ChildProcess, exit_reason
from workbench.core.errors import SEE_LOG, UserError
from workbench.rendering.template_spans import AnswerSpan
from workbench.rows.canonical import Message

FOLDER = ASSETS / "templates"
TemplateName = Literal["model", "alpaca", "chatml", "gemma", "llama3", "mistral", "qwen", "vicuna", "zephyr"]
TEMPLATE_NAMES: tuple[str, ...] = get_args(TemplateName)
BUILT_IN = TEMPLATE_NAMES[1:]
CUSTOM = "custom"
MAX_TEMPLATE_CHARACTERS = 1_000_000
SECONDS = 2.0
SILENT_SECONDS = 0.25  # how long the process may have been silent when a rendering begins: as in `template_worker`
START_SECONDS = 60.0

Tools = Sequence[dict[str, Any]]
REASONING = ("reasoning_content", "thinking")
PLAIN_KEYS, OWN_KEYS = {"role", "content"}, {"weight"}


class Conversation(NamedTuple):
    """What a template is given: messages, and the tools the row has.

    `owners` demands a proof of whose words each span is, not only that they are the assistant's: where turns count
    differently.
    """

    messages: Sequence[Message]
    tools: Tools = ()
    owners: bool = False


@dataclass(frozen=True)
class Layout:
    """A rendered text and the spans of it that assistant turns wrote, in order; a turn left out has none.

    `unproven` is the reason why the spans cannot be told, '' where they are proven.
    """

    text: str
    answers: list[AnswerSpan]
    unproven: str = ""


@dataclass(frozen=True)
class Template:
    """A chat template. `note` says in words which one it is, and why when it is not the one asked for."""

    name: str
    text: str = field(repr=False)
    note: str = ""

    def render(
        self,
        messages: Sequence[Message],
        tokens: dict[str, str] | None = None,
        add_generation_prompt: bool = False,
        tools: Tools = (),
    ) -> str:
        """The text of these messages. `tokens` are special tokens by name (bos_token, …). Raises `UserError`."""
        (result,) = self.render_all([Conversation(messages, tools)], tokens, add_generation_prompt)
        if isinstance(result, UserError):
            raise result
        return result

    def render_all(
        self,
        conversations: Sequence[Conversation],
        tokens: dict[str, str] | None = None,
        add_generation_prompt: bool = False,
    ) -> list[str | UserError]:
        """The text of every conversation, or the error it ended with, in one round trip.

        Raises `TemplateStopped` when the template does not end within 2 seconds.
        """
        answers = self._ask(conversations, tokens, {"prompt": add_generation_prompt})
        return [answer if isinstance(answer, UserError) else answer["text"] for answer in answers]

    def lay_out(
        self, conversations: Sequence[Conversation], tokens: dict[str, str] | None = None
    ) -> list[Layout | UserError]:
        """As `render_all`, with the spans the assistant wrote: see `workbench.rendering.template_spans`."""
        return [
            answer
            if isinstance(answer, UserError)
            else Layout(
                answer["text"], [AnswerSpan(*span) for span in answer.get("answers", ())], answer.get("unproven", "")
            )
            for answer in self._ask(conversations, tokens, {"masked": True})
        ]

    def _ask(
        self, conversations: Sequence[Conversation], tokens: dict[str, str] | None, settings: dict[str, bool]
    ) -> list[dict[str, Any] | UserError]:
        rows = [
            {
                "messages": list(map(_exposed_message, messages)),
                "tools": list(tools) or None,
                "owners": owners,
                **settings,
            }
            for messages, tools, owners in conversations
        ]
        request = {"template": self.text, "tokens": tokens or {}, "rows": rows}
        return [
            answer if "text" in answer else self._refused(answer["error"])
            for answer in RENDERER.ask(request, self.note or self.name)
        ]

    def _refused(self, reason: str) -> UserError:
        return UserError(
            f"The chat template ({self.note or self.name}) cannot render this: {reason}.",
            "Change the messages, or choose another template.",
            "template",
        )


def _exposed_message(message: Message) -> Message:
    """A message as templates know it: without our own keys, a thought under both names in use.

    https://github.com/huggingface/transformers/blob/main/src/transformers/utils/chat_template_utils.py
    """
    if message.keys() <= PLAIN_KEYS:
        return message
    exposed = {key: value for key, value in message.items() if key not in OWN_KEYS}
    thought = next((message[key] for key in REASONING if message.get(key)), None)
    return {**exposed, **dict.fromkeys(REASONING, thought)} if thought else exposed


def get_template(name: str, model_folder: Path | None = None, text: str = "") -> Template:
    """'model' (the model's own; ChatML when it has none, which the note says), a published one by name, or 'custom'.

    `text` is the Jinja source of 'custom'. Raises `UserError` for other names and for a custom one without text.
    """
    if name == CUSTOM:
        return custom_template(text)
    if name not in TEMPLATE_NAMES:
        raise UserError(f"There is no template {name!r}.", f"Choose one of: {', '.join(TEMPLATE_NAMES)}.", "template")
    if name in BUILT_IN:
        return Template(name, (FOLDER / f"{name}.jinja").read_text("utf-8"), name)
    own = model_template(model_folder) if model_folder else None
    if own:
        return own
    return Template("chatml", get_template("chatml").text, "chatml, as the model has no template of its own")


def custom_template(text: str) -> Template:
    """A template typed in by a person; raises `UserError` when there is nothing in it or far too much."""
    if not text.strip():
        raise UserError("The template is empty.", "Type in a Jinja template, or choose one by name.", "template")
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise UserError(
            f"The template is longer than {MAX_TEMPLATE_CHARACTERS:,} characters.", "Shorten it.", "template"
        )
    return Template(CUSTOM, text, "typed in")


def model_template(model_folder: Path) -> Template | None:
    """The template in a model's folder (chat_template.jinja, else tokenizer_config.json), or None."""
    file = model_folder / "chat_template.jinja"
    text = _read(file) if file.is_file() else _in_config(model_folder / "tokenizer_config.json")
    return Template("model", text, "the model's own template") if text else None


def _in_config(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        config = json.loads(_read(path, 64 * MAX_TEMPLATE_CHARACTERS))
    except (ValueError, RecursionError):
        raise UserError(f"{path.name} is not valid JSON.", "Import the model again.", "model") from None
    template: Any = config.get("chat_template") if isinstance(config, dict) else None
    if isinstance(template, list):
        named = {item.get("name"): item.get("template") for item in template if isinstance(item, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else ""


def _read(path: Path, limit: int = MAX_TEMPLATE_CHARACTERS) -> str:
    if path.stat().st_size > limit:
        raise UserError(f"{path.name} is larger than {limit:,} bytes.", "Choose another template.", "template")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path.name} is not UTF-8.", "Import the model again.", "model") from None


class TemplateStopped(UserError):
    """The template had to be killed; it would be again with the next row."""


class Renderer:
    """The rendering process, started when first needed and again after it had to be killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ChildProcess | None = None

    def ask(self, request: dict[str, Any], name: str) -> list[dict[str, Any]]:
        """One answer for every row of the request. Raises `TemplateStopped` when nothing comes for 2 seconds."""
        with self._lock:
            process = self._running()
            try:
                process.write(json.dumps(request) + "\n")
                return [_answer(process) for _ in request["rows"]]
            except TimeoutError:
                reason = f"did not end within {SECONDS:.0f} seconds"
            except (OSError, ValueError):
                reason = "ended the process that rendered it"
            self.stop()
        raise TemplateStopped(f"The chat template ({name}) {reason}.", "Choose another template.", "template")

    def stop(self) -> None:
        """Ends the process; one inherited through a fork is only let go."""
        process, self._process = self._process, None
        if process:
            process.end()

    def _running(self) -> ChildProcess:
        if self._process and self._process.is_alive:
            return self._process
        self.stop()
        process = ChildProcess([sys.executable, "-m", "workbench.rendering.template_worker"], own_session=True)
        self._process = process
        try:
            if "ready" in (process.next_line(START_SECONDS) or ""):
                return process
            reason = exit_reason(process.wait())
        except TimeoutError:
            reason = f"took longer than {START_SECONDS:.0f} seconds to start"
        self.stop()
        raise UserError(f"The process that renders templates {reason}.", SEE_LOG)


def _answer(process: ChildProcess) -> dict[str, Any]:
    """The next answer; empty ones only say that the process is at work. Raises `ValueError` when it has ended."""
    while not (answer := json.loads(process.next_line(SECONDS + SILENT_SECONDS) or "no answer")):
        pass
    return dict(answer)


RENDERER = Renderer()
atexit.register(RENDERER.stop)
if hasattr(os, "register_at_fork"):
    # A forked child must not wait for a lock or read from a pipe that belong to its parent.
    os.register_at_fork(after_in_child=RENDERER.__init__)  # type: ignore[misc]
