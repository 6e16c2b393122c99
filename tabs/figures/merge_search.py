"""Pictures of a search as plotly figures in plain data, read from trials.json in the job's folder."""

import json
from pathlib import Path
from typing import Any

from markupsafe import escape

from tabs.figures.colours import BLUE, GREEN, GREY, ORANGE, PINK, SKY, VERMILION, YELLOW
from tabs.shell.elements import LINE_BREAK
from workbench.merging.search_study import TRIALS

PALETTE = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW)
LINE = "rgba(128,140,160,.8)"
MOST_PARAMETERS = 12
COLUMNS = 3


def figures(folder: Path) -> list[dict[str, Any]]:
    """[{'data', 'layout'}]: loss by trial, the best method's parameters against loss, their importance.

    Those there is nothing to show in are left out; empty before the first trial.
    """
    try:
        search = json.loads((folder / TRIALS).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    if not search.get("trials"):
        return []
    drawn = [by_trial(search), by_parameter(search), by_importance(search)]
    return [figure for figure in drawn if figure]


def by_trial(search: dict[str, Any]) -> dict[str, Any]:
    """Each trial's loss coloured by method, the best so far as steps, and the models alone as dotted lines."""
    trials = search["trials"]
    methods = sorted({trial["method"] for trial in trials})
    data = [_dots(trials, method, PALETTE[index % len(PALETTE)]) for index, method in enumerate(methods)]
    numbers = [trial["number"] for trial in trials]
    best = [min(trial["loss"] for trial in trials[: index + 1]) for index in range(len(trials))]
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Best so far",
            "x": numbers,
            "y": best,
            "line": {"shape": "hv", "width": 2, "color": GREY},
            "hovertemplate": "best %{y:.4f}<extra></extra>",
        }
    )
    layout = _layout("Loss by trial", 380)
    layout["shapes"] = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": loss, "y1": loss}
        | {"line": {"dash": "dot", "width": 1, "color": LINE}}
        for loss in search.get("baselines", {}).values()
    ]
    layout["annotations"] = [
        {"xref": "paper", "x": 1, "y": loss, "text": escape(f"{name} alone"), "showarrow": False}
        | {"xanchor": "right", "yanchor": "bottom", "font": {"size": 11, "color": GREY}}
        for name, loss in search.get("baselines", {}).items()
    ]
    return {"data": data, "layout": layout | {"xaxis": _axis("Trial"), "yaxis": _axis("Loss (nats a token)")}}


def _dots(trials: list[dict[str, Any]], method: str, colour: str) -> dict[str, Any]:
    mine = [trial for trial in trials if trial["method"] == method]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape(method),
        "x": [trial["number"] for trial in mine],
        "y": [trial["loss"] for trial in mine],
        "hovertext": [_hover(trial) for trial in mine],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {"size": 8, "color": colour},
    }


def _hover(trial: dict[str, Any]) -> str:
    params = [f"{parameter_label(name, trial['method'])} {value:g}" for name, value in trial["params"].items()]
    return LINE_BREAK.join([f"{trial['method']}: {trial['loss']:.4f}", *params])


def by_parameter(search: dict[str, Any]) -> dict[str, Any]:
    """Small pictures side by side: each parameter of the best method against the loss, later trials stronger."""
    best = min(search["trials"], key=lambda trial: trial["loss"])["method"]
    mine = [trial for trial in search["trials"] if trial["method"] == best]
    names = list(dict.fromkeys(name for trial in mine for name in trial["params"]))[:MOST_PARAMETERS]
    if not names or len(mine) < 2:
        return {}
    rows = -(-len(names) // COLUMNS)
    layout = _layout(f"Parameters of {escape(best)}", 90 + 220 * rows) | {"showlegend": False}
    data = []
    for index, name in enumerate(names):
        axis = str(index + 1) if index else ""
        layout |= _cell(index, rows, min(COLUMNS, len(names)), escape(parameter_label(name, best)))
        data.append(_against(mine, name, axis))
    return {"data": data, "layout": layout}


def _cell(index: int, rows: int, columns: int, title: str) -> dict[str, Any]:
    """The pair of axes of one small picture."""
    row, column = divmod(index, columns)
    axis = str(index + 1) if index else ""
    wide, high = 1 / columns, 1 / rows
    across = [column * wide + (0.06 if column else 0), (column + 1) * wide - 0.02]
    up = [1 - (row + 1) * high + 0.3 * high, 1 - row * high - 0.04 * high]
    return {
        f"xaxis{axis}": {**_axis(title), "domain": across, "anchor": f"y{axis}"},
        f"yaxis{axis}": {**_axis("Loss" if not column else ""), "domain": up, "anchor": f"x{axis}"},
    }


def _against(trials: list[dict[str, Any]], name: str, axis: str) -> dict[str, Any]:
    mine = [trial for trial in trials if name in trial["params"]]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [trial["params"][name] for trial in mine],
        "y": [trial["loss"] for trial in mine],
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "hovertext": [LINE_BREAK.join([f"trial {trial['number']}", _hover(trial)]) for trial in mine],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {"size": 8, "color": PALETTE[0], "opacity": _fading(len(mine))},
    }


def _fading(count: int) -> list[float]:
    return [0.5 + 0.5 * (index + 1) / count for index in range(count)]


def by_importance(search: dict[str, Any]) -> dict[str, Any]:
    """Bars: what share of the differences in loss each parameter of the best method explains."""
    shares = sorted((search.get("importance") or {}).items(), key=lambda pair: pair[1])
    if not shares:
        return {}
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [share for _, share in shares],
        "y": [escape(name) for name, _ in shares],
        "marker": {"color": PALETTE[0]},
        "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
    }
    layout = _layout("What decides the loss", 110 + 34 * len(shares)) | {"showlegend": False}
    return {
        "data": [bars],
        "layout": layout | {"xaxis": _axis("Importance") | {"tickformat": ".0%"}, "yaxis": {"automargin": True}},
    }


def parameter_label(name: str, method: str) -> str:
    """'ties.weight.one' → 'weight one'."""
    return name.removeprefix(f"{method}.").replace(".", " ", 1)


def _layout(title: str, height: int) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 14}, "x": 0.01},
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 40, "b": 45},
        "legend": {"orientation": "h", "y": -0.2},
        "hovermode": "closest",
    }


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "zeroline": False}
