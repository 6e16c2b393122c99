"""The operator's settings: what is set here as a table, and all there is as the page docs/settings.md."""

import os
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from workbench.cli.screen import tell
from workbench.cli.shared import Invoked, emit, option
from workbench.core.settings import Settings, setting_detail, unknown_variables, variable_of

HIDDEN = "(set, not shown)"
INTRODUCTION = """# Settings

Environment variables that whoever starts the workbench sets. They are read by the page, the command line and every job;
nothing in the page changes them. One that is set to nothing counts as not set. A value that cannot be used is told at
the start, with its variable and what to give in its place. `llm-workbench settings` shows what is set here.

`PATH` separates by `:`, on Windows by `;`. This page is written by `llm-workbench settings --markdown`.
"""
LIBRARIES = (
    ("HF_TOKEN", "Login to the Hugging Face hub; else the one `hf auth login` keeps. Jobs get it if they use the hub."),
    ("HF_HUB_OFFLINE", "1 switches the hub off: nothing is fetched from it or pushed to it."),
    ("HF_HOME, HF_ENDPOINT", "Where the hub's cache lies, and another address of the hub."),
    ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "Proxies. One with a password is passed on to jobs that use the network."),
    ("PIP_INDEX_URL and others of pip", "Where the starter model and packages of separate environments are fetched."),
    ("FORWARDED_ALLOW_IPS", "A proxy that is not on this machine, so that its `X-Forwarded-*` headers count."),
    ("PGPASSWORD and others of libpq", "For a database of the labels on PostgreSQL."),
    ("CUDA_VISIBLE_DEVICES, OMP_NUM_THREADS", "Which GPUs and how many threads torch uses."),
    ("GOMP_SPINCOUNT", "2000 unless it is set, so that two computing processes leave each other's cores alone."),
)  # fmt: skip


def settings(
    *, markdown: Annotated[bool, option("the page docs/settings.md: every setting there is")] = False, invoked: Invoked
) -> None:
    """Prints what is set here; secrets are not shown."""
    if markdown:
        print(settings_page(), end="")
        return
    now = Settings.current()
    rows = [(variable_of(name), _shown(variable_of(name), getattr(now, name)), field.title)
            for name, field in Settings.model_fields.items()]  # fmt: skip
    emit(invoked, ["variable", "value", "name"], rows)
    for sentence in unknown_variables():
        tell(f"warning: {sentence}")


def _shown(variable: str, value: Any) -> str:
    if not os.environ.get(variable):
        return "(not set)"
    if isinstance(value, SecretStr):
        return HIDDEN
    return " ".join(value) if isinstance(value, tuple) else str(value)


def settings_page() -> str:
    """docs/settings.md: every variable with what it says, what it takes and what holds without it, a table a group."""
    sections = [INTRODUCTION]
    columns = ("Variable", "Name", "Says", "Takes", "Without it")
    for group, fields in groupby(Settings.model_fields.values(), lambda field: setting_detail(field, "group")):
        rows = [(f"`{field.validation_alias}`", str(field.title), str(field.description),
                 setting_detail(field, "takes"), _without(field)) for field in fields]  # fmt: skip
        sections.append(f"## {group}\n\n{_table(columns, rows)}")
    libraries = [(_as_code(names), says) for names, says in LIBRARIES]
    sections.append(f"## Read by libraries\n\n{_table(('Variable', 'Says'), libraries)}")
    return "\n".join(sections)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (columns, ["---"] * len(columns), *rows))


def _as_code(names: str) -> str:
    return re.sub(r"\b[A-Z][A-Z_]{3,}", lambda name: f"`{name[0]}`", names)


def _without(field: FieldInfo) -> str:
    unit = setting_detail(field, "unit")
    default = f"{field.default:g} {unit}" if isinstance(field.default, float) else str(field.default)
    return setting_detail(field, "without") or f"`{default}`"
