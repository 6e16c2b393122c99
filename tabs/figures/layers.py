"""Pictures of models compared layer by layer, as plotly figures in plain data."""

from typing import Any

from tabs.figures.colours import BLUE, VERMILION

FAINT = "rgba(127,127,127,0.15)"
BLUE_TO_ORANGE = [[0, VERMILION], [0.5, FAINT], [1, BLUE]]
TO_BLUE = [[0, FAINT], [1, BLUE]]
PLAIN: dict[str, Any] = {
    "margin": {"l": 60, "r": 16, "t": 24, "b": 40},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
}


def figures(data: dict[str, Any]) -> list[dict[str, Any]]:
    """plotly heatmaps as plain JSON: layers by pairs for each measure, layers by groups for each model's change."""
    pairs = data["pairs"]
    titled = [
        _heatmap(title, data["layers"], {pair: drawn[name]["layers"] for pair, drawn in pairs.items()}, signed)
        for name, title, signed in (
            ("weights", "Cosine of the weights", True), ("tasks", "Cosine of the task vectors", True),
            ("signs", "Signs that agree", False), ("strong_signs", "Signs that agree, strongest fifth", False),
        )
        if pairs and name in next(iter(pairs.values()))
    ]  # fmt: skip
    for model, change in data["changes"].items():
        titled.append(
            _heatmap(f"Task vector of {model}, relative to the base", data["layers"], change["norm"]["cells"], None)
        )
    return titled


def _heatmap(
    title: str, rows: list[str], columns: dict[str, list[float | None]], signed: bool | None
) -> dict[str, Any]:
    """signed: -1 to 1, else 0 to 1; None leaves the end open."""
    scale = {"zmin": -1 if signed else 0, "zmax": 1} if signed is not None else {"zmin": 0}
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(columns),
                "y": rows,
                "z": [[column[index] for column in columns.values()] for index in range(len(rows))],
                "colorscale": BLUE_TO_ORANGE if signed else TO_BLUE,
                "texttemplate": "%{z:.2f}",
                "hovertemplate": "%{y}<br>%{x}: %{z:.3f}<extra></extra>",
                "xgap": 2,
                "ygap": 1,
                **scale,
            }
        ],
        "layout": {
            **PLAIN,
            "title": {"text": title},
            "margin": {**PLAIN["margin"], "l": 110, "t": 48},
            "height": max(240, 130 + 16 * len(rows)),
            "xaxis": {"type": "category", "showgrid": False},
            "yaxis": {"type": "category", "showgrid": False, "dtick": 1 if len(rows) <= 40 else 5},
        },
    }
