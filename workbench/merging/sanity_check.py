"""Proof after a merge: parents and child answer the same prompts and are measured on the same text.

A merge goes through without an error and may still talk gibberish (https://github.com/arcee-ai/mergekit/issues/671);
here it is noticed at once. Models are loaded one after the other.
"""

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from workbench.core.errors import UserError, explain
from workbench.core.home import Home, write_text
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import TEXTS
from workbench.data.store.prompts import BUILT_IN, built_in_prompts, held_out_prompts, prompts_of
from workbench.inference import loss as measure
from workbench.jobs.job import JobContext
from workbench.models.model_references import resolve

log = logging.getLogger(__name__)

MOST_PARENTS = 4
ROWS = 64
MAX_TOKENS = 512
WORSE_NATS = 1.0  # nats above the worst parent
REPEATED_SHARE = 0.5  # share of a text's 4-grams that stood there before
UNIT = re.compile(r"\w{1,12}|[^\w\s]")

Rows = list[dict[str, Any]]


def prove(
    ctx: JobContext, output: str, parents: Sequence[str], dataset: str, prompts: int, tokens: int, seed: int
) -> dict[str, Any]:
    """Asks and measures child and parents; {'warnings', 'perplexity': {name: figures}, 'samples': [{prompt, answers}]}.

    `dataset` may be '': then short built-in prompts and conversations serve. The same is in proof.json in the job's
    folder. The merge is on the shelf already: what fails here becomes a warning, and a stop ends it early.
    """
    asked = _prompts(ctx.home, dataset, prompts)
    rows, kind, source = _rows(ctx.home, dataset)
    names = list(dict.fromkeys([output, *parents]))[: MOST_PARENTS + 1]
    losses: dict[str, measure.Loss] = {}
    answers: dict[str, list[str]] = {}
    warnings = []
    for index, name in enumerate(names):
        if ctx.stop_requested():
            warnings.append("Stopped before the proof was complete.")
            break
        ctx.task.update(index, len(names), f"Proof: {name}")
        try:
            answers[name], losses[name] = _look(ctx, name, asked, rows, kind, tokens, seed)
        except Exception as error:  # a parent too large for the memory must not spoil the merge
            if not isinstance(error, UserError):
                log.exception("%s could not be looked at", name)
            warnings.append(f"{name} could not be looked at: {explain(error).message}")
    warnings = [*_worse(output, losses), *_garbled(output, answers), *warnings]
    for warning in warnings:
        ctx.note(warning)
    ctx.task.update(len(names), len(names), "Proof done")
    return _saved(ctx, asked, answers, losses, warnings, source)


def _prompts(home: Home, dataset: str, count: int) -> list[list[dict[str, str]]]:
    own = prompts_of(home, dataset, count) if dataset and count else []
    return (own or built_in_prompts())[:count]


def _rows(home: Home, dataset: str) -> tuple[Rows, str, str]:
    """What is measured on: rows, their kind, and the words for where they come from."""
    kind = datasets.dataset_kind(home, dataset) if dataset else ""
    if kind not in TEXTS.kinds:
        return held_out_prompts(), "conversation", BUILT_IN
    split, rows = measure.measured_rows(home, dataset, ROWS)
    return rows, kind, f"{dataset} ({split} split)"


def _look(
    ctx: JobContext, name: str, asked: Sequence[Any], rows: Rows, kind: str, tokens: int, seed: int
) -> tuple[list[str], measure.Loss]:
    """One model's answers and loss. Its engine goes when this returns, so that one model is in memory at a time."""
    from workbench.inference.decoding import Decoding
    from workbench.inference.engine import Engine

    engine = Engine(ctx.home)
    for _ in engine.load([name]):
        pass
    decoding = Decoding(greedy=True, max_new_tokens=tokens, seed=seed)
    loaded = engine.model(name)
    answers = [answer.text for answer in loaded.answer_batch(asked, decoding)] if asked else []
    model = loaded.torch_model()
    most = min(MAX_TOKENS, measure.longest(model) or MAX_TOKENS)
    encoded = measure.encode(resolve(ctx.home, name), rows, kind, max_length=most)
    return answers, measure.loss_of(model, encoded, seed=seed)


def _worse(output: str, losses: dict[str, measure.Loss]) -> list[str]:
    others = {name: loss.loss for name, loss in losses.items() if name != output}
    if output not in losses or not others:
        return []
    worst = max(others, key=lambda name: others[name])
    gap = losses[output].loss - others[worst]
    if gap <= WORSE_NATS:  # a loss that is no number is warned of too
        return []
    return [
        f"{output} predicts text far worse than its parents: {losses[output].loss:.2f} nats a token against "
        f"{others[worst]:.2f} of {worst}, the worst of them. Try smaller weights or a higher density."
    ]


def _garbled(output: str, answers: dict[str, list[str]]) -> list[str]:
    """Answers that are empty or repeat themselves, where the child has more of them than every parent."""
    remarks = []
    for words, test in (("are empty", lambda text: not text.strip()), ("repeat themselves", _repeats)):
        counts = {name: sum(map(test, texts)) for name, texts in answers.items()}
        mine = counts.pop(output, 0)
        if mine and mine > max(counts.values(), default=0):
            most = f"; of its parents' at most {max(counts.values())}" if counts else ""
            remarks.append(f"{mine} of {len(answers[output])} answers of {output} {words}{most}.")
    return remarks


def _repeats(text: str) -> bool:
    return repetition(text) > REPEATED_SHARE


def repetition(text: str) -> float:
    """The share of a text's 4-grams of words that stood there before; 0 for texts of fewer than 8 words."""
    units = UNIT.findall(text.lower())
    grams = [tuple(units[index : index + 4]) for index in range(len(units) - 3)]
    return 1 - len(set(grams)) / len(grams) if len(units) >= 8 else 0.0


def _saved(
    ctx: JobContext,
    asked: Sequence[Any],
    answers: dict[str, list[str]],
    losses: dict[str, measure.Loss],
    warnings: list[str],
    source: str,
) -> dict[str, Any]:
    samples = [
        {"prompt": prompt[-1]["content"], "answers": {name: texts[index] for name, texts in answers.items()}}
        for index, prompt in enumerate(asked)
    ]
    proof = {
        "warnings": warnings,
        "perplexity": {name: loss.to_dict() for name, loss in losses.items()},
        "samples": samples,
        "measured_on": source,
    }
    write_text(ctx.folder / "proof.json", json.dumps(proof, ensure_ascii=False, indent=1))
    return proof
