"""The picture of a search for a learning rate as a plotly figure in plain data."""

from typing import Any

from tabs.figures.colours import BLUE, GREEN, GREY

LINE = "rgba(128,140,160,.35)"


def by_rate(result: dict[str, Any]) -> dict[str, Any]:
    """The loss at each rate, on a logarithmic axis, smoothed, with the suggested rate; {} before there is any."""
    course = result.get("course") or []
    if not course:
        return {}
    rates, losses, smoothed = zip(*course, strict=True)
    layout: dict[str, Any] = {
        "title": {"text": "Loss by learning rate", "font": {"size": 14}, "x": 0.01},
        "height": 320,
        "margin": {"l": 60, "r": 20, "t": 40, "b": 45},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {"title": {"text": "Learning rate"}, "type": "log", "exponentformat": "power", "zeroline": False},
        "yaxis": {"title": {"text": "Loss"}, "zeroline": False},
    }
    if suggested := result.get("suggested"):
        line = {"dash": "dash", "width": 2, "color": GREEN}
        layout["shapes"] = [{"type": "line", "yref": "paper", "x0": suggested, "x1": suggested, "y0": 0, "y1": 1}]
        layout["shapes"][0]["line"] = line
    return {
        "data": [
            _line(rates, losses, LINE, 1) | {"hoverinfo": "skip"},
            _line(rates, smoothed, BLUE, 2) | {"hovertemplate": "%{y:.4f} at %{x:.2g}<extra></extra>"},
            *_points(result, dict(zip(rates, smoothed, strict=True))),
        ],
        "layout": layout,
    }


def _line(x: Any, y: Any, colour: str, width: int) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "line": {"color": colour, "width": width}}


def _points(result: dict[str, Any], levels: dict[float, float]) -> list[dict[str, Any]]:
    """Where the loss fell fastest and where it was lowest."""
    named = [(result.get("steepest"), "fell fastest"), (result.get("lowest"), "lowest")]
    found = [(rate, levels[rate], words) for rate, words in named if rate in levels]
    return [
        {
            "type": "scatter", "mode": "markers+text", "x": [rate], "y": [level], "text": [words],
            "textposition": "top right", "marker": {"size": 9, "color": GREY}, "hoverinfo": "skip",
        }
        for rate, level, words in found
    ]  # fmt: skip
