"""The words beside the figures of 'what it cost': how they were measured, and what to be careful with."""

from collections.abc import Sequence
from typing import Any

from workbench.compression.evaluation.divergence import FEW_POSITIONS
from workbench.compression.evaluation.recommend import nats
from workbench.compression.evaluation.speed import BUSY_SHARE, RUNS
from workbench.compression.evaluation.windows import ScoredText
from workbench.compression.jobs.cost import Cost
from workbench.core.hardware import hardware_from_os
from workbench.core.stats import BOOTSTRAP_ROUNDS
from workbench.core.units import human_count, human_size

Row = dict[str, Any]
COLUMNS = [
    "Variant", "Weights", "Size", "Bits a weight", "Load", "Memory", "Perplexity", "× original", "KL (nats)",
    "KL 99 %", "Same top token", "Bits a byte", "Prompt tokens/s", "Generated tokens/s", "Notes",
]  # fmt: skip
NONE = "—"


def protocol(job: Cost, text: ScoredText, reference: dict[str, Any], threads: int) -> dict[str, Any]:
    """How everything was measured: plain figures, and `sentences` for the page."""
    scored = "the assistants' answers" if text.kind == "conversation" else "all but the first of every text"
    drawn = len(text.chosen) < text.tokens
    sentences = [
        f"{text.tokens:,} tokens ({scored}) of {len(text.rows)} rows: {text.source}. Text and tokens come from "
        f"{job.original}'s chat template and tokenizer for all variants; at most {text.context} tokens at once, longer "
        f"rows in windows every {text.stride}, each token scored once.",
        f"KL(original ‖ variant) in nats and the same likeliest token at "
        f"{len(text.chosen):,} of these tokens{f', drawn by seed {job.seed}' if drawn else ''}. The original ran in "
        f"{reference.get('backend', '?')}; all {reference.get('vocabulary', 0):,} of its log-probabilities were kept "
        "in float16.",
        "Its own row is the original as it runs here: its KL is what this arithmetic alone changes.",
        f"Intervals are 95 % bootstrap over rows, {BOOTSTRAP_ROUNDS:,} rounds, the same draws for all; × original and "
        "the differences between variants are paired.",
        "Memory is the most a process of its own held while loading, and while it read a prompt and wrote, libraries "
        "included. Loading is timed with the files in the system's cache, imports left out.",
    ]
    if job.speed:
        sentences.append(
            f"Speed: a prompt of {job.prompt_tokens} tokens and {job.speed_tokens} generated one by one, the median of "
            f"{RUNS} (lowest–highest), {threads} thread{'s' * (threads > 1)}, {hardware_from_os().describe()}."
        )
    return {
        "dataset": job.dataset, "source": text.source, "rows": len(text.rows), "tokens": text.tokens,
        "positions": len(text.chosen), "context": text.context, "stride": text.stride, "seed": job.seed,
        "threads": threads, "sentences": sentences,
    }  # fmt: skip


def note_of(row: Row, text: ScoredText, rows: Sequence[Row]) -> Row:
    """The row with everything its reader should mind under `remarks`; what the child said stays in `notes`."""
    remarks = list(row.get("notes", []))
    if "error" in row:
        return {**row, "remarks": [f"{row['error']} {row.get('remedy', '')}".strip()]}
    if row.get("kl") and len(text.chosen) < FEW_POSITIONS:
        remarks.append(f"Only {len(text.chosen):,} positions: the interval is wide.")
    if row["speed_test"].get("busy", 0) > BUSY_SHARE:
        remarks.append(
            f"Other programs took {row['speed_test']['busy']:.0%} of the processors: faster when it is alone."
        )
    own = next((other["kl"] for other in rows if other.get("original") and other.get("kl")), None)
    if own and row.get("kl") and not row["original"] and row["kl"]["value"] <= own["high"]:
        remarks.append("No further from the original than its own arithmetic here.")
    return {**row, "remarks": remarks}


def cost_table(data: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the page, all words; ([], []) before the first row."""
    rows = data.get("rows") or []
    return (list(COLUMNS), [_shown(row) for row in rows]) if rows else ([], [])


def _shown(row: Row) -> list[str]:
    name = f"{row['name']} (original)" if row.get("original") else row["name"]
    kind = str(row.get("type", NONE))
    size = human_size(row["bytes"]) if "bytes" in row else NONE
    remarks = " ".join(row.get("remarks", []))
    if "error" in row:
        return [name, kind, size, *[NONE] * (len(COLUMNS) - 4), remarks]
    return [
        name,
        f"{kind}, {human_count(row['parameters'])}",
        size,
        f"{row['bits_per_weight']:.2f}",
        f"{row['load_seconds']:.1f} s",
        human_size(row["memory"]),
        _interval(row.get("perplexity"), 2) if row["same_tokenizer"] else NONE,
        _interval(row.get("ratio"), 3),
        _nats(row.get("kl")),
        _nats(row.get("kl_99")),
        _share(row.get("agreement")),
        _interval(row.get("bits_per_byte"), 3),
        _interval(row.get("prompt_speed"), 1),
        _interval(row.get("generation_speed"), 1),
        remarks,
    ]


def _interval(interval: dict[str, float] | None, digits: int) -> str:
    if not interval:
        return NONE
    value, low, high = (f"{interval[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low}–{high})"


def _nats(interval: dict[str, float] | None) -> str:
    return f"{nats(interval['value'])} ({nats(interval['low'])}–{nats(interval['high'])})" if interval else NONE


def _share(interval: dict[str, float] | None) -> str:
    return f"{interval['value']:.1%} ({interval['low']:.1%}–{interval['high']:.1%})" if interval else NONE
