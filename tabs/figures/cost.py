"""Pictures of 'what it cost' as plotly figures in plain data: size against quality, and speed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from htpy import b
from markupsafe import escape

from tabs.figures.colours import BLUE, GREEN, GREY, ORANGE, SKY
from tabs.shell.elements import LINE_BREAK
from workbench.compression.evaluation.recommend import nats
from workbench.core.units import human_size

LINE = "rgba(128,140,160,.8)"
KINDS = {"model": (BLUE, "transformers"), "adapter": (GREEN, "adapter"), "gguf": (ORANGE, "GGUF")}
WIDTH_PIXELS, HEIGHT_PIXELS = 760, 330  # pixels of the plot, about: what labels are kept apart by
BUBBLES = 9, 30  # smallest and largest diameter in pixels
PLACES = {
    "top right": (1, 1), "bottom right": (1, -1), "top left": (-1, 1), "bottom left": (-1, -1),
    "middle right": (1, 0), "middle left": (-1, 0), "top center": (0, 1), "bottom center": (0, -1),
}  # fmt: skip

Row = dict[str, Any]
Figure = dict[str, Any]
Box = tuple[float, float, float, float]


def figures(data: dict[str, Any]) -> list[Figure]:
    """[{'data', 'layout'}]: size against KL, size against perplexity, speeds; those with nothing to show left out."""
    rows = [row for row in data.get("rows") or [] if "error" not in row]
    drawn = [by_kl(rows), by_perplexity(rows), by_speed(rows)]
    return [figure for figure in drawn if figure]


def by_kl(rows: Sequence[Row]) -> Figure:
    """Size against KL divergence on a logarithmic axis; the line joins those nothing smaller beats."""
    shown = [row for row in rows if row.get("kl") and row["kl"]["value"] > 0 and not row.get("original")]
    return _scatter(shown, rows, "kl", "KL from the original (nats)", "Size against distance from the original", True)


def by_perplexity(rows: Sequence[Row]) -> Figure:
    """Size against perplexity as a multiple of the original's."""
    shown = [row for row in rows if row.get("ratio")]
    return _scatter(shown, rows, "ratio", "Perplexity, × original", "Size against perplexity", False)


def by_speed(rows: Sequence[Row]) -> Figure:
    """Bars: tokens a second generated, and read from a prompt, from the lowest to the highest of the runs."""
    shown = [row for row in reversed(rows) if row.get("generation_speed")]
    if not shown:
        return {}
    own = next((row for row in rows if row.get("original")), None)
    names: list[str] = [escape(variant_label(row["name"], own)) for row in shown]
    bars = [
        _bars(names, shown, "generation_speed", "Generated", BLUE, ""),
        _bars(names, shown, "prompt_speed", "Prompt", SKY, "2"),
    ]
    layout = _layout("Tokens a second", 130 + 34 * len(shown)) | {"showlegend": False}
    axis = _axis("") | {"tickfont": {"size": 11}}
    return {
        "data": bars,
        "layout": layout
        | {"xaxis": _axis("Generated") | {"domain": [0, 0.48], "rangemode": "tozero"}, "yaxis": axis}
        | {"xaxis2": _axis("Prompt") | {"domain": [0.54, 1], "anchor": "y", "rangemode": "tozero"}},
    }


def _bars(names: list[str], rows: Sequence[Row], key: str, title: str, colour: str, axis: str) -> Row:
    value = [row[key]["value"] for row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "name": title,
        "x": value,
        "y": names,
        "xaxis": f"x{axis}",
        "yaxis": "y",
        "error_x": _errors(rows, key),
        "marker": {"color": colour},
        "hovertemplate": f"%{{y}}: %{{x:.1f}} tokens/s<extra>{title}</extra>",
    }


def _scatter(shown: Sequence[Row], rows: Sequence[Row], key: str, axis: str, title: str, logarithmic: bool) -> Figure:
    if not shown:
        return {}
    level: Callable[[float], float] = math.log10 if logarithmic else float
    own = next((row for row in rows if row.get("original")), None)
    across = _range([row["bytes"] / 1e6 for row in [*shown, *([own] if own else [])]])
    ends = [max(row[key][end], row[key]["value"] / 10) for row in shown for end in ("low", "high")]
    up = _range([level(end) for end in ends])
    spots = [
        (_share(row["bytes"] / 1e6, across) * WIDTH_PIXELS, _share(level(row[key]["value"]), up) * HEIGHT_PIXELS)
        for row in shown
    ]
    sizes, names = _bubbles(shown), [variant_label(row["name"], own) for row in shown]
    labels = label_places(spots, names, sizes)
    data = [_front(shown, key)]
    for kind, (colour, words) in KINDS.items():
        mine = [position for position, row in enumerate(shown) if row["kind"] == kind]
        if mine:
            parts: Row = {"sizes": sizes, "labels": labels, "names": names}
            drawn = {rows_of_group: [values[position] for position in mine] for rows_of_group, values in parts.items()}
            data.append(_dots([shown[position] for position in mine], key, colour, words, drawn))
    layout = _layout(title, 440)
    layout |= {"xaxis": _axis("Size on the disk (MB)") | {"range": across}, "yaxis": _axis(axis) | {"range": up}}
    if logarithmic:
        layout["yaxis"] |= {"type": "log", "dtick": 1, "minor": {"showgrid": False}, "exponentformat": "power"}
        _mark_original(layout, own)
    return {"data": data, "layout": layout}


def _range(values: Sequence[float]) -> list[float]:
    """From the least to the most, with a margin."""
    margin = 0.08 * (max(values) - min(values)) or 0.1 * (abs(values[0]) or 1)
    return [min(values) - margin, max(values) + margin]


def _share(value: float, ends: Sequence[float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])


def variant_label(name: str, own: Row | None) -> str:
    """'tiny-q4_k_m' → 'q4_k_m' beside an original 'tiny'."""
    if own and name == own["name"]:
        return "original"
    return name.removeprefix(f"{own['name']}-") if own else name


def _dots(rows: Sequence[Row], key: str, colour: str, words: str, drawn: Row) -> Row:
    """The bubbles of one kind; `drawn` holds their sizes, label places and names."""
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": words,
        "x": [row["bytes"] / 1e6 for row in rows],
        "y": [row[key]["value"] for row in rows],
        "error_y": _errors(rows, key),
        "text": [escape(name) for name in drawn["names"]],
        "textposition": drawn["labels"],
        "textfont": {"size": 11, "color": GREY},
        "hovertext": [_hover(row) for row in rows],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "cliponaxis": False,
        "marker": {"size": drawn["sizes"], "color": colour, "opacity": 0.75},
    }


def _front(rows: Sequence[Row], key: str) -> Row:
    """The line through what nothing smaller and better beats, as steps: between two, the smaller one has to do."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["bytes"], row[key]["value"])):
        if not best or row[key]["value"] < best[-1][key]["value"]:
            best.append(row)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Nothing smaller is better",
        "x": [row["bytes"] / 1e6 for row in best],
        "y": [row[key]["value"] for row in best],
        "line": {"shape": "hv", "width": 1.5, "dash": "dot", "color": GREY},
        "hoverinfo": "skip",
    }


def _mark_original(layout: Row, own: Row | None) -> None:
    """The original has no distance from itself: its size is a line."""
    if own is None:
        return
    size = own["bytes"] / 1e6
    line = {"dash": "dot", "width": 1, "color": LINE}
    layout["shapes"] = [{"type": "line", "yref": "paper", "x0": size, "x1": size, "y0": 0, "y1": 1, "line": line}]
    layout["annotations"] = [
        {"x": size, "yref": "paper", "y": 1, "text": "original", "showarrow": False, "xanchor": "right"}
        | {"yanchor": "top", "font": {"size": 11, "color": GREY}}
    ]


def _errors(rows: Sequence[Row], key: str) -> Row:
    return {
        "type": "data",
        "symmetric": False,
        "array": [row[key]["high"] - row[key]["value"] for row in rows],
        "arrayminus": [row[key]["value"] - row[key]["low"] for row in rows],
        "color": GREY,
        "thickness": 1.2,
        "width": 3,
    }


def _bubbles(rows: Sequence[Row]) -> list[float]:
    """Diameters whose areas grow with the generation speed."""
    speeds = [(row.get("generation_speed") or {}).get("value", 0.0) for row in rows]
    most = max(speeds, default=0) or 1
    return [max(BUBBLES[0], BUBBLES[1] * math.sqrt(speed / most)) if speed else BUBBLES[0] for speed in speeds]


def _hover(row: Row) -> str:
    kl, same, speed = row.get("kl"), row.get("agreement"), row.get("generation_speed")
    text: list[Any] = [
        b[row["name"]],
        f"{row['type']}, {row['bits_per_weight']:.2f} bits a weight, {human_size(row['bytes'])}",
        f"{human_size(row['memory'])} in memory",
        f"KL {nats(kl['value'])} ({nats(kl['low'])}–{nats(kl['high'])})" if kl else "",
        f"same top token {same['value']:.1%}" if same else "",
        f"{speed['value']:.1f} tokens/s ({speed['low']:.1f}–{speed['high']:.1f})" if speed else "",
    ]
    return LINE_BREAK.join(line for line in text if line)


def label_places(spots: Sequence[tuple[float, float]], names: Sequence[str], sizes: Sequence[float]) -> list[str]:
    """Where each name stands at its bubble so that it covers few others: plotly's words for text positions.

    `spots` are in pixels from the lower left. One after the other, from the left; each name takes the place that
    overlaps least with bubbles and earlier names.
    """
    taken: list[Box] = [
        (x - size / 2, y - size / 2, x + size / 2, y + size / 2) for (x, y), size in zip(spots, sizes, strict=True)
    ]
    chosen = [""] * len(spots)
    for position in sorted(range(len(spots)), key=lambda position: spots[position]):
        boxes = {word: _box(spots[position], names[position], sizes[position], at) for word, at in PLACES.items()}
        chosen[position] = min(boxes, key=lambda word: _covered(boxes[word], taken))
        taken.append(boxes[chosen[position]])
    return chosen


def _box(spot: tuple[float, float], name: str, size: float, at: tuple[int, int]) -> Box:
    wide, high = 6.2 * len(name), 13
    x = spot[0] + at[0] * (size / 2 + 2 + wide / 2)
    y = spot[1] + at[1] * (size / 2 + 2 + high / 2)
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def _covered(box: Box, taken: Sequence[Box]) -> float:
    """The area that overlaps with others or leaves the picture."""
    inside = (0.0, 0.0, float(WIDTH_PIXELS), float(HEIGHT_PIXELS))
    out = (box[2] - box[0]) * (box[3] - box[1]) - _overlap(box, inside)
    return out + sum(_overlap(box, other) for other in taken)


def _overlap(first: Box, other: Box) -> float:
    wide = min(first[2], other[2]) - max(first[0], other[0])
    high = min(first[3], other[3]) - max(first[1], other[1])
    return max(wide, 0) * max(high, 0)


def _layout(title: str, height: int) -> Row:
    return {
        "title": {"text": title, "font": {"size": 14}, "x": 0.01},
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 40, "b": 45},
        "legend": {"orientation": "h", "y": -0.2, "itemsizing": "constant"},
        "hovermode": "closest",
    }


def _axis(title: str) -> Row:
    return {"title": {"text": title}, "zeroline": False}
