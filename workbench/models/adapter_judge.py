"""Whether an adapter can be used over its base: one judgement for imports, jobs and chats, made once for its files.

What `workbench.models.inspection` finds in them is kept in the home's cache by the files' identity, so that an adapter
that was judged costs a look at its folder. Imports no torch.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from workbench.core.errors import MemoryShortage, Problem, Problems, UserError, explain
from workbench.core.home import Home, write_text
from workbench.core.limits import bounded_object
from workbench.core.row_cache import Mark, mark
from workbench.models.inspection import EFFECT, inspect

LOOKED_AT = ("*.safetensors", "config.json", "adapter_config.json", "base_config.json", "tokenizer.json")
LIBRARIES = ("peft", "transformers", "safetensors")
NOT_JUDGED = "Memory was too short to look the adapter over as well; its first use does that."
REVISION = 3  # of what is looked at: judgements of other revisions count no more


@dataclass(frozen=True)
class Judgement:
    """What is wrong with an adapter, and whether it does nothing: '' or the sentence that says so."""

    problems: tuple[Problem, ...]
    idle: Problem | None

    @classmethod
    def of(cls, problems: list[Problem]) -> "Judgement":
        idle = next((problem for problem in problems if problem.path == EFFECT), None)
        return cls(tuple(problem for problem in problems if problem is not idle), idle)

    def require(self, field: str, idle_too: bool = False) -> None:
        """Raises `UserError` unless the adapter can be used; idle_too: one that does nothing may be."""
        problems = Problems()
        for problem in (*self.problems, *([self.idle] if self.idle and not idle_too else [])):
            problems.add(field, problem.message, problem.remedy)
        if len(problems.found) == 1:
            (problem,) = problems.found
            raise UserError(problem.message, problem.remedy, field)
        problems.check()


def judge_adapter(home: Home, adapter: Path, base: Path) -> Judgement:
    """The judgement on an adapter of the shelf over its base; raises `UserError` when it cannot be looked at."""
    marks = dict(_marks(adapter, base))
    path = home.cache / "adapters" / f"{_key(marks)}.json"
    try:
        return Judgement.of([Problem.read(data) for data in bounded_object(path)["found"]])
    except (UserError, KeyError, TypeError):
        pass  # it was not judged yet
    problems = inspect(adapter, base)
    if dict(_marks(adapter, base)) == marks:
        _write(path, adapter, problems)
    return Judgement.of(problems)


def judge_made(home: Home, adapter: Path, base: Path) -> list[str]:
    """Judges an adapter a job has just made, so that its first use does not wait for it; what is to be said of one that
    changes nothing. Where memory is short beside the job's own, that is left to its first use."""
    try:
        idle = judge_adapter(home, adapter, base).idle
    except Exception as error:  # libraries tell of missing memory in many ways
        if not isinstance(explain(error), MemoryShortage):
            raise
        return [NOT_JUDGED]
    return [idle.message] if idle else []


def remember_sound(home: Home, adapter: Path, base: Path) -> None:
    """What was found sound elsewhere needs no judging when its files have come onto the shelf."""
    _write(home.cache / "adapters" / f"{_key(dict(_marks(adapter, base)))}.json", adapter, [])


def _write(path: Path, adapter: Path, problems: list[Problem]) -> None:
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps({"adapter": adapter.name, "found": [problem.to_dict() for problem in problems]}))


def require_sound(home: Home, adapter: Path | None, base: Path, field: str = "model", idle_too: bool = False) -> None:
    """Raises `UserError` for an adapter that cannot be used over its base; idle_too: one that does nothing may be."""
    if adapter:
        judge_adapter(home, adapter, base).require(field, idle_too)


def _marks(*folders: Path) -> Iterator[tuple[str, Mark]]:
    for folder in folders:
        for pattern in LOOKED_AT:
            for path in sorted(folder.glob(pattern)):
                try:
                    yield str(path), mark(path.stat())
                except OSError as error:
                    raise UserError(
                        f"{path.name} of {folder.name} cannot be read: {error.strerror}.",
                        "Get the model again.",
                        "model",
                    ) from None


def _key(marks: dict[str, Mark]) -> str:
    identity = json.dumps([REVISION, [version(name) for name in LIBRARIES], sorted(marks.items())])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
