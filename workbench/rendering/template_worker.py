"""The process that renders chat templates: nothing a template does can hold up or fill the process that asked.

Started by `workbench.rendering.templates`. One JSON request a line on standard input: {template, tokens, rows:
[{messages, tools, prompt, masked}, …]}; one JSON answer a line for every row, either {"text": …} or {"error": …}.
`prompt` adds the generation prompt; a `masked` row's text comes with `answers`, [start, end, turn] of what the
assistant wrote, or with the reason why that cannot be proven as `unproven`. A row that takes longer than it may in one
piece is answered with empty objects first, one after every rendering it needs. The environment is that of transformers'
`utils/chat_template_utils.py`.
"""

import contextlib
import datetime
import functools
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

from workbench.rendering.template_marks import Message, Text, Unproven
from workbench.rendering.template_spans import Refused, Splits, answer_spans

MAX_OUTPUT_CHARACTERS = 1_000_000
MAX_MEMORY_BYTES = 1 << 30
MAX_SECONDS = 5
SILENT_SECONDS = 0.25  # how long the asking process hears nothing when a rendering begins, at most


class TooLong(jinja2.TemplateError):
    """The output passed the limit."""


class Generation(jinja2.ext.Extension):
    """{% generation %} … {% endgeneration %}: notes which characters of the output were written between them."""

    tags = {"generation"}

    def __init__(self, environment: jinja2.Environment):
        super().__init__(environment)
        self.used = False
        self.written = 0
        self.spans: list[tuple[int, int]] = []

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        self.used = True
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_noted"), [], [], body).set_lineno(line)

    def _noted(self, caller: Any) -> str:
        text = str(caller())
        self.spans.append((self.written, self.written + len(text)))
        return text


class Namespace(jinja2.utils.Namespace):
    """Refuses names with a leading underscore, as transformers does."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        # The signature of jinja2's own, so that `namespace(self=…)` works.
        for name in dict(*args[1:], **kwargs):
            Namespace._check(name)
        jinja2.utils.Namespace.__init__(*args, **kwargs)

    def __setitem__(self, name: str, value: Any) -> None:
        Namespace._check(name)
        super().__setitem__(name, value)

    @staticmethod
    def _check(name: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"the name {name!r} is not allowed in a namespace")


class Dict:
    """`dict(…)` in a template, without the type behind it."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


def raise_exception(message: str) -> None:
    """What templates call to refuse a conversation."""
    raise jinja2.TemplateError(message)


def strftime_now(form: str) -> str:
    """The time now, as templates ask for it."""
    return datetime.datetime.now().strftime(form)


def tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON as transformers' templates expect it: not escaped for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class Compiled:
    """A compiled template, its generation markers, and what was proven about it with each set of special tokens."""

    def __init__(self, text: str):
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
        )
        environment.filters["tojson"] = tojson
        environment.globals.update(
            raise_exception=raise_exception, strftime_now=strftime_now, namespace=Namespace, dict=Dict()
        )
        self.template = environment.from_string(text)
        self.markers: Any = environment.extensions[Generation.identifier]
        self.splits: dict[Any, Splits] = {}

    def render(self, messages: Sequence[Message], prompt: bool, tools: Any, tokens: dict[str, Any]) -> Text:
        """The output for these messages; raises jinja2's errors and `TooLong`."""
        pieces, self.markers.written, self.markers.spans = [], 0, []
        values = {**tokens, "tools": tools, "documents": None, "add_generation_prompt": prompt}
        for piece in self.template.generate(messages=messages, **values):
            self.markers.written += len(piece)
            if self.markers.written > MAX_OUTPUT_CHARACTERS:
                raise TooLong(f"its output is longer than {MAX_OUTPUT_CHARACTERS:,} characters")
            pieces.append(piece)
        return Text("".join(pieces), self.markers.spans)


@functools.lru_cache(maxsize=32)
def compiled(text: str) -> Compiled:
    """The template, compiled once."""
    return Compiled(text)


class RequestedRow:
    """One row of a request, rendered as often as its answer needs, each time within the limit."""

    def __init__(self, request: dict[str, Any], row: dict[str, Any]):
        self.source, self.tokens = request["template"], request["tokens"]
        self.row = row

    def render(self, messages: Sequence[Message], prompt: bool) -> Text:
        """Raises `Refused` with the template's reason."""
        REPLIES.alive()
        limit_time(MAX_SECONDS)
        try:
            return compiled(self.source).render(messages, prompt, self.row.get("tools"), self.tokens)
        except jinja2.TemplateSyntaxError as error:
            raise Refused(f"line {error.lineno}: {error.message}") from None
        except MemoryError:
            raise Refused("it needs more than 1 GB of memory") from None
        except Exception as error:
            # A template can raise anything; the asking side shows it as the reason.
            raise Refused(str(error)[:500] or type(error).__name__) from None
        finally:
            limit_time(0)

    def answer(self) -> dict[str, Any]:
        messages, whole = self.whole()
        if not self.row.get("masked"):
            return {"text": whole.text}
        template = compiled(self.source)
        splits = template.splits.setdefault(tuple(self.tokens.items()), Splits())
        try:
            owners = bool(self.row.get("owners"))
            answers = answer_spans(messages, whole, template.markers.used, self.render, splits, owners)
        except (Unproven, Refused) as reason:
            return {"text": whole.text, "unproven": str(reason)}
        return {"text": whole.text, "answers": answers}

    def whole(self) -> tuple[list[Message], Text]:
        """The messages and their text; with the arguments of calls as JSON text where a template takes them only so.

        Those of DeepSeek's models do: they were written for the messages of OpenAI's API.
        """
        messages, prompt = self.row["messages"], bool(self.row.get("prompt"))
        try:
            return messages, self.render(messages, prompt)
        except Refused:
            if not any(message.get("tool_calls") for message in messages):
                raise
            try:
                written = [with_written_arguments(message) for message in messages]
                return written, self.render(written, prompt)
            except Refused:
                pass
            raise


def with_written_arguments(message: Message) -> Message:
    """The message with the arguments of its calls as JSON text."""
    if not message.get("tool_calls"):
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": tojson(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def answer_rows(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer for every row of the request."""
    for row in request["rows"]:
        try:
            yield RequestedRow(request, row).answer()
        except Refused as error:
            yield {"error": str(error)}


def limit_memory() -> None:
    """Bounds this process's memory where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def limit_time(seconds: int) -> None:
    """Lets the system end this process after so many seconds, should the asking one be gone; 0 takes it back."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


class Replies:
    """Answers on standard output, sent several at a time: waking the reader for each takes as long as a rendering."""

    def __init__(self) -> None:
        self.sent = time.monotonic()

    def add(self, answer: dict[str, Any]) -> None:
        """Writes an answer; what was written goes out when some of it has waited for `SILENT_SECONDS`."""
        sys.stdout.write(json.dumps(answer) + "\n")
        if time.monotonic() - self.sent > SILENT_SECONDS:
            self.send()

    def alive(self) -> None:
        """Before a rendering: says that this process is at work if it has been silent, and sends what waits."""
        if time.monotonic() - self.sent > SILENT_SECONDS:
            self.add({})

    def send(self) -> None:
        sys.stdout.flush()
        self.sent = time.monotonic()


REPLIES = Replies()


def main() -> None:
    """Renders the requests that come as JSON lines on standard input, until it ends."""
    limit_memory()
    REPLIES.add({"ready": True})
    REPLIES.send()
    for line in sys.stdin:
        REPLIES.sent = time.monotonic()  # nobody waited before
        for answer in answer_rows(json.loads(line)):
            REPLIES.add(answer)
        REPLIES.send()


if __name__ == "__main__":
    main()
