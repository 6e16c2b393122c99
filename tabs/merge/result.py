"""What a job of the Merge tab found: tables and samples as safe HTML, and figures as plain JSON."""

import contextlib
from collections.abc import Mapping
from typing import Any

from htpy import Node

from tabs.forms.job_tab import JobResult, Show, job_json, on_shelf, plain_result, sample_card, titled
from tabs.shell.elements import heading, note, result_box, sentence_list, table
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.jobs.view import JobRecord
from workbench.merging.recipe import MergeRecipe
from workbench.models.model_names import model_folder
from workbench.models.model_references import ANSWERING, resolve

LOSSES = ["Model", "Loss", "Perplexity", "Interval"]
HOW_TO_READ = "lower is better, 95 % intervals."


def shelved_parents(home: Home, model: str) -> list[str]:
    """The models it was made from that are on the shelf: those its recipe names, else those its manifest does."""
    manifest = read_manifest(model_folder(home, model))
    try:
        written = MergeRecipe.parse(manifest.made_by["recipe"]).references()
    except (KeyError, UserError):
        written = [parent.name for parent in manifest.parents if parent.kind in ("model", "adapter")]
    shelved = []
    for name in written:
        with contextlib.suppress(UserError):
            shelved.append(resolve(home, name, kinds=ANSWERING).name)
    return list(dict.fromkeys(shelved))


def _proof(home: Home, view: JobRecord, _: Any) -> JobResult:
    """The proof of a merge, as soon as it is written."""
    proof = job_json(view.folder / "proof.json") or view.state.result
    pieces: list[Node] = [note(text) for text in proof.get("warnings") or []]
    if perplexity := proof.get("perplexity"):
        source = proof.get("measured_on")
        rows = [_loss_row(name, loss) for name, loss in perplexity.items()]
        about = f"On {source}; {HOW_TO_READ}" if source else HOW_TO_READ.capitalize()
        pieces += [heading("Perplexity", about), table(LOSSES, rows)]
    if samples := proof.get("samples"):
        cards = [sample_card(sample["prompt"], sample["answers"]) for sample in samples]
        pieces += [heading("The same prompts, answered by each"), *cards]
    html = result_box(pieces) if pieces else ""
    return JobResult(html, models=on_shelf(home, view), leads_to=("merge",))


def _loss_row(name: str, loss: Mapping[str, Any]) -> tuple[Any, ...]:
    low, high = loss.get("low"), loss.get("high")
    interval = f"{low:.4g}–{high:.4g}" if low is not None and high is not None else "—"
    return name, *(loss[key] if loss.get(key) is not None else "—" for key in ("loss", "perplexity")), interval


def _likeness(_: Home, view: JobRecord, __: Any) -> JobResult:
    from tabs.figures import layers
    from workbench.merging import similarity

    if view.status != "done":
        return JobResult()
    data = similarity.read_similarity(view.folder)
    return JobResult(sentence_list(similarity.sentences(data)), titled(layers.figures(data)))


def _search(home: Home, view: JobRecord, _: Any) -> JobResult:
    from tabs.figures import merge_search

    found = plain_result(home, view)
    found.figures = titled(merge_search.figures(view.folder))
    return found


def _measure(_: Home, view: JobRecord, __: Any) -> JobResult:
    result = view.state.result
    rows = [_loss_row(row["model"], row) for row in result.get("table") or []]
    if not rows:
        return JobResult()
    about = f"On the {result['split']} split of {result['dataset']}; {HOW_TO_READ}"
    return JobResult(result_box(heading("Perplexity", about), table(LOSSES, rows)))


SHOWN: dict[str, Show] = {"merge": _proof, "likeness": _likeness, "merge-search": _search, "measure": _measure}
