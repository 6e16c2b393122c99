"""The rows that making starts from: their prompts, and their answers where they have some."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store import datasets

SEED_SPLIT = "train"  # the eval split stays unseen: what is made from it would be trained on
PAGE_ROWS = 1000

Message = dict[str, Any]


@dataclass(frozen=True)
class Seed:
    """One row's prompt, ready for an answer. `row` is its place in the train split, from 0; `answer` may be ''."""

    row: int
    prompt: list[Message]
    answer: str = ""

    @property
    def text(self) -> str:
        """Its last user turn."""
        return str(self.prompt[-1]["content"])


def seeds_of(home: Home, dataset: str, limit: int, skip: int = 0) -> list[Seed]:
    """The first `limit` different prompts of a dataset after the first `skip`; raises `UserError` when it has none.

    Prompt sets, preferences and unpaired rows give their prompts, conversations what comes before the first answer.
    Rows with tools are passed over: no writer here calls tools.
    """
    if datasets.dataset_kind(home, dataset) == "text":
        raise UserError(f"{dataset!r} is plain text: it has no prompts.", "Choose conversations or prompts.", "dataset")
    seeds: list[Seed] = []
    prompts: set[str] = set()
    for row, canonical in _rows(home, dataset):
        seed = _seed(row, canonical)
        if seed is None or (prompt := repr(seed.prompt)) in prompts:
            continue
        prompts.add(prompt)
        seeds.append(seed)
        if len(seeds) == skip + limit:
            break
    if len(seeds) <= skip:
        after = f" after the first {skip}" if skip else ""
        raise UserError(f"{dataset!r} has no prompt{after}.", "Choose another dataset, or skip fewer.", "dataset")
    return seeds[skip:]


def _rows(home: Home, dataset: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for start in range(0, datasets.count(home, dataset, SEED_SPLIT), PAGE_ROWS):
        yield from enumerate(datasets.rows(home, dataset, SEED_SPLIT, start, PAGE_ROWS), start)


def _seed(row: int, canonical: dict[str, Any]) -> Seed | None:
    turns = canonical.get("messages") or [*canonical.get("prompt", []), *canonical.get("chosen", [])]
    if canonical.get("label"):
        turns = [*canonical["prompt"], *canonical["completion"]]
    end = next((index for index, turn in enumerate(turns) if turn["role"] == "assistant"), len(turns))
    prompt = turns[:end]
    if not prompt or prompt[-1]["role"] != "user" or "tools" in canonical:
        return None
    return Seed(row, prompt, turns[end]["content"] if end < len(turns) else "")
