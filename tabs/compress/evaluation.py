"""What compressing cost, as the Compress tab shows it: the advice first, a short table, then every figure."""

from collections.abc import Sequence
from typing import Any

from htpy import Node, details, div, li, summary, ul
from markupsafe import Markup

from tabs.shell.elements import chip, hint, note, render_html, table
from workbench.compression.evaluation import remarks as cost_words
from workbench.compression.evaluation.recommend import recommend
from workbench.core.units import human_size

Row = dict[str, Any]
COLUMNS = ["Variant", "Size", "Memory", "KL from the original", "Same top token", "Tokens/s"]


def advice_html(data: dict[str, Any], gigabytes: float | None) -> Markup:
    """Advice for so much memory (None: this machine's), the variants and their figures, and how it was measured."""
    rows = data["rows"]
    advice = data["recommendation"]
    if gigabytes:
        row = recommend(rows, gigabytes, data.get("paired") or [])
        advice = {"name": row.name, "sentence": row.sentence}
    return render_html(div(".wb-result.wb-cost")[
        note(advice["sentence"], "ok"),
        table(COLUMNS, [_row(row, advice["name"]) for row in rows]),
        hint("With 95 % intervals. Best trade-off: nothing smaller, or nothing faster, is closer to the original."),
        _remarks(rows),
        _fold("All figures", table(*cost_words.cost_table(data))),
        _fold("How it was measured", _list(data["protocol"]["sentences"])),
    ])  # fmt: skip


def _row(row: Row, best: str) -> list[object]:
    name = row["name"]
    marks = [chip("idle", "original")] if row.get("original") else []
    if name == best:
        marks.append(chip("done", "take this one"))
    if "error" in row:
        return [_two(name, row["error"], *marks), *["—"] * (len(COLUMNS) - 1)]
    if (row.get("front_size") or row.get("front_speed")) and not row.get("original"):
        marks.append(chip("queued", "best trade-off"))
    speed = row.get("generation_speed")
    return [
        _two(name, row.get("type", ""), *marks), _two(human_size(row["bytes"]), f"{row['bits_per_weight']:.2f} bits"),
        human_size(row["memory"]),
        _interval(row.get("kl"), "{:.4f}"), _interval(row.get("agreement"), "{:.1%}"), _interval(speed, "{:.0f}"),
    ]  # fmt: skip


def _interval(interval: dict[str, float] | None, form: str) -> Markup | str:
    """The value, its interval in small beneath."""
    if not interval:
        return "—"
    value, low, high = (form.format(interval[key]) for key in ("value", "low", "high"))
    return _two(value, f"{low}–{high}")


def _two(first: str, second: str, *marks: Markup) -> Markup:
    return render_html(first, " ", Markup(" ").join(marks), hint(second))


def _remarks(rows: Sequence[Row]) -> Node:
    """What to mind, with the names it holds for."""
    remarks: dict[str, list[str]] = {}
    for row in rows:
        for remark in row.get("remarks") or []:
            if "error" not in row:
                remarks.setdefault(remark, []).append(row["name"])
    sentences = [text if len(names) == len(rows) else f"{', '.join(names)}: {text}" for text, names in remarks.items()]
    return _fold(f"Remarks ({len(sentences)})", _list(sentences)) if sentences else None


def _list(sentences: Sequence[str]) -> Node:
    return ul(".wb-cost-list")[[li[remark] for remark in sentences]]


def _fold(title: str, body: Node) -> Node:
    return details(".wb-log")[summary[title], div(".wb-cost-fold")[body]]
