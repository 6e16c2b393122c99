"""What a session's votes say, as HTML, for those who may see it."""

from collections.abc import Collection
from typing import Any

from markupsafe import Markup

from tabs.label.quality_tables import annotator_table, aspect_table, pair_table
from tabs.shell.elements import empty, facts, hint, local_time, render_html, result_box, sentence_list, table

INTERVALS = "95 % intervals; votes of one annotator and on one prompt hang together and count less than their number."


UNPROVED = "Unproved names were typed before there were accounts: nobody knows whose they were."


def result_html(found: dict[str, Any], unproved: Collection[str] = ()) -> Markup:
    """Sentences, counts, win rates and ratings of a report; `unproved` are names of annotators that are marked so."""
    counts = found["counts"]
    if not counts["votes"] and not counts["unblinded"]:
        return empty("No votes", f"{counts['usable']} pairs could be judged.")
    words = sentence_list(found["sentences"])
    marked = any(who["name"] in unproved for who in found["annotators"])
    return result_box(
        words, facts(_rows(found, unproved)), _rates(found), _ratings(found), hint(INTERVALS), aspect_table(found),
        annotator_table(found), pair_table(found), hint(UNPROVED) if marked else None,
    )  # fmt: skip


def _annotator(who: dict[str, Any], unproved: Collection[str]) -> str:
    return f"{who['name']} ({who['votes']}{', unproved' if who['name'] in unproved else ''})"


def _rows(found: dict[str, Any], unproved: Collection[str]) -> list[tuple[str, object]]:
    counts, about = found["counts"], found["session"]
    cut = [f"{model} {ways['length']}" for model, ways in found["answers"].items() if ways["length"]]
    rows: list[tuple[str, object]] = [
        ("Votes", f"{counts['votes']} of {counts['wanted']} · {counts['ties']} ties · {counts['both_bad']} both bad"),
        ("Annotators", ", ".join(_annotator(who, unproved) for who in found["annotators"]) or "none"),
        ("Pairs", f"{counts['usable']} to judge · {counts['identical']} identical · {counts['unusable']} failed"),
    ]
    if counts["unblinded"]:
        rows.append(("Left out", f"{counts['unblinded']} votes given after seeing the result"))
    if cut:
        rows.append(("Cut off at the limit", ", ".join(cut)))
    if about["closed"]:
        rows.append(("Closed", render_html(local_time(about["closed"]), f" by {about['closed_by']}")))
    return rows


def _rates(found: dict[str, Any]) -> str:
    closed = found["session"]["closed"]
    rows = [
        (
            f"{row['a']} over {row['b']}",
            f"{100 * row['rate']:.0f} %",
            f"{100 * row['low']:.0f}–{100 * row['high']:.0f} %",
            *([] if closed else [f"{100 * row['always_low']:.0f}–{100 * row['always_high']:.0f} %"]),
            row["wins"],
            row["losses"],
            row["ties"],
            row["both_bad"],
            "—" if row["length_controlled"] is None else f"{100 * row['length_controlled']:.0f} %",
        )
        for row in found["win_rates"]
        if row["n"]
    ]
    always = [] if closed else ["Whenever you look"]
    columns = ["Win rate", "Share", "Interval", *always, "Won", "Lost", "Tie", "Both bad", "At equal length"]
    return table(columns, rows) if rows else ""


def _ratings(found: dict[str, Any]) -> str:
    ratings = found["ratings"]
    rows = [
        (row["model"], f"{row['rating']:.0f}", f"{row['low']:.0f} to {row['high']:.0f}", row["votes"])
        for row in ratings["rows"]
    ]
    return table(["Bradley–Terry rating", "Rating", "Interval", "Votes"], rows) if rows else hint(ratings["not_enough"])
