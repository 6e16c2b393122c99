"""Nothing an annotator receives beyond the two texts tells on which side a model stands.

A whole session of 400 pairs is judged through the functions of the pad. From each of its replies everything but the
texts is made into features; a classifier, cross-validated by blocks of time, may not do better than chance on the side.
"""

import json
import secrets
import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tabs.label import voting
from tests.voting import by
from workbench.core.home import Home
from workbench.core.stats import Floats, wilson
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.ratings import ridge_logistic
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session

pytestmark = pytest.mark.prove
PAIRS, FOLDS, TOKEN_CHARACTERS = 400, 10, 32


def seed_secrets(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Draws sides, tokens and the session's seed the same in every run, so that chance does not fail the test."""
    random = Random(seed)
    monkeypatch.setattr(secrets, "randbelow", random.randrange)
    monkeypatch.setattr(secrets, "token_hex", lambda length: random.randbytes(length).hex())
    monkeypatch.setattr(
        secrets, "token_urlsafe", lambda length: b64encode(random.randbytes(length), b"-_").decode().rstrip("=")
    )


def make_session(home: Home, settings: LabellingSettings, models: tuple[str, ...]) -> None:
    create_session(home, "round", models, "questions", {}, settings=settings)
    prompts = PAIRS // (len(models) * (len(models) - 1) // 2)
    for place in range(prompts):
        answers = {model: Answer(f"{model} answers", "eos", 3) for model in models}  # texts of one length
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place:04d}"}], answers)
    finish_session(home, "round")
    question = [{"role": "user", "content": "known question"}]
    add_checks(home, "round", [QualityCheck(question, f"right {n}", f"wrong {n}") for n in range(5)])


def features(reply: Mapping[str, Any], milliseconds: float, number: int) -> list[float]:
    """All of a reply but the texts, as numbers: token, lengths, counts, order, time."""
    item = reply["item"]
    token = [float(ord(letter)) for letter in item["token"][:TOKEN_CHARACTERS]]
    without_texts = {**reply, "item": {**item, "answers": [{**each, "text": ""} for each in item["answers"]]}}
    asked = int(item["prompt"][-1]["content"].split()[-1])
    counts = [float(item[name]) for name in ("done", "total", "remaining_for_you", "ranked", "training")]
    cut_off = [float(each["cut_off"]) for each in item["answers"]]
    order = [float(number), number % 2, number % 3, float(asked), asked % 2, asked % 3]
    return [*token, *counts, *cut_off, *order, milliseconds, float(len(json.dumps(without_texts)))]


def accuracy(design: Floats, sides: Floats) -> float:
    """How often a logistic regression on standardised features and their products with time names the side it was not
    fitted on."""
    deviation = design.std(axis=0)
    standard = (design - design.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    standard = np.column_stack([np.ones(len(sides)), standard, standard[:, :TOKEN_CHARACTERS] ** 2])
    fold = np.arange(len(sides)) * FOLDS // len(sides)
    right = 0
    for held in range(FOLDS):
        theta, _ = ridge_logistic(standard[fold != held], sides[fold != held], penalty=5.0)
        right += int(((standard[fold == held] @ theta > 0) == (sides[fold == held] > 0.5)).sum())
    return right / len(sides)


@pytest.mark.parametrize(
    ("settings", "models"),
    [
        (LabellingSettings(), ("alpha", "betas")),
        (LabellingSettings(pair_choice="balanced"), ("alpha", "betas", "gamma")),
        (LabellingSettings(pair_choice="informative"), ("alpha", "betas", "gamma")),
    ],
    ids=["random", "balanced", "informative"],
)
def test_no_classifier_finds_the_side_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: LabellingSettings, models: tuple[str, ...]
) -> None:
    seed_secrets(monkeypatch, 18)
    monkeypatch.setattr(voting, "voter_of", lambda ctx, name, request: by(name))
    home = Home.at(tmp_path)
    make_session(home, settings, models)
    ctx: Any = SimpleNamespace(home=home, accounts=False)
    query: dict[str, Any] = {"session": "round", "annotator": "ann"}
    rows, sides = [], []
    began, reply, number = time.perf_counter(), voting.next_pair(ctx, query, None), 0  # type: ignore[arg-type]
    while reply["item"]:
        taken = 1000 * (time.perf_counter() - began)
        left, right = (each["text"].split()[0] for each in reply["item"]["answers"])
        if left in models:
            rows.append(features(reply, taken, number))
            sides.append(float(left < right))  # whether the model that was named first stands on the left
        choice = "left" if left <= right else "right"  # the annotator always prefers one of the two
        number += 1
        vote = {**query, "token": reply["item"]["token"], "choice": choice, "key": uuid.uuid4().hex, "seconds": 1.0}
        began, reply = time.perf_counter(), voting.cast_vote(ctx, vote, None)  # type: ignore[arg-type]
    assert len(sides) >= 0.99 * PAIRS
    share = accuracy(np.array(rows), np.array(sides))
    low, high = wilson(0.5, len(sides))
    print(f"accuracy {100 * share:.1f} %, chance {100 * low:.1f} to {100 * high:.1f} %")
    assert low <= share <= high
    balance = float(np.mean(sides))
    assert low - 0.02 <= balance <= high + 0.02  # sides are drawn evenly


def test_the_classifier_would_find_a_leak() -> None:
    random = np.random.default_rng(5)
    design = random.normal(size=(PAIRS, 50))
    sides = (random.random(PAIRS) < 0.5).astype(float)
    assert accuracy(design, sides) < 0.56
    design[:, 40] += 0.8 * sides  # one of the features says a little of the side
    assert accuracy(design, sides) > 0.56
