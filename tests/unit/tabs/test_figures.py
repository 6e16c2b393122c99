"""The figure of a session's ratings, as plain data."""

import json

from tabs.figures.ratings import ratings_figure


def report(*rows: tuple[str, float, float, float]) -> dict[str, object]:
    names = ("model", "rating", "low", "high")
    return {"ratings": {"rows": [dict(zip(names, row, strict=True)) for row in rows]}}


def test_ratings_stand_with_their_intervals_the_best_on_top() -> None:
    drawn = ratings_figure(report(("<best>", 1050, 1000, 1110), ("other", 950, 900, 990)))
    assert drawn and json.loads(json.dumps(drawn)) == drawn
    (points,) = drawn["data"]
    assert points["y"] == ["other", "&lt;best&gt;"] and points["x"] == [950, 1050]
    assert points["error_x"]["array"] == [40, 60] and points["error_x"]["arrayminus"] == [50, 50]
    assert ratings_figure(report()) is None


def test_plotly_knows_every_setting_of_it() -> None:
    import plotly.graph_objects as go

    assert len(go.Figure(ratings_figure(report(("a", 1000, 900, 1100)))).data) == 1
