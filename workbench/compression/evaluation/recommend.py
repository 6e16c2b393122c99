"""Which variant to take: the closest to the original that fits, and which ones nothing else beats in both ways."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.core.units import human_size

Row = dict[str, Any]


@dataclass(frozen=True)
class Recommendation:
    """The sentence to show, and the name it speaks for, '' if there is none."""

    sentence: str
    name: str


def recommend(rows: Sequence[Row], memory_gb: float, paired: Sequence[Row] = ()) -> Recommendation:
    """The variant with the lowest KL divergence among those that fit in `memory_gb` (10⁹ bytes).

    The original is no variant; whether it fits itself is said too. `rows` and `paired` are those of cost.json; without
    the paired differences, overlapping intervals count as 'cannot be told apart'.
    """
    usable = [row for row in rows if "error" not in row]
    variants = _smaller([row for row in usable if not row.get("original") and row.get("kl")], usable)
    if not variants:
        return Recommendation("No variant was measured against the original yet.", "")
    room = f"{memory_gb:.3g} GB"
    fitting = [row for row in variants if row["memory"] <= memory_gb * 1e9]
    if not fitting:
        least = min(variants, key=lambda row: row["memory"])
        need = human_size(least["memory"])
        return Recommendation(f"None fits in {room}: {least['name']} takes the least, {need} while it writes.", "")
    best = min(fitting, key=lambda row: (row["kl"]["value"], row["bytes"]))
    sentences = [_praise(best, room), *_beside(best, fitting, paired), *_original(usable, memory_gb)]
    return Recommendation(" ".join(sentences), best["name"])


def _smaller(variants: list[Row], usable: Sequence[Row]) -> list[Row]:
    """The variants whose file is smaller than the original's; all of them where none is, or it was not measured."""
    size = next((row["bytes"] for row in usable if row.get("original")), 0)
    return [row for row in variants if row["bytes"] < size] or variants


def nats(value: float) -> str:
    """'0.0123'; what four digits do not show is said to be less."""
    return f"{value:.4f}" if value == 0 or value >= 0.0001 else "<0.0001"


def _praise(row: Row, room: str) -> str:
    kl = row["kl"]
    same = f", the same likeliest token in {row['agreement']['value']:.1%}" if row.get("agreement") else ""
    return (
        f"Of what fits in {room}, {row['name']} stays closest to the original: KL {nats(kl['value'])} nats "
        f"({nats(kl['low'])}–{nats(kl['high'])}){same}, {human_size(row['bytes'])} on the disk, "
        f"{human_size(row['memory'])} in memory."
    )


def _beside(best: Row, fitting: Sequence[Row], paired: Sequence[Row]) -> list[str]:
    """A smaller one that cannot be told from the best."""
    near = [row for row in fitting if row["bytes"] < best["bytes"] and not _apart(best, row, paired)]
    if not near:
        return []
    least = min(near, key=lambda row: row["bytes"])
    return [f"{least['name']} is smaller ({human_size(least['bytes'])}) and cannot be told from it on this text."]


def _apart(row: Row, other: Row, paired: Sequence[Row]) -> bool:
    for pair in paired:
        if {pair["one"], pair["other"]} == {row["name"], other["name"]}:
            return not pair["low"] <= 0 <= pair["high"]
    return bool(row["kl"]["high"] < other["kl"]["low"])


def _original(rows: Sequence[Row], memory_gb: float) -> list[str]:
    own = next((row for row in rows if row.get("original")), None)
    return ["The original fits too."] if own and own["memory"] <= memory_gb * 1e9 else []


def front(rows: Sequence[Row], costs: Callable[[Row], tuple[float, float] | None]) -> set[str]:
    """Names on the Pareto front: no other row is as good in both costs and better in one. None is left out."""
    points = [(row["name"], point) for row in rows if (point := costs(row)) is not None]
    return {
        name
        for name, mine in points
        if not any(other != mine and other[0] <= mine[0] and other[1] <= mine[1] for _, other in points)
    }


def by_size(row: Row) -> tuple[float, float] | None:
    """Bytes against KL; the original has none by definition."""
    kl = _kl(row)
    return None if kl is None else (row["bytes"], kl)


def speed_and_divergence(row: Row) -> tuple[float, float] | None:
    """Generation speed (as a cost: its negative) against KL."""
    kl, speed = _kl(row), row.get("generation_speed")
    return None if kl is None or not speed else (-speed["value"], kl)


def _kl(row: Row) -> float | None:
    if "error" in row or not (row.get("original") or row.get("kl")):
        return None
    return 0.0 if row.get("original") else float(row["kl"]["value"])


def flagged(rows: Sequence[Row]) -> list[Row]:
    """The rows with `front_size` and `front_speed`."""
    size, speed = front(rows, by_size), front(rows, speed_and_divergence)
    return [{**row, "front_size": row["name"] in size, "front_speed": row["name"] in speed} for row in rows]
