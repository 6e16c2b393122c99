"""Every method with its settings, as the documents have them, and the JSON Schema of each: both made from the specs."""

import json
from collections.abc import Iterator

from workbench.cli.jobs import method_named
from workbench.cli.shared import Invoked, families, show
from workbench.core.described import DescribedField, DescribedSpec, describe, value_words

HEAD = """# Methods and settings

Every kind of job and every method with its settings, as the page labels them. A kind of job is a command, and its
settings are options (`--max-length 1024`, `--objective.beta 0.2`) or stand in YAML under the same names.

This file is written by `llm-workbench reference > docs/methods.md`; a test holds it equal to what is there.
"""
COLUMNS = ("Setting", "Label", "Default", "Values", "What it does")


def reference(*, invoked: Invoked) -> None:
    """Prints every method of every family with its settings, as Markdown."""
    text = reference_text()
    show(invoked, {"markdown": text}, text)


def schema(name: str, /, *, invoked: Invoked) -> None:
    """Prints the JSON Schema of a kind of job or another method, for editors that complete and check YAML."""
    _, method = method_named(name)
    written = method.model_json_schema()
    show(invoked, written, json.dumps(written, indent=2, ensure_ascii=False))


def reference_text() -> str:
    """The document: a heading for every family, then each of its methods with a table of its settings."""
    lines = [HEAD]
    for registry in families().values():
        lines.append(f"## {registry.family.capitalize()}\n")
        for method in registry:
            lines += _section(describe(method))
    return "\n".join(lines).rstrip() + "\n"


def _section(spec: DescribedSpec) -> Iterator[str]:
    yield f"### {spec.title} (`{spec.method}`)\n"
    yield f"{spec.summary}\n"
    if spec.fields:
        yield f"| {' | '.join(COLUMNS)} |"
        yield "|" + " --- |" * len(COLUMNS)
        yield from (_row(path, field) for path, field in _settings(spec.fields))
        yield ""


def _settings(fields: tuple[DescribedField, ...], above: str = "") -> Iterator[tuple[str, DescribedField]]:
    """Those of nested specs too, by their dotted names; those of methods stand under their own headings."""
    for field in fields:
        yield f"{above}{field.name}", field
        yield from _settings(field.fields, f"{above}{field.name}.")


def _row(path: str, field: DescribedField) -> str:
    default = "*required*" if field.required else field.default_words and f"`{field.default_words}`"
    condition = f"Has an effect only {field.condition_words}." if field.shown_if else ""
    cells = (f"`{path}`", field.full_label, default, _values(field), f"{field.help} {condition}".strip())
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"


def _values(field: DescribedField) -> str:
    choices = [method.method for method in field.methods] or field.choices or (field.item.choices if field.item else ())
    return (
        ", ".join(f"`{value_words(choice)}`" for choice in choices)
        or field.ref.get("accepted", "")
        or field.bounds_words
    )
