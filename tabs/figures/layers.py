"""Pictures of a stack of layers and of models compared, as plotly figures in plain data."""

from collections import Counter
from typing import Any

from tabs.figures.colours import BLUE, OKABE_ITO, VERMILION
from workbench.merging.stack import Layer

ROW = 18  # height of a layer in the picture, in pixels
FAINT = "rgba(127,127,127,0.15)"
BLUE_TO_ORANGE = [[0, VERMILION], [0.5, FAINT], [1, BLUE]]
TO_BLUE = [[0, FAINT], [1, BLUE]]
PLAIN: dict[str, Any] = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 60, "r": 16, "t": 24, "b": 40},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
}


def picture(stack: list[Layer]) -> dict[str, Any]:
    """A plotly figure as plain JSON: a bar a layer, the first at the bottom, coloured by the models it comes from.

    A source layer that stands in the result more than once is hatched.
    """
    models = list(dict.fromkeys(name for layer in stack for name, _ in layer.sources))
    used = Counter(source for layer in stack for source in layer.sources)
    rows = [f"{layer.module} {layer.index}".strip() for layer in stack]
    data = [_bars(model, index, stack, rows, used) for index, model in enumerate(models)]
    layout = {
        **PLAIN,
        "barmode": "stack",
        "bargap": 0.12,
        "height": max(220, 110 + ROW * len(stack)),
        "showlegend": True,
        "xaxis": {
            "tickformat": ".0%",
            "range": [0, 1],
            "showgrid": False,
            "zeroline": False,
            "title": {"text": "share"},
        },
        "yaxis": {"type": "category", "categoryarray": rows, "title": {"text": "layer of the result"}, "dtick": 1},
    }
    if len(stack) > 40:
        layout["yaxis"]["dtick"] = 5
    return {"data": data, "layout": layout}


def _bars(
    model: str, index: int, stack: list[Layer], rows: list[str], used: Counter[tuple[str, int]]
) -> dict[str, Any]:
    shown = [
        (row, layer, share, at)
        for row, layer in zip(rows, stack, strict=True)
        for (name, at), share in zip(layer.sources, layer.weights, strict=True)
        if name == model
    ]
    repeats = [used[(model, at)] for *_, at in shown]
    return {
        "type": "bar",
        "orientation": "h",
        "name": model,
        "y": [row for row, *_ in shown],
        "x": [share for *_, share, _ in shown],
        "text": [
            f"{model} {at}" + (f" (×{times})" if times > 1 else "")
            for (*_, at), times in zip(shown, repeats, strict=True)
        ],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "customdata": [str(layer) for _, layer, *_ in shown],
        "hovertemplate": "%{customdata}<br>" + model + " %{x:.0%}<extra></extra>",
        "marker": {
            "color": OKABE_ITO[index % len(OKABE_ITO)],
            "pattern": {
                "shape": ["/" if times > 1 else "" for times in repeats],
                "fillmode": "overlay",
                "solidity": 0.25,
            },
        },
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
