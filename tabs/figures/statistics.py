"""Pictures of a dataset's statistics as plotly figures in plain data."""

import itertools
from typing import Any

from markupsafe import escape

from tabs.figures.colours import BLUE, GREEN, LIGHT_GREY, ORANGE, PINK, SKY, VERMILION, YELLOW

SPLITS = {"train": BLUE, "eval": ORANGE}
ROLES = {
    "tools": YELLOW, "system": LIGHT_GREY, "user": SKY, "assistant": GREEN, "rejected": VERMILION, "tool": PINK,
    "text": GREEN,
}  # fmt: skip
SHOWN_BARS = 15

Data = dict[str, Any]
Figure = dict[str, Any]


def figures(data: Data) -> list[Figure]:
    """[{'data', 'layout'}] of what `statistics` gives: lengths, roles, turns, first words of prompts and of answers,
    languages; those with nothing to show left out."""
    drawn = [
        lengths(data), roles(data), turns(data), first_words(data, "prompts"), first_words(data, "answers"),
        languages(data),
    ]  # fmt: skip
    return [figure for figure in drawn if figure]


def lengths(data: Data) -> Figure:
    """How many rows are how long, one bar a bin with widths that grow; the maximum length is a dashed line."""
    edges, unit = data["edges"], data["unit"]
    if len(edges) < 2:
        return {}
    bins = [f"{low:,}" if high == low + 1 else f"{low:,}–{high - 1:,}" for low, high in itertools.pairwise(edges)]
    bars = []
    for split, colour in SPLITS.items():
        histogram = data["splits"].get(split)
        if histogram and any(histogram["lengths"]["counts"]):
            bar = _bars(split, bins, histogram["lengths"]["counts"], colour)
            bars.append({**bar, "hovertemplate": f"%{{y:,}} rows of %{{x}} {unit}<extra>{split}</extra>"})
    layout = _layout(f"Length of the rows in {unit}", unit, "rows") | {"bargap": 0.04, "barmode": "group"}
    layout["xaxis"] |= {"type": "category", "nticks": 10, "tickangle": 0}
    if unit == "tokens":
        _mark_cut(layout, edges, data["max_length"])
    return {"data": bars, "layout": layout}


def _mark_cut(layout: Data, edges: list[int], max_length: int) -> None:
    """A line at the maximum length, in its bin by share; none where every row is shorter."""
    if not edges[0] <= max_length < edges[-1] - 1:
        return
    tokens = next(at for at, high in enumerate(edges[1:]) if max_length < high)
    low, high = edges[tokens], edges[tokens + 1]
    at = tokens - 0.5 + (max_length + 1 - low) / (high - low)
    line = {"dash": "dash", "width": 1.5, "color": VERMILION}
    layout["shapes"] = [{"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}]
    layout["annotations"] = [
        {"x": at, "yref": "paper", "y": 1, "text": f"cut at {max_length:,}", "showarrow": False, "xanchor": "left"}
        | {"yanchor": "top", "font": {"size": 11, "color": VERMILION}}
    ]


def roles(data: Data) -> Figure:
    """Who says how much: one lying bar a split, parted by role."""
    splits = [split for split in SPLITS if data["splits"].get(split, {}).get("roles")]
    if not splits:
        return {}
    bars = []
    for role, colour in ROLES.items():
        units = [data["splits"][split]["roles"].get(role, {}).get("units", 0) for split in splits]
        if any(units):
            shares = [100 * data["splits"][split]["roles"].get(role, {}).get("share", 0) for split in splits]
            words = f"%{{x:,}} {data['unit']} (%{{customdata:.1f}} %)<extra>{role}</extra>"
            bar = {"type": "bar", "orientation": "h", "name": role, "x": units, "y": splits, "customdata": shares}
            bars.append({**bar, "marker": {"color": colour}, "hovertemplate": words})
    layout = _layout(f"{data['unit'].capitalize()} by role", data["unit"], "") | {"barmode": "stack"}
    layout["yaxis"] |= {"autorange": "reversed"}
    return {"data": bars, "layout": layout | {"height": 130 + 50 * len(splits)}}


def turns(data: Data) -> Figure:
    """How many rows have how many messages, the system prompt left out."""
    bars = []
    for split, colour in SPLITS.items():
        counts = [(count, rows) for count, rows in data["splits"].get(split, {}).get("turns", []) if count]
        if counts:
            bar = _bars(split, [count for count, _ in counts], [rows for _, rows in counts], colour)
            bars.append({**bar, "hovertemplate": f"%{{y:,}} rows of %{{x}} messages<extra>{split}</extra>"})
    layout = _layout("Messages a row", "messages without the system prompt", "rows")
    return {"data": bars, "layout": layout} if bars else {}


def first_words(data: Data, bars: str) -> Figure:
    """The most frequent first words of 'prompts' or 'answers', in both splits together."""
    counts = _together([split["first_words"][bars] for split in data["splits"].values()])
    return _lying(counts, f"First words of the {bars}", BLUE if bars == "prompts" else GREEN)


def languages(data: Data) -> Figure:
    """How many rows are in which language, in both splits together."""
    return _lying(_together([split["languages"] for split in data["splits"].values()]), "Languages", SKY)


def _together(lists: list[list[list[Any]]]) -> list[tuple[str, int]]:
    """Counts of the same word added up, the most frequent first."""
    total: dict[str, int] = {}
    for pairs in lists:
        for word, count in pairs:
            total[word] = total.get(word, 0) + count
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_BARS]


def _lying(pairs: list[tuple[str, int]], title: str, colour: str) -> Figure:
    if not pairs:
        return {}
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": [count for _, count in pairs][::-1],
        "y": [escape(word) for word, _ in pairs][::-1],
        "marker": {"color": colour},
        "hovertemplate": "%{y}: %{x:,} rows<extra></extra>",
    }
    layout = _layout(title, "rows", "") | {"height": 110 + 20 * len(pairs), "showlegend": False}
    layout["yaxis"] |= {"type": "category"}
    return {"data": [bar], "layout": layout}


def _bars(name: str, across: list[Any], up: list[int], colour: str) -> Data:
    return {"type": "bar", "name": name, "x": across, "y": up, "marker": {"color": colour, "line": {"width": 0}}}


def _layout(title: str, across: str, up: str) -> Data:
    return {
        "title": {"text": title},
        "margin": {"l": 60, "r": 16, "t": 40, "b": 44},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        "height": 280,
        "xaxis": {"title": {"text": across}, "zeroline": False, "showgrid": False},
        "yaxis": {"title": {"text": up}, "zeroline": False},
    }
