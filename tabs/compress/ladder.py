"""The ladder of the Compress tab: every quantizer a row, with what it would make of the chosen model."""

import typing
from typing import Any, Literal

import gradio as gr

from tabs.forms.fields import fields_of
from tabs.shell.context import Context
from tabs.shell.kit import component
from workbench.compression.quantizer import QUANTIZERS, Quantizer
from workbench.compression.quantizers.gguf import Gguf
from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.units import human_size
from workbench.models import tensors
from workbench.models.model_references import resolve

GROUPS = (
    ("gguf", "GGUF", "One file for llama.cpp, Ollama, LM Studio. Fast on a CPU; calibration helps the small ones."),
    ("model", "For transformers", "A folder Python loads; it can be trained on (QLoRA) and served."),
    ("lesson", "To learn from", "The arithmetic alone: shows what is lost, saves no space."),
)
TOLD = {
    "BF16": "bfloat16, as most models are", "F16": "float16, what the others are made from",
    "Q8_0": "8 bits, hardly to be told apart", "Q6_K": "6 bits, very close", "Q5_K_M": "5 bits, close",
    "Q5_K_S": "5 bits, a little smaller", "Q5_0": "5 bits, simple", "Q4_K_M": "4 bits, the usual choice",
    "Q4_K_S": "4 bits, a little smaller", "Q4_0": "4 bits, simple and fast", "IQ4_NL": "4 bits, uneven steps",
    "IQ4_XS": "4 bits, the smallest good one", "Q3_K_M": "3 bits, noticeably worse", "Q3_K_S": "3 bits, smaller",
    "IQ3_M": "3 bits, uneven steps", "IQ3_XXS": "3 bits, needs calibration", "Q2_K": "2 bits, a last resort",
    "IQ2_M": "2 bits, needs calibration", "IQ2_S": "2 bits, needs calibration", "IQ2_XXS": "2 bits, needs calibration",
    "nf4": "what QLoRA trains on; steps follow a normal distribution", "fp4": "loses more than nf4",
}  # fmt: skip
"""What a type is, in a few words; those of GGUF from the most faithful to the smallest."""
COMMON = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")
"""The GGUF types shown at once; the others fold away."""
USUAL = ("Q8_0", "Q5_K_M", "Q4_K_M", "nf4")
"""The rungs of the preset 'Ladder', as far as there are such."""


def ladder(ctx: Context, **options: Any) -> gr.HTML:
    """The component; its value is {"model", "quantizers": [{"method", …settings}]}."""
    rungs = [rung for quantizer in QUANTIZERS for rung in rungs_of(quantizer)]
    catalogue = {
        "groups": [{"id": id_, "title": title, "note": note} for id_, title, note in GROUPS],
        "rungs": rungs,
        "methods": {rung.method: {"title": rung.title, "fields": rung_controls(rung)} for rung in QUANTIZERS},
        "presets": rung_presets(rungs),
    }
    functions = {"estimates": lambda query: estimates(ctx, query), "fit": lambda query: fitting(ctx, query)}
    lines = ("No models yet", "A smaller copy is made of a model of the shelf.", "Get one in the Models tab.")
    return component("ladder", None, functions, lines, catalogue=catalogue, **options)


def rungs_of(quantizer: type[Quantizer]) -> list[dict[str, Any]]:
    """The rows of one quantizer: one for each `type` it can make, else one."""
    field = quantizer.model_fields.get("type")
    types = typing.get_args(field.annotation) if field and typing.get_origin(field.annotation) is Literal else ()
    row = {
        "what": quantizer.summary(), "group": quantizer.makes if quantizer.smaller else "lesson",
        "unavailable": quantizer.unavailable(), "more": not quantizer.smaller,
    }  # fmt: skip
    if not types:
        return [{"key": quantizer.method, "name": quantizer.title, "given": {"method": quantizer.method}, **row}]
    ranks, mixed = list(TOLD), quantizer.makes == "gguf"
    return [
        {
            **row, "key": f"{quantizer.method}:{rung}", "given": {"method": quantizer.method, "type": rung},
            "name": rung if mixed else f"{quantizer.title} {rung}", "what": TOLD.get(rung, row["what"]),
            "more": row["more"] or (mixed and rung not in COMMON),
        }
        for rung in sorted(types, key=lambda rung: ranks.index(rung) if rung in ranks else len(ranks))
    ]  # fmt: skip


def rung_presets(rungs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choices of several rungs by one press."""
    usual = [rung for rung in rungs if rung["given"].get("type") in USUAL]
    names = ", ".join(rung["name"] for rung in usual)
    return [{"title": "The usual ladder", "help": names, "keys": [rung["key"] for rung in usual]}] if usual else []


def rung_controls(method: type[Quantizer]) -> list[dict[str, Any]]:
    """The settings of a method as the browser draws them, without the `type` that is a row of its own."""
    return [field for field in fields_of(method) if field["name"] != "type"]


# ---- estimates -----------------------------------------------------------------------------------------------


def estimates(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    """What every rung would make of the model {"model"} with the {"settings"} of each method, from headers alone."""
    if not query.get("model"):
        return {"waiting": bool(ctx.models())}
    resolved = resolve(ctx.home, str(query["model"]))
    weights = tensors.summary(resolved.base)
    settings = query.get("settings") or {}
    rows: dict[str, Any] = {}
    for quantizer in QUANTIZERS:
        for rung in rungs_of(quantizer):
            rungs = {**rung["given"], **(settings.get(quantizer.method) or {})}
            rows[rung["key"]] = _estimate(ctx, rungs, resolved, weights.parameters)
    words = f"{human_size(weights.size)}, {weights.dtype}"
    return {"bytes": weights.size, "parameters": weights.parameters, "words": words, "rows": rows}


def _estimate(ctx: Context, given: dict[str, Any], found: Any, parameters: int) -> dict[str, Any]:
    """One rung: bytes, bits a weight and notes, or the problem that stands in its way."""
    problems = Problems()
    try:
        quantizer = QUANTIZERS.parse(given)
        if not quantizer.unavailable():
            quantizer.check(ctx.home, found, problems)
        problems.check()
        estimate = quantizer.estimate(found)
    except SpecError as error:
        return {"problem": " ".join(f"{one.message} {one.remedy}".strip() for one in error.problems)}
    except (UserError, OSError) as error:
        return {"problem": str(error)}
    bits = 8 * estimate.bytes / parameters if parameters else None
    return {"bytes": estimate.bytes, "bits": bits, "notes": estimate.notes}


def fitting(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    """The GGUF type for a model in so much memory: {"model", "gigabytes", "settings"} → {"keys", "text"}."""
    from workbench.gguf.preview import best_fit

    found = resolve(ctx.home, str(query.get("model") or ""))
    settings = (query.get("settings") or {}).get(Gguf.method) or {}
    best = best_fit(found, float(query["gigabytes"]), importance=bool(settings.get("importance")))
    text = f"{best.kind} is the best that fits: {human_size(best.bytes)}, and {human_size(best.cache)} for a chat of "
    return {"keys": [f"{Gguf.method}:{best.kind}"], "text": f"{text}{best.context:,} tokens."}
