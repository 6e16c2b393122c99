"""Answers made elsewhere, to be judged in a session: of JSON Lines, or of the rows of a preference dataset."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.preferences.check_files import json_objects, prompt_of
from workbench.preferences.sessions import FINISHES, Answer, Message

CHOSEN, REJECTED = "chosen", "rejected"
"""What the two answers of a preference dataset's rows go under."""
EXAMPLE = '{"prompt": "…", "answers": {"model-a": "…", "model-b": "…"}}'
MOST_ANSWERS = 8


@dataclass(frozen=True)
class AnsweredPrompt:
    """A prompt and what each contestant answers, by name."""

    prompt: list[Message]
    answers: dict[str, Answer]


def read_answers(text: str, field: str = "answers") -> list[AnsweredPrompt]:
    """The prompts of a text with their answers, a mapping by name or a list ('answer 1', 'answer 2' and so on).

    An answer is a text, or an object with 'text' and 'finish' ('length' where it was cut off). Every prompt has answers
    of the same names. Raises `UserError` for what is no JSON, `SpecError` with every line that is wrong.
    """
    problems = Problems()
    found: list[AnsweredPrompt] = []
    for number, row in json_objects(text, field):
        where = field, f"line {number}"
        prompt = prompt_of(row, problems, *where)
        given = row.get("answers")
        if isinstance(given, list):
            given = {f"answer {place}": answer for place, answer in enumerate(given, 1)}
        if not isinstance(given, dict) or not 2 <= len(given) <= MOST_ANSWERS:
            problems.add((*where, "answers"), f"are not two to {MOST_ANSWERS} answers.", f"Write {EXAMPLE}.")
            continue
        answers = {name: _answer(answer, problems, *where, "answers", name) for name, answer in given.items()}
        if found and set(answers) != set(found[0].answers):
            expected = ", ".join(found[0].answers)
            problems.add((*where, "answers"), f"are of {', '.join(answers)}.", f"Name them as before: {expected}.")
        found.append(AnsweredPrompt(prompt, answers))
    problems.check()
    return found


def _answer(given: Any, problems: Problems, *path: str) -> Answer:
    text = given.get("text") if isinstance(given, Mapping) else given
    finish = given.get("finish", "eos") if isinstance(given, Mapping) else "eos"
    if not isinstance(text, str):
        problems.add(path, "is no text.", f"Write {EXAMPLE}.")
    if finish not in FINISHES:
        problems.add((*path, "finish"), f"is {finish!r}.", f"Use {', '.join(FINISHES)}.")
    return Answer(str(text), str(finish), 0)


def answers_of_pairs(home: Home, dataset: str, limit: int) -> list[AnsweredPrompt]:
    """The first rows of a preference dataset as prompts with the answers 'chosen' and 'rejected'.

    Of rows with one prompt each is a prompt of its own. Raises `UserError` when it has no such row.
    """
    found = [
        AnsweredPrompt(row["prompt"], {CHOSEN: _reply(row[CHOSEN]), REJECTED: _reply(row[REJECTED])})
        for row in itertools.islice(_rows(home, dataset), limit)
    ]
    if not found:
        raise UserError(f"{dataset!r} has no rows with a prompt and two answers.", "Choose another set.", "dataset")
    return found


def _rows(home: Home, dataset: str) -> Iterator[Mapping[str, Any]]:
    for split in ("train", "eval"):
        count = datasets.count(home, dataset, split)
        for start in range(0, count, 500):
            yield from _with_prompt(datasets.rows(home, dataset, split, start, 500))


def _with_prompt(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Rows that end their prompt where the answers begin."""
    for row in rows:
        prompt = row.get("prompt")
        if prompt and prompt[-1]["role"] != "assistant" and row.get(CHOSEN) and row.get(REJECTED):
            yield row


def _reply(messages: list[Message]) -> Answer:
    """The answer of a row; further turns of it are set apart by an empty line."""
    return Answer("\n\n".join(message["content"] for message in messages), "eos", 0)
