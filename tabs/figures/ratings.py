"""Ratings of a labelling session as a plotly figure in plain data."""

from typing import Any

from markupsafe import escape


def ratings_figure(report: dict[str, Any]) -> dict[str, Any] | None:
    """Ratings as points with their intervals, the best on top; None when there are none."""
    rows = report["ratings"]["rows"][::-1]
    if not rows:
        return None
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [row["rating"] for row in rows],
        "y": [escape(row["model"]) for row in rows],
        "marker": {"size": 11, "color": "#6366f1"},
        "error_x": {
            "type": "data",
            "array": [row["high"] - row["rating"] for row in rows],
            "arrayminus": [row["rating"] - row["low"] for row in rows],
            "thickness": 2,
            "color": "#818cf8",
        },
        "hovertemplate": "%{y}: %{x:.0f}<extra></extra>",
    }
    layout = {
        "height": 90 + 38 * len(rows),
        "margin": {"l": 10, "r": 20, "t": 10, "b": 40},
        "showlegend": False,
        "xaxis": {"title": {"text": "Bradley–Terry rating (mean 1000)"}, "zeroline": False},
    }
    return {"data": [points], "layout": layout}
