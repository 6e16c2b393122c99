"""What a job of the Compress tab made or found: tables as safe HTML, and figures as plain JSON."""

import json
from typing import Any

from htpy import Node

from tabs.compress import evaluation
from tabs.forms.job_tab import JobResult, Show, on_shelf, sample_card, titled
from tabs.shell.elements import hint, result_box, sentence_list, table
from tabs.shell.result_panel import Figures
from workbench.compression.jobs.prune import Prune
from workbench.compression.jobs.quantize import Quantize
from workbench.compression.quantizer import Quantizer
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.units import human_count, human_size
from workbench.jobs.view import JobRecord
from workbench.models import tensors
from workbench.models.model_references import resolve
from workbench.models.shelf import ModelInfo, model_info

PARTS = ("layers", "heads", "groups", "width")
BEFORE_CHARACTERS = 60  # characters of what both said before they part


def result_mark(home: Home, view: JobRecord) -> str:
    """Changes when what a job found may have."""
    cost = view.folder / "cost.json"
    return f"{len(_quantized(home, view))}:{cost.stat().st_mtime_ns if cost.exists() else 0}"


# ---- quantize and prune ------------------------------------------------------------------------------------


def _quantize(home: Home, view: JobRecord, _: float | None) -> JobResult:
    """The results on the shelf so far, with their sizes beside the original's."""
    job, made = view.job, _quantized(home, view)
    if not isinstance(job, Quantize) or not made:
        return JobResult()
    weights = tensors.summary(resolve(home, job.model).base)
    rows: list[tuple[object, ...]] = [(job.model, weights.dtype, *_size(weights.size, weights))]
    rows += [(info.name, _kind(quantizer), *_size(info.size, weights)) for info, quantizer in made]
    words = table(["", "As", "Size", "Of the original", "Bits a weight"], rows)
    names = [info.name for info, _ in made]
    html = result_box(words, map(hint, _notes(home, names)))
    return JobResult(html, _lessons(home, view, names), names, job.model, ("cost",))


def _quantized(home: Home, view: JobRecord) -> list[tuple[ModelInfo, Quantizer]]:
    """What a job has put on the shelf so far, and what made it."""
    info = []
    for name, quantizer in view.job.variants() if isinstance(view.job, Quantize) else []:
        folder = home.models / name
        if folder.is_dir() and read_manifest(folder).made_by.get("job") == view.id:
            info.append((model_info(home, name), quantizer))
    return info


def _kind(quantizer: Quantizer) -> str:
    return f"{quantizer.title} {getattr(quantizer, 'type', '')}".strip()


def _size(size: int, whole: tensors.Weights) -> tuple[str, str, str]:
    bits = f"{8 * size / whole.parameters:.2f}" if whole.parameters else "–"
    return human_size(size), f"{size / whole.size:.0%}" if whole.size else "–", bits


def _notes(home: Home, names: list[str]) -> list[str]:
    """What the manifests tell beyond sizes, each sentence once."""
    notes: list[str] = []
    for info in (read_manifest(home.models / name).info for name in names):
        notes += [str(note) for note in info.get("notes") or []]
        tokens = info.get("tokenizer_check") or {}
        if tokens.get("equal", 0) < tokens.get("texts", 0):
            notes.append(
                f"llama.cpp splits {tokens['texts'] - tokens['equal']} of {tokens['texts']} test texts otherwise."
            )
    return list(dict.fromkeys(notes))


def _lessons(home: Home, view: JobRecord, names: list[str]) -> Figures:
    """The pictures teaching quantizers left: the error by layer, then the weights of each layer before and after."""
    from tabs.figures import weight_histograms

    files = [str(read_manifest(home.models / name).info.get("histograms") or "") for name in names]
    lessons = [json.loads((view.folder / file).read_text("utf-8")) for file in files if file and "/" not in file]
    found: Figures = []
    for lesson in lessons:
        layers = [weight_histograms.histogram(lesson, layer["name"]) for layer in lesson["layers"]]
        which = f"{lesson['title']} · " if len(lessons) > 1 else ""
        whole, *each = titled([weight_histograms.errors(lesson), *layers])
        found += [whole, *((which + title, figure) for title, figure in each)]
    return found


def _prune(home: Home, view: JobRecord, _: float | None) -> JobResult:
    """Size and loss before and after."""
    result, job = view.state.result, view.job
    model = str(result.get("model") or "")
    if not isinstance(job, Prune) or not (home.models / model).is_dir() or not model:
        return JobResult()
    rows = [("Parameters", *map(human_count, result["parameters"])), ("Size", *map(human_size, result["bytes"]))]
    rows += [(name.capitalize(), *map(str, result[name])) for name in PARTS if isinstance(result.get(name), list)]
    if result.get("loss"):
        rows.append(("Loss", *(f"{loss:.3f}" for loss in result["loss"])))
    words = table(["", job.model, model], rows)
    html = result_box(words, hint(_difference(result)), hint(job.pruner.effect))
    tuner = "" if job.pruner.smaller else "full"
    return JobResult(html, [], [model], job.model, ("cost", "train"), tuner=tuner)


def _difference(result: dict[str, Any]) -> str:
    difference, measured = result.get("difference") or {}, result.get("measured") or {}
    if not difference:
        return "Without a calibration dataset the loss was not measured."
    text = f"The loss changed by {difference['loss']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
    return f"{text}, on {measured.get('tokens', 0):,} tokens of {measured.get('rows', 0)} rows it was not cut by."


# ---- the others --------------------------------------------------------------------------------------------


def _cost(home: Home, view: JobRecord, gigabytes: float | None) -> JobResult:
    """The variants measured so far."""
    from tabs.figures import cost as cost_figures
    from workbench.compression.evaluation import variant_costs as cost

    data = cost.read_costs(view.folder)
    if not data.get("rows"):
        return JobResult()
    figures = titled(cost_figures.figures(data))
    return JobResult(evaluation.advice_html(data, gigabytes), figures, asks_memory=True)


def _parity(home: Home, view: JobRecord, _: float | None) -> JobResult:
    """Where a GGUF and its source part."""
    result = view.state.result
    if not result.get("sentences"):
        return JobResult()
    source, model = str(result["source"]), str(result["model"])
    pieces: list[Node] = [sentence_list(result["sentences"])]
    for difference in result["differences"]:
        prompt = f"{difference['prompt']}\nFrom token {difference['token']} on, {difference['gap']:.2f} nats apart:"
        before = f"… {difference['before'][-BEFORE_CHARACTERS:]}" if difference["before"] else ""
        pieces.append(sample_card(prompt, {source: before + difference["source"], model: before + difference["gguf"]}))
    return JobResult(result_box(pieces), [], on_shelf(home, view), source)


SHOWN: dict[str, Show] = {"quantize": _quantize, "prune": _prune, "cost": _cost, "parity": _parity}
