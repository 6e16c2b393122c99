"""The datasets that a dataset_info.json or an axolotl configuration lists: a look at those chosen, and their import."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tabs.data.source import Given, discard, source_of
from tabs.shell.context import Context
from tabs.shell.kit import Html, error_box, facts, hint
from workbench.core.errors import SpecError, UserError, explain
from workbench.core.home import free_name
from workbench.data.recipes.brief_preview import brief_preview, is_large
from workbench.data.recipes.importing import import_dataset
from workbench.data.recipes.previewing import Preview
from workbench.data.sources.external import name_of_entry
from workbench.data.sources.source import Source
from workbench.jobs.job import JOBS

MOST_LOOKED_AT = 12


@dataclass
class Brought:
    """What became of several entries: datasets made, jobs submitted, and the errors of the others by entry."""

    datasets: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)


def single(given: Given, entry: str) -> Given:
    """As if this entry alone were chosen."""
    return given if given.entries == [entry] else replace(given, entries=[entry], format=None)


def looks(ctx: Context, given: Given) -> dict[str, Preview | Source | UserError]:
    """A look at every entry chosen: what its import would give, its source where that lies on the hub, or why not."""
    return {entry: _look(ctx, single(given, entry)) for entry in (given.entries or [])[:MOST_LOOKED_AT]}


def _look(ctx: Context, given: Given) -> Preview | Source | UserError:
    try:
        source = source_of(ctx.home, ctx.gate, given)
        return source if source.method == "hub" else brief_preview(source)
    except (UserError, OSError) as error:
        return explain(error)


def looks_html(listed: str, count: int, chosen: int, found: dict[str, Preview | Source | UserError]) -> Html:
    """What is in the entries chosen, a line for each; those that cannot be read with their reasons below."""
    if not found:
        return facts([(listed, f"lists {count:,} datasets. Choose one or several above.")])
    lines = [(entry, _line(one)) for entry, one in found.items() if not isinstance(one, UserError)]
    notes = dict.fromkeys(note for one in found.values() for note in _notes(one))
    rest = [f"… and {chosen - len(found):,} more, looked at when they are imported."] if chosen > len(found) else []
    parts = [facts(lines) if lines else "", *(hint(text) for text in (*notes, *rest))]
    return Html("".join([*parts, failures_html(entry_errors(found))]))


def entry_errors(found: dict[str, Any]) -> dict[str, UserError]:
    return {entry: one for entry, one in found.items() if isinstance(one, UserError)}


def failures_html(failed: dict[str, UserError]) -> Html:
    """The entries that cannot be read, each with its reason and remedy."""
    return Html("".join(error_box(f"{entry}: {_told(error)[0]}", _told(error)[1]) for entry, error in failed.items()))


def _told(error: UserError) -> tuple[str, str]:
    """The message and the remedy, of several problems all of them."""
    problems = error.problems if isinstance(error, SpecError) else [error]
    messages, remedies = ([getattr(one, name) for one in problems] for name in ("message", "remedy"))
    return " ".join(dict.fromkeys(messages)), " ".join(dict.fromkeys(filter(None, remedies)))


def _line(one: Preview | Source) -> str:
    if isinstance(one, Source):
        return f"{getattr(one, 'dataset', '')} of the hub, downloaded as a job"
    if one.format is None:
        return one.reason
    more = "" if one.complete else " of the first 20,000"
    bad = f", {one.bad:,} bad" if one.bad else ""
    return f"{one.good:,} rows{more}{bad} · {one.format.title} → {one.format.kind}"


def _notes(one: Preview | Source | UserError) -> list[str]:
    return one.remarks if isinstance(one, Preview) else getattr(one, "notes", [])


def bring(ctx: Context, given: Given, settings: dict[str, Any]) -> Brought:
    """Imports every entry chosen, the small ones at once, the others as jobs; one that fails holds up no other."""
    brought = Brought()
    for entry, name in _names(ctx, given.entries or []):
        alone = single(given, entry)
        try:
            source = source_of(ctx.home, ctx.gate, alone)
            if is_large(source):
                job = {"method": "import-data", "name": name, "source": source.to_dict(), **settings}
                brought.jobs.append(ctx.queue.submit(JOBS.parse(job)))
            else:
                brought.datasets.append(import_dataset(ctx.home, source, name, **settings).name)
                discard(ctx.home, replace(alone, files=None), source)  # the others still need what was sent
        except (UserError, OSError) as error:
            brought.failed[entry] = explain(error)
    if not brought.failed:
        discard(ctx.home, given)
    return brought


def _names(ctx: Context, chosen: list[str]) -> Iterator[tuple[str, str]]:
    """(entry, what its dataset is called); of two that would be called alike the second gets a number."""
    promised: set[str] = set()
    for entry in chosen:
        name = free_name(ctx.home.datasets, name_of_entry(entry), promised)
        promised.add(name)
        yield entry, name
