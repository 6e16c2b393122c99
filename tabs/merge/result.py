"""What a job of the Merge tab found: tables and samples as safe HTML, and figures as plain JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from htpy import Node, b, div
from markupsafe import Markup

from tabs.shell.elements import facts, heading, hint, note, render_html, result_box, sentence_list, table
from tabs.shell.result_panel import Figures, drawn_or_explained
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.jobs.view import JobRecord
from workbench.merging.recipe import Recipe
from workbench.merging.sanity_check import shelf_name
from workbench.models.shelf import model_folder

LOSSES = ["Model", "Loss", "Perplexity", "Interval"]


@dataclass
class Result:
    """`model` is what a finished job put on the shelf, '' if nothing; `figures` are (title, plotly figure)."""

    html: str = ""
    figures: Figures = field(default_factory=list)
    model: str = ""


def result_of(home: Home, view: JobRecord) -> Result:
    """What a job found so far; nothing while its files are missing, and what is wrong with damaged ones."""
    model, draw = str(view.state.result.get("model") or ""), _SHOWN.get(view.job.method if view.job else "", plain)
    html, figures = drawn_or_explained(lambda: draw(view), _words_alone)
    return Result(html, figures, model if model and (home.models / model).is_dir() else "")


def _words_alone(html: str) -> tuple[str, Figures]:
    return html, []


def parents_of(home: Home, model: str) -> list[str]:
    """The models it was made from that are on the shelf: those its recipe names, else those its manifest does."""
    manifest = read_manifest(model_folder(home, model))
    try:
        written = Recipe.parse(manifest.made_by["recipe"]).references()
    except (KeyError, UserError):
        written = [parent.name for parent in manifest.parents if parent.kind in ("model", "adapter")]
    named = [shelf_name(home, name) for name in written]
    return [name for name in dict.fromkeys(named) if (home.models / name).is_dir()]


def _proof(view: JobRecord) -> tuple[str, Figures]:
    """The proof of a merge, as soon as it is written."""
    proof = _read(view.folder / "proof.json") or view.state.result
    parts: list[Node] = [note(text) for text in proof.get("warnings") or []]
    perplexity, samples = proof.get("perplexity") or {}, proof.get("samples") or []
    if not (parts or perplexity or samples):
        return "", []
    if perplexity:
        source = proof.get("measured_on")
        about = f"On {source}; lower is better, 95 % intervals." if source else "Lower is better, 95 % intervals."
        rows = [_loss_row(name, proof) for name, proof in perplexity.items()]
        parts += [heading("Perplexity", about), table(LOSSES, rows)]
    if samples:
        parts.append(heading("The same prompts, answered by each"))
        parts += [sample_of(sample) for sample in samples]
    return result_box(parts), []


def _loss_row(name: str, loss: dict[str, Any]) -> tuple[Any, ...]:
    low, high = loss.get("low"), loss.get("high")
    interval = f"{low:.4g}–{high:.4g}" if low is not None and high is not None else "—"
    return name, *(loss[key] if loss.get(key) is not None else "—" for key in ("loss", "perplexity")), interval


def sample_of(sample: dict[str, Any]) -> Node:
    """One prompt, and what each answered: {'prompt', 'answers': {name: text}}."""
    answers = [div(".wb-sample-answer")[b[name], div[text or "(empty)"]] for name, text in sample["answers"].items()]
    return div(".wb-sample")[div(".wb-sample-prompt")[sample["prompt"]], answers]


def _likeness(view: JobRecord) -> tuple[str, Figures]:
    from tabs.figures import layers
    from workbench.merging import similarity

    if view.status != "done":
        return "", []
    data = similarity.read(view.folder)
    return sentence_list(similarity.sentences(data)), titled(layers.figures(data))


def _search(view: JobRecord) -> tuple[str, Figures]:
    from tabs.figures import merge_search

    return plain(view)[0], titled(merge_search.figures(view.folder))


def _measure(view: JobRecord) -> tuple[str, Figures]:
    result = view.state.result
    rows = [_loss_row(row["model"], row) for row in result.get("table") or []]
    if not rows:
        return "", []
    about = f"On the {result['split']} split of {result['dataset']}; lower is better, 95 % intervals."
    return result_box(heading("Perplexity", about), table(LOSSES, rows)), []


def plain(view: JobRecord) -> tuple[str, Figures]:
    """The plain values of a result, its `sentences` as a list and its `table`, one dict a row, as a table."""
    result = view.state.result
    if view.status != "done":
        return "", []
    rows = [(_title(name), _words(value)) for name, value in result.items() if isinstance(value, str | int | float)]
    named = ("sentences", sentence_list), ("table", _records)
    lists = [build(result[name]) for name, build in named if result.get(name)]
    return render_html(facts(rows) if rows else None, lists), []


def _records(records: list[dict[str, Any]]) -> Markup:
    """A table of rows that name their own columns."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [[record.get(name, "—") for name in columns] for record in records]
    return table([_title(name) for name in columns], rows)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _words(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def titled(figures: list[dict[str, Any]]) -> Figures:
    """The figures with their titles, which the dropdown shows when there are several."""
    found = []
    for index, figure_data in enumerate(figures):
        title = figure_data["layout"].get("title") or {}
        text = str(title.get("text") if isinstance(title, dict) else title)
        layout = {name: value for name, value in figure_data["layout"].items() if name != "title" or len(figures) == 1}
        found.append((text or f"Figure {index + 1}", {**figure_data, "layout": layout}))
    return found


_SHOWN = {"merge": _proof, "likeness": _likeness, "merge-search": _search, "measure": _measure}


def nothing() -> Markup:
    """What stands where no result is chosen yet."""
    return hint("What a run found is shown here when it is done: for a merge, how parents and child answer.")
