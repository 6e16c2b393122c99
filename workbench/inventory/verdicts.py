"""Whether something may be deleted, and what goes on without it: the jobs, adapters and ensembles that need it."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.data.store.datasets import list_datasets
from workbench.jobs.listing import JobRow
from workbench.jobs.queue import Queue
from workbench.jobs.view import JobRecord
from workbench.models.shelf import ModelInfo, ModelUsers, list_models, model_users
from workbench.preferences.session_notes import session_overviews

DeletionVerdict = Literal["yes", "ask", "no"]
"""'yes': nothing is lost that is needed or cannot be made anew. 'ask': it is gone. 'no': it is refused."""

NAMED_ITEMS = 3
HIDDEN = "Answers are being generated for a labelling session, whose models stay hidden: no model may go meanwhile."


@dataclass
class DeletionFacts:
    """What decides on verdicts. named: by a name or id, the live job whose settings have it. has_hidden: whether a live
    job works with models that nobody may know of, so that none is told from the others."""

    home: Home
    infos: Sequence[ModelInfo]
    manifests: Sequence[Manifest]
    rows: Sequence[JobRow]
    named: Mapping[str, str]
    has_hidden: bool
    live: frozenset[str]
    users: Mapping[str, ModelUsers]
    children: Mapping[str, list[str]]
    models: frozenset[str]


def deletion_facts(home: Home, queue: Queue) -> DeletionFacts:
    """What is on the shelves, and which jobs wait or run."""
    infos, manifests, rows = list_models(home), list_datasets(home), queue.all()
    live = queue.live()
    children = defaultdict[str, list[str]](list)
    for name, parents in (
        *((info.name, info.parents) for info in infos),
        *((manifest.name, [parent.name for parent in manifest.parents]) for manifest in manifests),
    ):
        for parent in dict.fromkeys(parents):
            children[parent].append(name)
    hidden = [view for view in live if view.job and view.job.blind(home)]
    models = {info.name for info in infos}
    named = {
        name: view.label for view in live for name in _names_in(view) if view not in hidden or name not in models
    }  # fmt: skip
    return DeletionFacts(
        home, infos, manifests, rows, named, bool(hidden), frozenset(view.id for view in live),
        model_users(infos), children, frozenset(info.name for info in infos if not info.error),
    )  # fmt: skip


def _names_in(view: JobRecord) -> Iterator[str]:
    """Every name that a job's settings have, the two of 'BASE+ADAPTER' each by itself."""
    waiting: list[Any] = [view.job.to_dict() if view.job else {}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield from re.split(r"[+#]", value)
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def verdict_of_model(facts: DeletionFacts, info: ModelInfo) -> tuple[DeletionVerdict, str]:
    """Whether a model may go, and why."""
    users = facts.users.get(info.name, ModelUsers())
    if facts.has_hidden:
        return "no", HIDDEN
    if job := facts.named.get(info.name):
        return "no", f"The job {job}, which waits or runs, needs it."
    if users.adapters:
        return "no", f"Base of {_listed('the adapter', users.adapters)}: needed."
    if users.ensembles:
        return "no", f"Member of {_listed('the ensemble', users.ensembles)}: needed."
    if info.error:
        return "ask", "Damaged: it cannot be used."
    return _unless_parent(facts, info.name)


def _unless_parent(facts: DeletionFacts, name: str) -> tuple[DeletionVerdict, str]:
    made = facts.children.get(name)
    if made:
        return "ask", f"{_listed('Made from it:', made)}. That goes on without it."
    return "ask", "Nothing on the shelf was made from it."


def _listed(title: str, names: Sequence[str]) -> str:
    more = len(names) - NAMED_ITEMS
    return f"{title} {', '.join(names[:NAMED_ITEMS])}{f' and {more} more' if more > 0 else ''}"


def verdict_of_dataset(facts: DeletionFacts, manifest: Manifest) -> tuple[DeletionVerdict, str]:
    """Whether a dataset may go, and why."""
    if job := facts.named.get(manifest.name):
        return "no", f"The job {job}, which waits or runs, needs it."
    if "error" in manifest.info:
        return "ask", "Damaged: it cannot be used."
    return _unless_parent(facts, manifest.name)


def consequences(home: Home, queue: Queue, kind: str, name: str) -> tuple[DeletionVerdict, str]:
    """What deleting one model or dataset means, in sentences that name what depends on it; 'no' where it is refused.

    Of labelling sessions only closed ones are named: in an open one nobody is to know which models take part.
    """
    facts = deletion_facts(home, queue)
    if kind == "model":
        info = next((info for info in facts.infos if info.name == name), None)
        verdict, reason = verdict_of_model(facts, info) if info else ("ask", "")
    else:
        manifest = next((manifest for manifest in facts.manifests if manifest.name == name), None)
        verdict, reason = verdict_of_dataset(facts, manifest) if manifest else ("ask", "")
    if verdict == "no":
        return verdict, reason
    return verdict, " ".join(filter(None, (reason, _runs_on(facts, name), _sessions_with(home, kind, name))))


def refuse_needed(home: Home, queue: Queue, kind: str, name: str) -> None:
    """Raises `UserError` with the reason where a model or dataset may not be deleted now."""
    verdict, reason = consequences(home, queue, kind, name)
    if verdict == "no":
        raise UserError(f"{name} stays: {reason}", "Wait for it, or delete what needs it first.", kind)


def _runs_on(facts: DeletionFacts, name: str) -> str:
    labels = list(dict.fromkeys(row.label for row in facts.rows if row.subject == name))
    return f"{_listed('Jobs worked on it:', labels)}." if labels else ""


def _sessions_with(home: Home, kind: str, name: str) -> str:
    try:
        sessions = session_overviews(home)
    except UserError:
        return ""  # the Label tab says what is wrong with the labels
    if kind == "model":
        names = [
            each.name for each in sessions if each.closed and name in {one.partition("#")[0] for one in each.models}
        ]
        return f"{_listed('Its answers stay in the closed sessions', names)}." if names else ""
    names = [each.name for each in sessions if each.prompts_name == name]
    return f"{_listed('Its prompts stay in the sessions', names)}." if names else ""
