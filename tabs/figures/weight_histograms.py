"""What rounding did to the weights, as plotly figures in plain data."""

from typing import Any

from tabs.figures.colours import BLUE, ORANGE, SKY

PLAIN: dict[str, Any] = {
    "margin": {"l": 60, "r": 16, "t": 40, "b": 44},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
}


def histogram(data: dict[str, Any], layer: str) -> dict[str, Any]:
    """The weights of one matrix before and after, one over the other; raises `KeyError` for an unknown name."""
    layer_data = next((bins for bins in data["layers"] if bins["name"] == layer), None)
    if layer_data is None:
        raise KeyError(layer)
    step = (layer_data["high"] - layer_data["low"]) / len(layer_data["before"])
    middles = [layer_data["low"] + step * (index + 0.5) for index in range(len(layer_data["before"]))]
    snr = "nothing lost" if layer_data["snr_db"] is None else f"{layer_data['snr_db']:.1f} dB"
    return {
        "data": [
            _bars("before", middles, layer_data["before"], step, SKY, 0.75),
            _bars("after", middles, layer_data["after"], step, ORANGE, 0.55),
        ],
        "layout": {
            **PLAIN,
            "title": {"text": f"{layer}: {snr}"},
            "barmode": "overlay",
            "bargap": 0,
            "height": 280,
            "xaxis": {"title": {"text": "weight"}, "zeroline": False, "showgrid": False},
            "yaxis": {"title": {"text": "how many"}, "type": "log"},
        },
    }


def _bars(
    name: str, middles: list[float], counts: list[int], width: float, colour: str, opacity: float
) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "x": middles,
        "y": counts,
        "width": width or None,
        "marker": {"color": colour, "opacity": opacity, "line": {"width": 0}},
        "hovertemplate": f"%{{y:,}} weights near %{{x:.4g}} {name}<extra></extra>",
    }


def errors(data: dict[str, Any]) -> dict[str, Any]:
    """The signal-to-noise ratio of every matrix in the order of the file, in decibels: higher is more faithful."""
    layers = [layer for layer in data["layers"] if layer["snr_db"] is not None]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": list(range(len(layers))),
                "y": [layer["snr_db"] for layer in layers],
                "hovertext": [layer["name"] for layer in layers],
                "hovertemplate": "%{hovertext}: %{y:.1f} dB<extra></extra>",
                "marker": {"color": BLUE, "size": 7},
            }
        ],
        "layout": {
            **PLAIN,
            "title": {"text": f"{data['title']}: signal to noise by layer"},
            "height": 260,
            "xaxis": {"title": {"text": "matrix"}, "showgrid": False, "zeroline": False},
            "yaxis": {"title": {"text": "dB"}},
        },
    }
