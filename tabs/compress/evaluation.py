"""What compressing cost, as the Compress tab shows it: the advice first, a short table, then every figure."""

from collections.abc import Sequence
from typing import Any

from tabs.shell.kit import Html, chip, hint, safe, table
from workbench.compression.evaluation import remarks as cost_words
from workbench.compression.evaluation.recommend import recommend
from workbench.core.units import human_size

Row = dict[str, Any]
COLUMNS = ["Variant", "Size", "Memory", "KL from the original", "Same top token", "Tokens/s"]


def words(data: dict[str, Any], gigabytes: float | None) -> Html:
    """Advice for so much memory (None: this machine's), the variants and their figures, and how it was measured."""
    rows = data["rows"]
    advice = data["recommendation"]
    if gigabytes:
        row = recommend(rows, gigabytes, data.get("paired") or [])
        advice = {"name": row.name, "sentence": row.sentence}
    parts = [
        f'<div class="wb-note is-ok">{safe(advice["sentence"])}</div>',
        table(COLUMNS, [_row(row, advice["name"]) for row in rows]),
        hint("With 95 % intervals. Best trade-off: nothing smaller, or nothing faster, is closer to the original."),
        _remarks(rows),
        _fold("All figures", table(*cost_words.cost_table(data))),
        _fold("How it was measured", _list(data["protocol"]["sentences"])),
    ]
    return Html(f'<div class="wb-result wb-cost">{"".join(parts)}</div>')


def _row(row: Row, best: str) -> list[object]:
    name, kind = safe(row["name"]), safe(row.get("type", ""))
    marks = [chip("idle", "original")] if row.get("original") else []
    if row["name"] == best:
        marks.append(chip("done", "take this one"))
    if "error" in row:
        return [_two(name, safe(row["error"]), *marks), *["—"] * (len(COLUMNS) - 1)]
    if (row.get("front_size") or row.get("front_speed")) and not row.get("original"):
        marks.append(chip("queued", "best trade-off"))
    speed = row.get("generation_speed")
    return [
        _two(name, kind, *marks), _two(safe(human_size(row["bytes"])), safe(f"{row['bits_per_weight']:.2f} bits")),
        human_size(row["memory"]),
        _interval(row.get("kl"), "{:.4f}"), _interval(row.get("agreement"), "{:.1%}"), _interval(speed, "{:.0f}"),
    ]  # fmt: skip


def _interval(interval: dict[str, float] | None, form: str) -> Html | str:
    """The value, its interval in small beneath."""
    if not interval:
        return "—"
    value, low, high = (form.format(interval[key]) for key in ("value", "low", "high"))
    return _two(safe(value), safe(f"{low}–{high}"))


def _two(first: Html, second: Html, *marks: Html) -> Html:
    return Html(f'{first} {" ".join(marks)}<div class="wb-hint">{second}</div>')


def _remarks(rows: Sequence[Row]) -> str:
    """What to mind, with the names it holds for."""
    remarks: dict[str, list[str]] = {}
    for row in rows:
        for remark in row.get("remarks") or []:
            if "error" not in row:
                remarks.setdefault(remark, []).append(row["name"])
    sentences = [text if len(names) == len(rows) else f"{', '.join(names)}: {text}" for text, names in remarks.items()]
    return _fold(f"Remarks ({len(sentences)})", _list(sentences)) if sentences else ""


def _list(sentences: Sequence[str]) -> str:
    return f'<ul class="wb-cost-list">{"".join(f"<li>{safe(remark)}</li>" for remark in sentences)}</ul>'


def _fold(title: str, body: str) -> str:
    return f'<details class="wb-log"><summary>{safe(title)}</summary><div class="wb-cost-fold">{body}</div></details>'
