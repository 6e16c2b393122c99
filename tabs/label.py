"""The Label tab: blind votes by keyboard, what they say, and DPO on them."""

from dataclasses import asdict
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from tabs._context import Context, guarded
from tabs._form import Form
from tabs._job_panel import QUIET, job_panel
from tabs._kit import Html, Static, VotePad, empty, facts, heading, hint, safe, table
from tabs._sections import named
from workbench.errors import UserError
from workbench.home import free_name
from workbench.jobs.job import JOBS
from workbench.jobs.kinds.generate import Generate
from workbench.preferences import votes
from workbench.preferences.export import export_dataset, preference_pairs
from workbench.preferences.sessions import delete_session, get_session, model_of
from workbench.preferences.summary import report

FEW_PAIRS = 1000  # below, the SFT loss on the chosen answers is added: alone, DPO mostly learns to be short
MAIN = ["session", "models", "prompts", "limit", "samples"]


def build(ctx: Context, train: Form, train_extra: list[Any]) -> Form:
    """Left: new session. Right: the pair to judge, then the result. `train` is filled by 'Train DPO'.

    Returns the new session's form, for other tabs to fill.
    """
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=340):
            form, start = _new_session(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                session = _voting(ctx)
            with gr.Column(elem_classes="wb-panel"):
                _result(ctx, session, train, train_extra)
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, ("generate",), "Answers under way",
                    ("No answers under way", "Models answer in the background; labelling can begin meanwhile.", ""),
                )  # fmt: skip
    start.click(guarded(lambda value: _start(ctx, form, value)), form.input, [panel.picker, session], **QUIET)
    return form


def _new_session(ctx: Context) -> tuple[Form, gr.Button]:
    Static(
        heading("New session", "Two or more models answer the same prompts; you judge without knowing which is which.")
    )
    lists = named(ctx, {"models": "answering*", "prompts": "prompts"})
    form = Form(Generate, lists, main=MAIN, first=("prompts",), more="Sampling", elem_id="label-form")
    return form, gr.Button("Let them answer", variant="primary", elem_id="label-start")


def _start(ctx: Context, form: Form, value: Any) -> tuple[Any, Any]:
    job = JOBS.parse({"method": "generate", **form.data(value)})
    job_id = ctx.queue.submit(job)
    view = ctx.queue.get(job_id)
    name = job.session  # type: ignore[attr-defined]
    return gr.update(choices=[(view.label, job_id)], value=job_id), gr.update(choices=[(name, name)], value=name)


# ---- voting ------------------------------------------------------------------------------------------------


def _voting(ctx: Context) -> gr.Dropdown:
    """The session's picker, the annotator's name and the pad."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        session = ctx.picker(ctx.sessions, first=True, label="Session", value=None, elem_id="session", scale=2)
        annotator = gr.Textbox(
            label="Your name", max_lines=1, elem_id="annotator", min_width=140, placeholder="who votes"
        )
        begin = gr.Button("Start voting", variant="primary", elem_id="vote-start", min_width=110)
    stored = gr.BrowserState("", storage_key="workbench.annotator", secret="workbench")
    pad = VotePad(
        lambda query: _next(ctx, query), lambda query: _vote(ctx, query), lambda query: _undo(ctx, query),
        empty=("Nothing to judge yet", "Pairs of answers appear here, without names, sides at random.",
               "Make a session on the left, then give your name and press 'Start voting'."),
        elem_id="vote-pad",
    )  # fmt: skip
    opened = guarded(lambda session, name: (_open(ctx, session, name), name))
    begin.click(opened, [session, annotator], [pad, stored], **QUIET)
    annotator.submit(opened, [session, annotator], [pad, stored], **QUIET)
    gr.on(
        [session.change], lambda session, name: {"session": session, "annotator": name} if session and name else None,
        [session, annotator], pad, queue=False, **QUIET,
    )  # fmt: skip
    ctx.on_load.append((lambda name: name or "", stored, annotator))
    return session


def _open(ctx: Context, session: str | None, annotator: str) -> dict[str, str]:
    if not session:
        raise UserError("No session is chosen.", "Make one on the left, or choose one.", "Session")
    if not (annotator or "").strip():
        raise UserError("There is no name.", "Write your name, so that your votes are kept as yours.", "Your name")
    return {"session": get_session(ctx.home, session).name, "annotator": annotator.strip()}


def _who(query: dict[str, Any]) -> tuple[str, str]:
    return str(query.get("session") or ""), str(query.get("annotator") or "")


def _answer(ctx: Context, query: dict[str, Any], item: votes.Item | None, **more: Any) -> dict[str, Any]:
    """The reply the pad draws: a pair, or why there is none."""
    session, annotator = _who(query)
    info = get_session(ctx.home, session)
    message = ""
    if item is None:
        message = (
            "Every pair has its votes. The result is below." if info.complete
            else "The models are still answering; the next pair appears by itself."
        )  # fmt: skip
    mine = any(vote.annotator == annotator for vote in votes.effective_votes(ctx.home, session))
    shown = asdict(item) if item else None
    return {"item": shown, "message": message, "error": None, "can_undo": mine, **more}


def _next(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    return _answer(ctx, query, votes.next_item(ctx.home, *_who(query)))


def _vote(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    seconds = float(query.get("seconds") or 0)
    session, annotator = _who(query)
    token, choice, key = (str(query.get(part) or "") for part in ("token", "choice", "key"))
    votes.vote(ctx.home, session, annotator, token, choice, key, seconds)
    return {**_next(ctx, query), "saved": True}


def _undo(ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
    return _answer(ctx, query, votes.undo(ctx.home, *_who(query), str(query.get("key") or "")))


# ---- result ------------------------------------------------------------------------------------------------


def _result(ctx: Context, session: gr.Dropdown, train: Form, train_extra: list[Any]) -> None:
    """Win rates and ratings with intervals, and the step to DPO."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        Static(heading("Result"))
        own = gr.Checkbox(False, label="Only pairs of the best model's own answers", container=False, min_width=150)
        tune = gr.Button(_dpo_label(0), variant="primary", size="sm", elem_id="train-dpo", min_width=180)
        delete = gr.Button("Delete session", size="sm", variant="stop", min_width=110)
    words = Static(_words(ctx, None), elem_id="result")
    plot = gr.Plot(show_label=False, elem_id="result-plot", visible=False)
    shown = [words, plot, tune]

    def refresh(name: str | None, own: bool = False) -> list[Any]:
        figure = _plot(ctx, name)
        button = gr.update(value=_dpo_label(_pairs(ctx, name, own)))
        return [_words(ctx, name), gr.update(value=figure, visible=figure is not None), button]

    for event in (session.change, own.change):
        event(guarded(refresh), [session, own], shown, queue=False, **QUIET)
    seen = gr.Textbox(visible=False)
    ctx.on_change.append((lambda mark, *what: _changed(ctx, mark, what, refresh), [seen, session, own], [seen, *shown]))
    tune.click(
        guarded(lambda name, own, value: _to_dpo(ctx, name, own, train, value)), [session, own, train.input],
        [train.input, *train_extra], **QUIET,
    )  # fmt: skip
    delete.click(
        guarded(lambda name: _delete(ctx, name)), session, session,
        js="(name) => confirm('Delete this session with its answers and votes for good?') ? name : null", **QUIET,
    )  # fmt: skip


def _changed(ctx: Context, mark: str, what: tuple[Any, ...], refresh: Any) -> list[Any]:
    """Redraws the result when votes came in, from any browser."""
    current = f"{what[0]}:{_votes(ctx, what[0])}"
    return [gr.skip()] * 4 if current == mark else [current, *refresh(*what)]


def _votes(ctx: Context, name: str | None) -> str:
    try:
        info = get_session(ctx.home, name or "")
    except UserError:
        return ""
    return f"{info.votes}/{info.usable}/{info.complete}"


def _delete(ctx: Context, name: str | None) -> Any:
    if not name:
        raise UserError("Nothing was deleted.", "Choose a session and confirm.", "Session")
    delete_session(ctx.home, name)
    return gr.update(value=None, choices=ctx.sessions())


def _pairs(ctx: Context, name: str | None, own: bool) -> int:
    try:
        return len(preference_pairs(ctx.home, name, _best(ctx, name) if own else "")) if name else 0
    except UserError:
        return 0


def _dpo_label(pairs: int) -> str:
    return f"Train DPO on these {pairs} pairs →"


def _best(ctx: Context, name: str) -> str:
    """The best rated model of a session that is still on the shelf, else the first one that is."""
    known = {model for _, model in ctx.answering()}
    rated = [row["model"] for row in report(ctx.home, name)["ratings"]["rows"]]
    named = [model_of(model) for model in get_session(ctx.home, name).models]
    return next((model for model in [*rated, *named] if model in known), "")


def _to_dpo(ctx: Context, name: str | None, own: bool, train: Form, value: Any) -> tuple[Any, Any]:
    """Exports the pairs as a dataset and fills the Train form with it."""
    if not name:
        raise UserError("No session is chosen.", "Choose one first.", "Session")
    start = _best(ctx, name)
    if not start:
        raise UserError("None of this session's models is on the shelf.", "Import one again, or use 'export-pairs'.")
    dataset = free_name(ctx.home.datasets, f"{name}-pairs")
    manifest = export_dataset(ctx.home, name, dataset, own=start if own else "")
    pairs = manifest.info["rows"]["train"]
    settings = {
        "model": start,
        "dataset": manifest.name,
        "output": free_name(ctx.home.models, f"{name}-dpo"),
        "objective": {"method": "dpo", "learning_rate": 1e-4, "sft_weight": 1.0 if pairs < FEW_PAIRS else 0.0},
        "epochs": 1,
        "eval_every": 5,
    }
    gr.Info(f"{pairs} pairs are the dataset {manifest.name}. Check the settings, then start.")
    return train.filled(value, settings), gr.Tabs(selected="train")


def _words(ctx: Context, name: str | None) -> str:
    if not name:
        return empty("No result yet", "Win rate and rating with their intervals appear as votes come in.", "")
    try:
        found = report(ctx.home, name)
    except UserError as error:
        return empty("Not there yet", error.message, "The session appears when its first answers are made.")
    counts = found["counts"]
    if not counts["votes"]:
        return empty(
            "No votes yet",
            f"{counts['usable']} pairs are ready to judge.",
            "Give your name above and press 'Start voting'.",
        )
    rows = [
        ("Votes", f"{counts['votes']} of {counts['wanted']} · {counts['ties']} ties · {counts['both_bad']} both bad"),
        ("Annotators", ", ".join(f"{who['name']} ({who['votes']})" for who in found["annotators"])),
        ("Pairs", f"{counts['usable']} to judge · {counts['identical']} identical · {counts['unusable']} failed"),
    ]
    sentences = "".join(f"<li>{safe(sentence)}</li>" for sentence in found["sentences"])
    parts = [f'<ul class="wb-sentences">{sentences}</ul>', facts(rows), _rates(found), _ratings(found)]
    parts.append(
        hint("95 % intervals; votes of one annotator and on one prompt hang together and count less than their number.")
    )
    return Html(f'<div class="wb-result">{"".join(parts)}</div>')


def _rates(found: dict[str, Any]) -> str:
    rows = [
        (
            f"{row['a']} over {row['b']}",
            f"{100 * row['rate']:.0f} %",
            f"{100 * row['low']:.0f}–{100 * row['high']:.0f} %",
            row["wins"],
            row["losses"],
            row["ties"],
            row["both_bad"],
            "—" if row["length_controlled"] is None else f"{100 * row['length_controlled']:.0f} %",
        )
        for row in found["win_rates"]
        if row["n"]
    ]
    columns = ["Win rate", "Share", "Interval", "Won", "Lost", "Tie", "Both bad", "At equal length"]
    return table(columns, rows) if rows else ""


def _ratings(found: dict[str, Any]) -> str:
    ratings = found["ratings"]
    rows = [
        (row["model"], f"{row['rating']:.0f}", f"{row['low']:.0f}–{row['high']:.0f}", row["votes"])
        for row in ratings["rows"]
    ]
    return table(["Bradley–Terry rating", "Rating", "Interval", "Votes"], rows) if rows else hint(ratings["not_enough"])


def _plot(ctx: Context, name: str | None) -> go.Figure | None:
    """Ratings as points with their intervals."""
    try:
        rows = report(ctx.home, name)["ratings"]["rows"] if name else []
    except UserError:
        rows = []
    if not rows:
        return None
    rows = list(reversed(rows))
    figure = go.Figure(
        go.Scatter(
            x=[row["rating"] for row in rows],
            y=[row["model"] for row in rows],
            mode="markers",
            marker={"size": 11, "color": "#6366f1"},
            error_x={
                "type": "data",
                "array": [row["high"] - row["rating"] for row in rows],
                "arrayminus": [row["rating"] - row["low"] for row in rows],
                "thickness": 2,
                "color": "#818cf8",
            },
            hovertemplate="%{y}: %{x:.0f}<extra></extra>",
        )
    )
    figure.update_layout(
        height=90 + 38 * len(rows), margin={"l": 10, "r": 20, "t": 10, "b": 40}, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"family": "Inter", "color": "#8792a8"},
        xaxis={"title": "Bradley–Terry rating (mean 1000)", "gridcolor": "rgba(128,140,160,.2)", "zeroline": False},
        yaxis={"automargin": True},
    )  # fmt: skip
    return figure
