"""Cards (README.md) from the Jinja templates in assets/cards: every value is escaped for Markdown where it is put in.

`yaml` and `fenced` write a value as a code block's text and as the block; `tojson` writes it as a literal of Python.
"""

import functools
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from workbench.core.assets import ASSETS
from workbench.core.markdown import fenced, markdown_safe
from workbench.core.spec import dump_yaml


def render_card(template: str, **values: Any) -> str:
    """The card of assets/cards/`template`.md.jinja; names and texts in `values` cannot become Markdown or HTML."""
    return _environment().get_template(f"{template}.md.jinja").render(values)


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(ASSETS / "cards"), undefined=StrictUndefined, autoescape=True, finalize=_escaped,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.filters["yaml"] = lambda value: _safe(dump_yaml(value))
    environment.filters["fenced"] = lambda words, language="": _safe(fenced(words, language))
    environment.filters["paragraphs"] = lambda words: _safe(markdown_safe(words, lines=True))
    return environment


def _escaped(value: Any) -> Markup:
    """Autoescape is for HTML; here it is Markdown, whose escaping leaves no HTML either."""
    if isinstance(value, Markup):
        return value
    return _safe(markdown_safe(f"{value:,}" if isinstance(value, int) else value))


def _safe(words: str) -> Markup:
    return Markup(words)  # noqa: S704 - escaped for Markdown, or inside a code block
