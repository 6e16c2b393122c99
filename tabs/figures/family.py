"""The family tree as a plotly figure in plain data: generations from left to right."""

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from htpy import b
from markupsafe import escape

from tabs.figures.colours import BLUE, GREEN, GREY, LIGHT_GREY, ORANGE, SKY
from tabs.shell.elements import LINE_BREAK, middle_cut

if TYPE_CHECKING:
    from workbench.family.artifacts import ArtifactKey, Node
    from workbench.family.tree import Edge, Family

COLOURS = {"model": BLUE, "adapter": SKY, "dataset": GREEN, "labels": ORANGE}
NAMES = {"model": "Models", "adapter": "Adapters", "dataset": "Datasets", "labels": "Label sessions"}
SWEEPS = 6
LONGEST_CHARACTERS = 22

Point = tuple[float, float]


def figure(family: "Family") -> dict[str, Any]:
    """{'data', 'layout'} for plotly. A node's customdata is [kind, name, state]: a click can open what is here."""
    places, routes = layout(family)
    kinds = sorted({key[0] for key in family.nodes}, key=lambda kind: [*COLOURS, kind].index(kind))
    nodes = [_nodes(family, kind, places) for kind in kinds]
    wide = 1 + max(x for x, _ in places.values())
    heights = [y for points in [places.values(), *routes] for _, y in points]
    tall = 1 + max(heights) - min(heights)
    return {
        "data": [*_lines(family, routes), _roles(family, routes), *nodes],
        "layout": {
            "height": int(min(1400, 130 + 58 * tall)),
            "margin": {"l": 60, "r": 60, "t": 10, "b": 10},
            "xaxis": {"visible": False, "range": [-0.45, wide - 0.55]},
            "yaxis": {"visible": False},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "hovermode": "closest",
        },
    }


def layout(family: "Family") -> tuple[dict["ArtifactKey", Point], list[list[Point]]]:
    """Each node's (generation, height), and for every edge the points it runs through.

    The edges of a parent over several generations share half a place in each, so that they run behind no node.
    Crossings are kept few by moving everything to the mean of its neighbours, left to right and back:
    https://doi.org/10.1109/TSMC.1981.4308636
    """
    generation = generations(family)
    routes: list[list[Any]] = []
    for edge in family.edges:
        between = range(generation[edge.parent] + 1, generation[edge.child])
        routes.append([edge.parent, *((edge.parent, step) for step in between), edge.child])
    column = {spot: spot[1] for route in routes for spot in route[1:-1]} | generation
    near: dict[Any, list[Any]] = defaultdict(list)
    for route in routes:
        for key, other in itertools.pairwise(route):
            near[key].append(other)
            near[other].append(key)
    height = _heights(column, near, {spot: 1.0 if spot in family.nodes else 0.5 for spot in column})
    points = {spot: (float(column[spot]), -height[spot]) for spot in column}
    return {key: points[key] for key in family.nodes}, [[points[spot] for spot in route] for route in routes]


def _heights(column: dict[Any, int], near: dict[Any, list[Any]], room: dict[Any, float]) -> dict[Any, float]:
    """The height of every spot; the spots of a column lie one on another around 0, each with its room."""
    rows: dict[int, list[Any]] = defaultdict(list)
    for spot, number in column.items():
        rows[number].append(spot)
    height = {spot: float(height) for row in rows.values() for height, spot in enumerate(row)}
    for sweep in range(SWEEPS):
        for number in sorted(rows, reverse=bool(sweep % 2)):
            row = rows[number]
            wish = {spot: sum(height[key] for key in near[spot] or [spot]) / len(near[spot] or [spot]) for spot in row}
            row.sort(key=lambda spot: wish[spot])
            top = -sum(room[spot] for spot in row) / 2
            for spot in row:
                height[spot] = top + room[spot] / 2
                top += room[spot]
    return height


def generations(family: "Family") -> dict["ArtifactKey", int]:
    """How far right each node stands: one behind its last parent; edges that close a circle do not count.

    A node without parents stands right before its first child.
    """
    forward = [edge for edge in family.edges if not edge.back]
    waiting: dict[ArtifactKey, int] = dict.fromkeys(family.nodes, 0)
    below: dict[ArtifactKey, list[ArtifactKey]] = defaultdict(list)
    for edge in forward:
        waiting[edge.child] += 1
        below[edge.parent].append(edge.child)
    first = [key for key, count in waiting.items() if not count]
    ready, number = list(first), dict.fromkeys(family.nodes, 0)
    while ready:
        key = ready.pop()
        for child in below[key]:
            number[child] = max(number[child], number[key] + 1)
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    for key in first:
        number[key] = min((number[child] for child in below[key]), default=1) - 1
    return number


def _nodes(family: "Family", kind: str, places: dict["ArtifactKey", Point]) -> dict[str, Any]:
    mine = [node for node in family.nodes.values() if node.kind == kind]
    colour = COLOURS.get(kind, LIGHT_GREY)
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": NAMES.get(kind, escape(kind[:LONGEST_CHARACTERS])),
        "x": [places[node.key][0] for node in mine],
        "y": [places[node.key][1] for node in mine],
        "text": [_short(node, family) for node in mine],
        "textposition": "bottom center",
        "hovertext": [_hover(node) for node in mine],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "customdata": [[node.kind, node.name, node.state] for node in mine],
        "cliponaxis": False,
        "marker": {
            "size": [22 if node.key == family.focus else 15 for node in mine],
            "symbol": ["square-open" if node.state else "square" for node in mine],
            "color": colour,
            "opacity": 1,
            "line": {"width": 2, "color": colour},
        },
    }


def _short(node: "Node", family: "Family") -> str:
    name = middle_cut(node.name, LONGEST_CHARACTERS)
    return b[name].__html__() if node.key == family.focus else escape(name)


def _hover(node: "Node") -> str:
    parts: list[Any] = [
        b[node.name[:200]],
        node.kind,
        f"made by {node.method}" if node.method else "",
        f"run {node.job}" if node.job else "",
        node.created.replace("T", " ")[:16],
        f"digest {node.digest[:12]}" if node.digest else "",
        node.state,
    ]
    return LINE_BREAK.join(line for line in parts if line)


def _lines(family: "Family", routes: list[list[Point]]) -> list[dict[str, Any]]:
    """Two traces: the plain edges, and dashed those that close a circle."""
    traces = []
    for back, dash in ((False, "solid"), (True, "dash")):
        points: list[Any] = []
        for edge, route in zip(family.edges, routes, strict=True):
            points += [*route, (None, None)] if edge.back == back else []
        if points:
            line = {"width": 1.5, "color": "rgba(128,140,160,.6)", "dash": dash}
            xy = {"x": [x for x, _ in points], "y": [y for _, y in points]}
            common = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
            traces.append({**common, **xy, "line": line})
    return traces


def _roles(family: "Family", routes: list[list[Point]]) -> dict[str, Any]:
    """Arrows half way along the edges' last parts, with the method that made the child; under the pointer they say
    what role the parent had. Of the edges into one child the straightest bears the method's name."""
    middles = [((x0 + x1) / 2, (y0 + y1) / 2) for *_, (x0, y0), (x1, y1) in routes]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [x for x, _ in middles],
        "y": [y for _, y in middles],
        "text": _methods(family, routes),
        "textposition": "top center",
        "textfont": {"size": 11, "color": GREY},
        "marker": {"size": 8, "symbol": "triangle-right", "color": GREY},
        "hovertext": [_relation(edge) for edge in family.edges],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }


def _methods(family: "Family", routes: list[list[Point]]) -> list[str]:
    """What is written at each edge: how its child was made, once a child."""
    bends = [abs(route[-1][1] - route[-2][1]) for route in routes]
    into: dict[ArtifactKey, list[int]] = defaultdict(list)
    for number, edge in enumerate(family.edges):
        into[edge.child].append(number)
    bearers = {min(numbers, key=lambda number: bends[number]) for numbers in into.values()}
    return [
        escape(middle_cut(family.nodes[edge.child].method or "", LONGEST_CHARACTERS)) if number in bearers else ""
        for number, edge in enumerate(family.edges)
    ]


def _relation(edge: "Edge") -> str:
    return escape(f"{edge.parent[1][:200]}: {edge.role[:200] or 'parent'} of {edge.child[1][:200]}")
