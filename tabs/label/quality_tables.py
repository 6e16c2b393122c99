"""Figures on annotators and aspects of a report, as tables and words."""

from typing import Any

from markupsafe import Markup

from tabs.shell.elements import hint, render_html, table

HABITS = (
    "Left side and longer answer: how often they won; sides are random, so 50 % is no habit. Checks are shown with the "
    "95 % interval of the share; training questions are for learning and no test."
)


def agreement_words(agreed: dict[str, Any]) -> str:
    """Raw agreement and alpha with its interval, in words."""
    words = f"{100 * agreed['raw']:.0f} % on {agreed['overlaps']:,} shared pairs"
    if agreed["alpha"] is None:
        return words
    words += f" · Krippendorff's alpha {agreed['alpha']:.2f}"
    return words if agreed["low"] is None else f"{words} ({agreed['low']:.2f} to {agreed['high']:.2f})"


def share_words(share: float | None) -> str:
    """A share in percent, or a dash for none."""
    return "—" if share is None else f"{100 * share:.0f} %"


def checks_words(checks: list[dict[str, Any]]) -> str:
    """How many checks of each kind were answered rightly, with the interval of the share."""
    return " · ".join(
        f"{check['kind']} {check['right']} of {check['n']} ({100 * check['low']:.0f}–{100 * check['high']:.0f} %)"
        for check in checks
    ) or "—"  # fmt: skip


def annotator_table(report: dict[str, Any]) -> Markup | None:
    """What each annotator did and how well, for those who may see the result."""
    people = report["annotators"]
    if not people:
        return None
    left_out = report["filters"]["annotators_left_out"]
    rows = [
        (
            person["name"] + (" (left out)" if person["name"] in left_out else ""), person["votes"],
            f"{person['median_seconds']:.0f}", share_words(person["agreement"]), checks_words(person["checks"]),
            _habit(person["sides"]), _habit(person["length"]),
        )
        for person in people
    ]  # fmt: skip
    columns = ["Annotator", "Votes", "Seconds", "Agrees with others", "Checks right", "Left side", "Longer answer"]
    return render_html(table(columns, rows), hint(HABITS))


def _habit(share: dict[str, Any]) -> str:
    if not share["n"]:
        return "—"
    return f"{100 * share['share']:.0f} % ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


def pair_table(report: dict[str, Any]) -> Markup | None:
    """How far every two annotators agree on what both judged."""
    rows = [
        (
            f"{pair['one']} and {pair['other']}", pair["agreement"]["overlaps"], share_words(pair["agreement"]["raw"]),
            "—" if pair["agreement"]["alpha"] is None else f"{pair['agreement']['alpha']:.2f}",
        )
        for pair in report["agreement_of_pairs"]
    ]  # fmt: skip
    return table(["Agreement", "Shared pairs", "Same", "Krippendorff's alpha"], rows) if len(rows) > 1 else None


def aspect_table(report: dict[str, Any]) -> Markup | None:
    """Win rates of each aspect by itself, with the agreement on it."""
    rows = [
        (
            aspect["aspect"], f"{rate['a']} over {rate['b']}", f"{100 * rate['rate']:.0f} %",
            f"{100 * rate['low']:.0f}–{100 * rate['high']:.0f} %", rate["n"],
            share_words(aspect["agreement"]["raw"]),
        )
        for aspect in report["aspects"]
        for rate in aspect["win_rates"]
        if rate["n"]
    ]  # fmt: skip
    return table(["Aspect", "Win rate", "Share", "Interval", "Votes", "Annotators agree"], rows) if rows else None
