"""What a job of the Compress tab made or found: tables as safe HTML, and figures as plain JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from htpy import Node
from markupsafe import Markup

from tabs.compress import evaluation
from tabs.merge.result import plain, sample_of, titled
from tabs.shell.context import Context
from tabs.shell.elements import hint, result_box, sentence_list, table
from tabs.shell.result_panel import Figures, drawn_or_explained, view_of
from workbench.compression.jobs.prune import Prune
from workbench.compression.jobs.quantize import Quantize
from workbench.compression.quantizer import Quantizer
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.units import human_count, human_size
from workbench.jobs.view import JobRecord
from workbench.models import tensors
from workbench.models.shelf import ModelInfo, model_info, resolve

PARTS = ("layers", "heads", "groups", "width")
BEFORE = 60  # characters of what both said before they part


@dataclass
class Found:
    """What a job found: words and figures, and what it put on the shelf of which original.

    can_cost, can_heal: whether measuring or healing what it made makes sense; tuner: what healing has to train with.
    """

    html: str = ""
    figures: Figures = field(default_factory=list)
    original: str = ""
    models: list[str] = field(default_factory=list)
    can_cost: bool = False
    can_heal: bool = False
    asks_memory: bool = False
    tuner: str = ""


def found_of(home: Home, view: JobRecord, gigabytes: float | None = None) -> Found:
    """What a job found so far; nothing while its files are missing, and what is wrong with damaged ones."""
    draw = _SHOWN.get(view.job.method if view.job else "", _other)
    return drawn_or_explained(lambda: draw(home, view, gigabytes), Found)


def mark_of(ctx: Context, job: str | None) -> str:
    """Changes when what a job found may have."""
    view = view_of(ctx, job)
    if view is None:
        return ""
    made = len(_quantized(ctx.home, view)) if view.job and view.job.method == "quantize" else 0
    cost = view.folder / "cost.json"
    return f"{view.id}:{view.status}:{made}:{cost.stat().st_mtime_ns if cost.exists() else 0}"


def nothing() -> Markup:
    """What stands where no result is chosen yet."""
    return hint("What a run made is shown here with its real sizes; what it cost, as a table and figures.")


# ---- quantize and prune ------------------------------------------------------------------------------------


def _quantize(home: Home, view: JobRecord, _: float | None) -> Found:
    """The results on the shelf so far, with their sizes beside the original's."""
    job, made = view.job, _quantized(home, view)
    if not isinstance(job, Quantize) or not made:
        return Found()
    weights = tensors.summary(resolve(home, job.model).base)
    rows: list[tuple[object, ...]] = [(job.model, weights.dtype, *_size(weights.size, weights))]
    rows += [(info.name, _kind(quantizer), *_size(info.size, weights)) for info, quantizer in made]
    words = table(["", "As", "Size", "Of the original", "Bits a weight"], rows)
    names = [info.name for info, _ in made]
    html = result_box(words, map(hint, _notes(home, names)))
    return Found(html, _lessons(home, view, names), job.model, names, can_cost=True)


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


def _prune(home: Home, view: JobRecord, _: float | None) -> Found:
    """Size and loss before and after."""
    result, job = view.state.result, view.job
    model = str(result.get("model") or "")
    if not isinstance(job, Prune) or not (home.models / model).is_dir() or not model:
        return Found()
    rows = [("Parameters", *map(human_count, result["parameters"])), ("Size", *map(human_size, result["bytes"]))]
    rows += [(name.capitalize(), *map(str, result[name])) for name in PARTS if isinstance(result.get(name), list)]
    if result.get("loss"):
        rows.append(("Loss", *(f"{loss:.3f}" for loss in result["loss"])))
    words = table(["", job.model, model], rows)
    html = result_box(words, hint(_difference(result)), hint(job.pruner.effect))
    tuner = "" if job.pruner.smaller else "full"
    return Found(html, [], job.model, [model], can_cost=True, can_heal=True, tuner=tuner)


def _difference(result: dict[str, Any]) -> str:
    difference, measured = result.get("difference") or {}, result.get("measured") or {}
    if not difference:
        return "Without a calibration dataset the loss was not measured."
    text = f"The loss changed by {difference['loss']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
    return f"{text}, on {measured.get('tokens', 0):,} tokens of {measured.get('rows', 0)} rows it was not cut by."


# ---- the others --------------------------------------------------------------------------------------------


def _other(home: Home, view: JobRecord, _: float | None) -> Found:
    """The plain values of a result."""
    model = str(view.state.result.get("model") or "")
    html, figures = plain(view)
    return Found(html, figures, "", [model] if model and (home.models / model).is_dir() else [])


def _cost(home: Home, view: JobRecord, gigabytes: float | None) -> Found:
    """The variants measured so far."""
    from tabs.figures import cost as cost_figures
    from workbench.compression.evaluation import variant_costs as cost

    data = cost.read_costs(view.folder)
    if not data.get("rows"):
        return Found()
    figures = titled(cost_figures.figures(data))
    return Found(evaluation.words(data, gigabytes), figures, asks_memory=True)


def _parity(home: Home, view: JobRecord, _: float | None) -> Found:
    """Where a GGUF and its source part."""
    result = view.state.result
    if not result.get("sentences"):
        return Found()
    source, model = str(result["source"]), str(result["model"])
    parts: list[Node] = [sentence_list(result["sentences"])]
    for difference in result["differences"]:
        asked = f"{difference['prompt']}\nFrom token {difference['token']} on, {difference['gap']:.2f} nats apart:"
        before = f"… {difference['before'][-BEFORE:]}" if difference["before"] else ""
        parts.append(sample_of({"prompt": asked, "answers": {name: before + difference[key] for name, key in
                     ((source, "source"), (model, "gguf"))}}))  # fmt: skip
    models = [model] if (home.models / model).is_dir() else []
    return Found(result_box(parts), [], source, models)


_SHOWN: dict[str, Callable[[Home, JobRecord, float | None], Found]] = {
    "quantize": _quantize, "prune": _prune, "cost": _cost, "parity": _parity,
}  # fmt: skip
