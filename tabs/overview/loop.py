"""Where a home stands in the loop from a model to a preferred one, read from its shelves; and the job of each step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tabs.label.preference_training import preference_settings
from tabs.shell.context import Context
from tabs.train.presets import presets
from workbench.core.errors import UserError
from workbench.core.home import free_name
from workbench.core.lineage import read_manifest
from workbench.data.store.dataset_reference import TEXTS, DatasetRef
from workbench.data.store.prompts import prompts_of
from workbench.jobs.job import JOBS, Job
from workbench.models import starter
from workbench.models.shelf import ModelInfo
from workbench.preferences.sessions import SessionInfo, list_sessions, model_of
from workbench.training.objective import OBJECTIVES

State = Literal["done", "running", "next", "later"]
FEW_PROMPTS = 12
"""Prompts of a session that the loop makes: some minutes of voting."""
MANIFESTS = 50
"""Trained models, the newest, that are looked at for their objective."""


@dataclass(frozen=True)
class Loop:
    """What of the loop is there, '' or None for what is not. `rival` is what the preferred model began with, which is
    the better of the tuned one and its base; `check` and `recheck` are the sessions in which the tuned model meets its
    base, and the preferred one its rival."""

    base: str = ""
    dataset: str = ""
    prompts: str = ""
    tuned: str = ""
    preferred: str = ""
    rival: str = ""
    check: SessionInfo | None = None
    recheck: SessionInfo | None = None
    working: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LoopStep:
    """One step as the page shows it; `button` is what its button says, '' when there is nothing to press."""

    id: str
    title: str
    text: str
    state: State
    button: str


def read_loop(ctx: Context) -> Loop:
    """The loop's state, from the shelves, the labels and the queue."""
    models = ctx.shelves.made("loop", ctx.shelves.models.look, _lineage)
    tuned, contest = models.get("tuned", ""), {models.get("preferred", ""), models.get("rival", "")}
    sessions = _sessions(ctx)
    names = {session.name: {model_of(model) for model in session.models} for session in sessions}
    recheck = next((one for one in sessions if "" not in contest and contest <= names[one.name]), None)
    check = next((one for one in sessions if tuned in names[one.name] and one is not recheck), None)
    return Loop(
        **models, dataset=_first(ctx.pairs(TEXTS)),
        prompts=_first(ctx.pairs(DatasetRef("prompts", "conversation"))), check=check, recheck=recheck,
        working=frozenset(view.job.method for view in ctx.queue.live() if view.job),
    )  # fmt: skip


def _first(choices: list[tuple[str, str]]) -> str:
    return choices[0][1] if choices else ""


def _sessions(ctx: Context) -> list[SessionInfo]:
    try:
        return list_sessions(ctx.home)
    except UserError:
        return []  # the Label tab says what is wrong with the labels


def _lineage(infos: list[ModelInfo]) -> dict[str, str]:
    """Of `Loop` what models tell: the newest model tuned on texts with its base, and the newest one tuned on
    preferences since then with what it began with."""
    usable = {info.name: info for info in infos if info.has_weights and info.generates}
    whole = [name for name, info in usable.items() if info.kind == "model"]
    lineage = {"base": starter.STARTER_NAME if starter.STARTER_NAME in whole else whole[-1] if whole else ""}
    for name, objective, began_with in _trained([*usable.values()][::-1]):
        if "preference" not in objective.dataset_kinds:
            return {**lineage, "tuned": name, **({"base": began_with} if began_with in usable else {})}
        if "preferred" not in lineage and began_with in usable:
            lineage |= {"preferred": name, "rival": began_with}
    return lineage


def _trained(newest: list[ModelInfo]) -> Iterator[tuple[str, Any, str]]:
    """(name, objective, model it began with) of models that a training made, the newest first."""
    for info in [info for info in newest if info.made_by == "train"][:MANIFESTS]:
        made_by = read_manifest(info.folder).made_by
        objective = made_by.get("objective")
        method = objective.get("method") if isinstance(objective, dict) else None
        if isinstance(method, str) and method in OBJECTIVES.all():
            yield info.name, OBJECTIVES.all()[method], str(made_by.get("model") or "")


# ---- what the page shows -----------------------------------------------------------------------------------


def steps(loop: Loop) -> list[LoopStep]:
    """The steps in their order: those done, the next one, and those that wait for it."""
    rows = [*_making(loop), *_judging(loop)]
    opened = next((row.id for row in rows if row.state != "done"), "")
    return [
        row
        if row.state in ("done", "running") or row.id == opened
        else LoopStep(row.id, row.title, row.text, "later", "")
        for row in rows
    ]


def _making(loop: Loop) -> Iterator[LoopStep]:
    yield _step("model", "Get a model", bool(loop.base), loop.working & {"starter-model", "hub-model"},
                loop.base or "SmolLM2-135M-Instruct is small enough to be tuned on a laptop without a GPU.",
                "Get the starter model (93 MB)")  # fmt: skip
    yield _step("data", "Get data", bool(loop.dataset), loop.working & {"import-dataset"},
                loop.dataset or "Questions and answers in one manner, and prompts to try it on. Or import your own "
                "in the Data tab.", "Import the sample data")  # fmt: skip
    yield _step("train", "Fine-tune", bool(loop.tuned), loop.working & {"train"},
                loop.tuned or "LoRA with the preset 'Quick look': about two minutes on a laptop.",
                "Start training")  # fmt: skip


def _judging(loop: Loop) -> Iterator[LoopStep]:
    yield _answers("answers", "Answers from before and after", loop.check, loop.working)
    yield _votes("vote", "Vote blind", loop.check)
    learning = loop.working & {"train"} if loop.tuned else frozenset()
    yield _step("dpo", "Train on the votes", bool(loop.preferred), learning,
                loop.preferred or "DPO teaches the model to prefer what you preferred.", "Train DPO")  # fmt: skip
    yield _answers("again", "Compare again, on prompts not seen before", loop.recheck, loop.working)
    yield _votes("verdict", "Vote again: the win rate", loop.recheck)


def _step(name: str, title: str, done: bool, working: frozenset[str], text: str, button: str) -> LoopStep:
    if done:
        return LoopStep(name, title, text, "done", "")
    return LoopStep(name, title, text, "running" if working else "next", "" if working else button)


def _answers(name: str, title: str, session: SessionInfo | None, working: frozenset[str]) -> LoopStep:
    text = f"Session {session.name}" if session else f"Both answer {FEW_PROMPTS} prompts in the background."
    return _step(name, title, session is not None, working & {"generate"}, text, "Generate answers")


def _votes(name: str, title: str, session: SessionInfo | None) -> LoopStep:
    text = "Two answers side by side, without names. The keys that vote stand beside them."
    if session is None:
        return LoopStep(name, title, text, "next", "")
    wanted = session.usable * session.votes_per_pair
    if session.closed:
        return LoopStep(name, title, f"{session.votes} votes in {session.name}", "done", "See the result")
    if session.complete and not wanted:
        return LoopStep(
            name, title, f"All answers of {session.name} are alike: nothing to vote on.", "next", "Close it"
        )
    if not wanted:
        return LoopStep(name, title, f"The answers of {session.name} are being written.", "next", "Vote")
    counted = f"{session.votes} of {wanted} votes in {session.name}"
    if session.complete and session.votes >= wanted:
        return LoopStep(name, title, f"{counted}. Close the session to see who won.", "next", "See the result")
    return LoopStep(name, title, counted, "next", "Vote")


# ---- what its buttons do -----------------------------------------------------------------------------------


def training(ctx: Context) -> Job:
    """The quick run on the newest dataset."""
    loop = read_loop(ctx)
    settings = {**presets()["quick"]["settings"], "model": loop.base, "dataset": loop.dataset}
    output = free_name(ctx.home.models, f"{loop.dataset or 'dataset'}-sft")
    return JOBS.parse({"method": "train", **settings, "output": output})


def preference_training(ctx: Context) -> Job:
    """DPO on the votes of the session in which the tuned model met its base."""
    loop = read_loop(ctx)
    if loop.check is None or not loop.check.closed:
        raise UserError("The session is still open.", "Close it in the Label tab: then its votes may be used.")
    settings = preference_settings(ctx, loop.check.name, own=False)
    if "model" not in settings:
        raise UserError(
            "None of this session's models can be trained.",
            f"Train another one on {settings['dataset']} in the Train tab.",
        )
    return JOBS.parse({"method": "train", **settings})


def answering(ctx: Context, again: bool) -> Job:
    """Answers of the tuned model and its base, or `again` of the preferred one and its rival, to other prompts."""
    loop = read_loop(ctx)
    models = [loop.preferred, loop.rival] if again else [loop.tuned, loop.base]
    taken = [session.name for session in _sessions(ctx)]
    name = next(one for n in range(1, 10_000) if (one := _session_name(again, n)) not in taken)
    more = len(prompts_of(ctx.home, loop.prompts, 2 * FEW_PROMPTS)) == 2 * FEW_PROMPTS
    settings = {"session": name, "models": models, "prompts": loop.prompts, "limit": FEW_PROMPTS}
    return JOBS.parse({"method": "generate", **settings, "skip": FEW_PROMPTS if again and more else 0})


def _session_name(again: bool, number: int) -> str:
    name = "dpo-or-before" if again else "before-or-after"
    return name if number == 1 else f"{name}-{number}"
