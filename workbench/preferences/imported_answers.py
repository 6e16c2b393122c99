"""Answers made elsewhere, to be judged in a session: of JSON Lines, or of the rows of a preference dataset."""

from collections.abc import Iterator, Mapping
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


ANSWER_FIELDS = ("prompt", "messages", "answers")


@dataclass(frozen=True)
class AnsweredPrompt:
    """A prompt and what each contestant answers, by name."""

    prompt: list[Message]
    answers: dict[str, Answer]


@dataclass(frozen=True)
class ImportedAnswers:
    """What was read, and in sentences what of the source was not."""

    prompts: list[AnsweredPrompt]
    left_out: tuple[str, ...] = ()


def read_answers(text: str, limit: int, field: str = "answers") -> ImportedAnswers:
    """The first prompts of a text with their answers, a mapping by name or a list ('answer 1', 'answer 2' and so on).

    An answer is a text, or an object with 'text' and 'finish' ('length' where it was cut off). Every prompt has answers
    of the same names. Raises `UserError` for what is no JSON, `SpecError` with every line that is wrong.
    """
    problems = Problems()
    found: list[AnsweredPrompt] = []
    ignored: set[str] = set()
    for number, row in json_objects(text, field):
        where = field, f"line {number}"
        ignored |= set(row) - set(ANSWER_FIELDS)
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
    left_out = [f"Not read: the fields {', '.join(sorted(ignored))}."] if ignored else []
    if len(found) > limit:
        left_out.append(f"Not taken: {len(found) - limit:,} prompts after the first {limit:,}.")
    return ImportedAnswers(found[:limit], tuple(left_out))


def _answer(given: Any, problems: Problems, *path: str) -> Answer:
    text = given.get("text") if isinstance(given, Mapping) else given
    finish = given.get("finish", "eos") if isinstance(given, Mapping) else "eos"
    if not isinstance(text, str):
        problems.add(path, "is no text.", f"Write {EXAMPLE}.")
    if finish not in FINISHES:
        problems.add((*path, "finish"), f"is {finish!r}.", f"Use {', '.join(FINISHES)}.")
    return Answer(str(text), str(finish), 0)


def answers_of_pairs(home: Home, dataset: str, limit: int) -> ImportedAnswers:
    """The first rows of a preference dataset that fit as prompts with the answers 'chosen' and 'rejected'.

    A row fits whose prompt ends where the answers begin, and whose answers are one turn each: of longer ones people
    could not tell who says what. Of rows with one prompt each is a prompt of its own. Raises `UserError` when none
    fits.
    """
    found: list[AnsweredPrompt] = []
    unfit = 0
    for row in _rows(home, dataset):
        if len(found) == limit:
            break
        if _fits(row):
            answers = {side: Answer(row[side][0]["content"], "eos", 0) for side in (CHOSEN, REJECTED)}
            found.append(AnsweredPrompt(row["prompt"], answers))
        else:
            unfit += 1
    if not found:
        raise UserError(
            f"{dataset!r} has no rows with a prompt and two answers of one turn.", "Choose another set.", "dataset"
        )
    left_out = (f"Left out: {unfit:,} rows without a prompt, or whose answers are several turns.",) if unfit else ()
    return ImportedAnswers(found, left_out)


def _rows(home: Home, dataset: str) -> Iterator[Mapping[str, Any]]:
    for split in ("train", "eval"):
        count = datasets.count(home, dataset, split)
        for start in range(0, count, 500):
            yield from datasets.rows(home, dataset, split, start, 500)


def _fits(row: Mapping[str, Any]) -> bool:
    prompt = row.get("prompt")
    single = all(len(row.get(side) or ()) == 1 for side in (CHOSEN, REJECTED))
    return bool(prompt and prompt[-1]["role"] != "assistant" and single)
