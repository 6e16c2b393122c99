"""The process that renders chat templates: nothing a template does can hold up or fill the process that asked.

Started by `workbench.data.templates` as a script of its own. One JSON request a line on standard input:
{template, messages, cuts: [[n, add_generation_prompt], …], tokens, tools}; one JSON answer a line for every cut, either
{"text": …} or {"error": …}. The environment is that of transformers' `utils/chat_template_utils.py`.
"""

import contextlib
import datetime
import functools
import json
import signal
import sys
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

MAX_OUTPUT = 1_000_000
MAX_MEMORY = 1 << 30
MAX_SECONDS = 5


class TooLong(jinja2.TemplateError):
    """The output passed the limit."""


class Generation(jinja2.ext.Extension):
    """Lets {% generation %} … {% endgeneration %} through as it is."""

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


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


def raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def strftime_now(form: str) -> str:
    return datetime.datetime.now().strftime(form)


def tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@functools.lru_cache(maxsize=32)
def compiled(text: str) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals.update(
        raise_exception=raise_exception, strftime_now=strftime_now, namespace=Namespace, dict=Dict()
    )
    return environment.from_string(text)


def rendered(request: dict[str, Any], count: int, prompt: bool) -> str:
    """The template's output for the first `count` messages; raises jinja2's errors and `TooLong`."""
    template = compiled(request["template"])
    pieces, size = [], 0
    tools = request.get("tools")
    values = {**request["tokens"], "tools": tools, "documents": None, "add_generation_prompt": prompt}
    for piece in template.generate(messages=request["messages"][:count], **values):
        size += len(piece)
        if size > MAX_OUTPUT:
            raise TooLong(f"its output is longer than {MAX_OUTPUT:,} characters")
        pieces.append(piece)
    return "".join(pieces)


def answer(request: dict[str, Any], count: int, prompt: bool) -> dict[str, str]:
    try:
        return {"text": rendered(request, count, prompt)}
    except jinja2.TemplateSyntaxError as error:
        return {"error": f"line {error.lineno}: {error.message}"}
    except MemoryError:
        return {"error": "it needs more than 1 GB of memory"}
    except Exception as error:
        # A template can raise anything; the asking side shows it as the reason.
        return {"error": str(error)[:500] or type(error).__name__}


def limit_memory() -> None:
    """Bounds this process's memory where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def limit_time(seconds: int) -> None:
    """Lets the system end this process after so many seconds, should the asking one be gone; 0 takes it back."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def main() -> None:
    limit_memory()
    replies = sys.stdout
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        for count, prompt in request["cuts"]:
            limit_time(MAX_SECONDS)
            reply = answer(request, count, prompt)
            limit_time(0)
            print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
