"""The datasets that a dataset_info.json or an axolotl configuration lists: a look at those chosen, and their import."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup

from tabs.data.source import ImportInputs, discard, source_of_inputs
from tabs.shell.context import Context
from tabs.shell.elements import error_box, facts, hint, render_html
from workbench.core.errors import SpecError, UserError, explain
from workbench.core.home import free_name
from workbench.core.lineage import Manifest
from workbench.data.jobs.import_data import ImportData
from workbench.data.recipes.brief_preview import brief_preview, is_large
from workbench.data.recipes.importing import import_dataset
from workbench.data.recipes.previewing import Preview
from workbench.data.sources.external import name_of_entry
from workbench.data.sources.source import Source

MOST_ENTRIES = 12


@dataclass
class Brought:
    """What became of several entries: datasets made, jobs submitted, and the errors of the others by entry."""

    datasets: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)


def single_entry(inputs: ImportInputs, entry: str) -> ImportInputs:
    """As if this entry alone were chosen."""
    return inputs if inputs.entries == [entry] else replace(inputs, entries=[entry], format=None)


def looks(ctx: Context, inputs: ImportInputs) -> dict[str, Preview | Source | UserError]:
    """A look at every entry chosen: what its import would give, its source where that lies on the hub, or why not."""
    return {entry: _look(ctx, single_entry(inputs, entry)) for entry in (inputs.entries or [])[:MOST_ENTRIES]}


def _look(ctx: Context, inputs: ImportInputs) -> Preview | Source | UserError:
    try:
        source = source_of_inputs(ctx.home, ctx.gate, inputs)
        return source if source.method == "hub" else brief_preview(source)
    except (UserError, OSError) as error:
        return explain(error)


def looks_html(listed: str, count: int, chosen: int, previews: dict[str, Preview | Source | UserError]) -> Markup:
    """What is in the entries chosen, a line for each; those that cannot be read with their reasons below."""
    if not previews:
        return facts([(listed, f"lists {count:,} datasets. Choose one or several above.")])
    lines = [(entry, _line(outcome)) for entry, outcome in previews.items() if not isinstance(outcome, UserError)]
    notes = dict.fromkeys(note for outcome in previews.values() for note in _notes(outcome))
    rest = (
        [f"… and {chosen - len(previews):,} more, looked at when they are imported."] if chosen > len(previews) else []
    )
    hints = [hint(text) for text in (*notes, *rest)]
    return render_html(facts(lines) if lines else None, hints, failures_html(entry_errors(previews)))


def entry_errors(previews: dict[str, Any]) -> dict[str, UserError]:
    """The entries that could not be previewed, each with its reason."""
    return {entry: outcome for entry, outcome in previews.items() if isinstance(outcome, UserError)}


def failures_html(failed: dict[str, UserError]) -> Markup:
    """The entries that cannot be read, each with its reason and remedy."""
    return render_html(_failure_box(entry, error) for entry, error in failed.items())


def _failure_box(entry: str, error: UserError) -> Markup:
    """An entry's message and remedy, of several problems all of them."""
    problems = error.problems if isinstance(error, SpecError) else [error]
    messages, remedies = ([getattr(problem, name) for problem in problems] for name in ("message", "remedy"))
    return error_box(f"{entry}: {' '.join(dict.fromkeys(messages))}", " ".join(dict.fromkeys(filter(None, remedies))))


def _line(preview: Preview | Source) -> str:
    if isinstance(preview, Source):
        return f"{getattr(preview, 'dataset', '')} of the hub, downloaded as a job"
    if preview.format is None:
        return preview.reason
    more = "" if preview.complete else " of the first 20,000"
    bad = f", {preview.bad:,} bad" if preview.bad else ""
    return f"{preview.good:,} rows{more}{bad} · {preview.format.title} → {preview.format.kind}"


def _notes(outcome: Preview | Source | UserError) -> list[str]:
    return outcome.remarks if isinstance(outcome, Preview) else getattr(outcome, "notes", [])


def import_or_queue(ctx: Context, source: Source, name: str, settings: dict[str, Any]) -> Manifest | str:
    """Imports what is small at once; what is large, or of the hub, is queued, and the id of its job is the answer."""
    if is_large(source):
        return ctx.queue.submit(ImportData.parse({"name": name, "source": source, **settings}))
    return import_dataset(ctx.home, source, name, **settings)


def bring(ctx: Context, inputs: ImportInputs, settings: dict[str, Any]) -> Brought:
    """Imports every entry chosen, the small ones at once, the others as jobs; one that fails holds up no other."""
    brought = Brought()
    for entry, name in _names(ctx, inputs.entries or []):
        alone = single_entry(inputs, entry)
        try:
            source = source_of_inputs(ctx.home, ctx.gate, alone)
            imported = import_or_queue(ctx, source, name, settings)
            if isinstance(imported, str):
                brought.jobs.append(imported)
            else:
                brought.datasets.append(imported.name)
                discard(ctx.home, replace(alone, files=None), source)  # the others still need what was sent
        except (UserError, OSError) as error:
            brought.failed[entry] = explain(error)
    if not brought.failed:
        discard(ctx.home, inputs)
    return brought


def _names(ctx: Context, chosen: list[str]) -> Iterator[tuple[str, str]]:
    """(entry, what its dataset is called); of two that would be called alike the second gets a number."""
    promised: set[str] = set()
    for entry in chosen:
        name = free_name(ctx.home.datasets, name_of_entry(entry), promised)
        promised.add(name)
        yield entry, name
