"""The order of pairs by the models they compare; the overlap stays exact, and the fit is that of the ratings."""

import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.voting import by
from workbench.core.home import Home
from workbench.preferences import pair_choice
from workbench.preferences.informative_pairs import covariance_of, expected_gains, fit_wins
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.ratings import SCALE, bradley_terry
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote

MODELS = ["a", "b", "c", "d"]


def make_round(home: Home, prompts: int, votes_per_pair: int = 1, **settings: object) -> None:
    create_session(home, "round", MODELS, "questions", {}, votes_per_pair, LabellingSettings(**settings))
    for place in range(prompts):
        answers = {model: Answer(f"{model} says {place}", "eos", 3) for model in MODELS}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], answers)
    finish_session(home, "round")


def judge_next(home: Home, name: str) -> tuple[str, str] | None:
    """Votes on this person's next pair, the earlier letter winning; which models met."""
    item = next_item(home, "round", by(name))
    if item is None:
        return None
    left, right = item.left[0], item.right[0]
    choice = "left" if min(left, right) == left else "right"
    vote(home, "round", by(name), item.token, choice, uuid.uuid4().hex, 1.0)
    return min(left, right), max(left, right)


def test_balanced_choice_keeps_all_comparisons_level(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, 5, pair_choice="balanced")
    met: Counter[tuple[str, str] | None] = Counter()
    for number in range(1, 31):
        met[judge_next(home, f"n{number % 2}")] += 1
        levels = [met[a, b] for a in MODELS for b in MODELS if a < b]
        assert max(levels) - min(levels) <= 1
    assert judge_next(home, "n0") is None


def test_pairs_that_lie_open_elsewhere_count_as_judged(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, 5, pair_choice="balanced")
    items = [next_item(home, "round", by(f"n{number}")) for number in range(6)]
    assert len({frozenset((item.left[0], item.right[0])) for item in items if item}) == 6


@pytest.mark.parametrize("way", ["random", "balanced", "informative"])
def test_the_overlap_is_exact_however_pairs_are_chosen(tmp_path: Path, way: str) -> None:
    home = Home.at(tmp_path)
    make_round(home, 3, votes_per_pair=2, pair_choice=way)
    turns = 0
    while any(judge_next(home, name) for name in ("x", "y", "z")):
        turns += 1
        assert turns < 60
    votes = effective_votes(home, "round")
    givers: dict[int, list[str]] = {}
    for each in votes:
        givers.setdefault(each.pair, []).append(each.annotator)
    assert len(givers) == 18 and all(len(names) == len(set(names)) == 2 for names in givers.values())


def test_informative_choice_asks_where_models_are_close(tmp_path: Path) -> None:
    """a beats everybody, always; d loses always: after a while a against d tells nothing, and is asked last."""
    home = Home.at(tmp_path)
    make_round(home, 12, pair_choice="informative", random_share=0.0)
    met = Counter(judge_next(home, "ann") for _ in range(40))
    assert met["a", "d"] < met["b", "c"] and met["a", "d"] <= min(met.values())


def test_the_random_share_is_random_and_another_draw_for_every_pair(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, 12, pair_choice="informative", random_share=1.0)
    for _ in range(12):
        judge_next(home, "ann")
    drawn = [(each.prompt_index, each.model_a, each.model_b) for each in effective_votes(home, "round")]
    assert len(set(drawn)) == 12 and drawn != sorted(drawn)
    assert len({(a, b) for _, a, b in drawn}) > 2


def test_a_vote_does_not_fit_the_ratings_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.at(tmp_path)
    make_round(home, 30, pair_choice="informative", random_share=0.0)
    fits = []
    monkeypatch.setattr(pair_choice, "fit_wins", lambda wins: fits.append(1) or fit_wins(wins))
    for _ in range(120):
        judge_next(home, "ann")
    assert len(fits) < 100  # one a vote up to 50 votes, then one in two


def test_the_fit_is_that_of_the_ratings(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, 10)
    random = np.random.default_rng(2)
    while item := next_item(home, "round", by("ann")):
        choice = str(random.choice(["left", "right", "tie"]))
        vote(home, "round", by("ann"), item.token, choice, uuid.uuid4().hex, 1.0)
    votes = effective_votes(home, "round")
    wins = np.zeros((4, 4))
    for each in votes:
        i, j = MODELS.index(each.model_a), MODELS.index(each.model_b)
        wins[i, j] += each.outcome
        wins[j, i] += 1 - each.outcome
    theta, covariance = fit_wins(wins)
    rated = bradley_terry(votes, MODELS)
    expected = {row.model: row for row in rated.rows}
    assert [1000 + SCALE * value for value in theta] == pytest.approx([expected[m].rating for m in MODELS])
    errors = SCALE * np.sqrt(np.diag(covariance) * rated.inflation)
    assert errors == pytest.approx([expected[m].se for m in MODELS])


def test_the_expected_gain_is_what_a_vote_lowers_the_variances_by() -> None:
    random = np.random.default_rng(4)
    wins = random.integers(1, 9, (4, 4)).astype(float) * (1 - np.eye(4))
    theta, covariance = fit_wins(wins)
    votes = wins + wins.T
    gains = expected_gains(theta, covariance)
    for i, j in ((0, 1), (2, 3), (1, 3)):
        more = votes.copy()
        more[i, j] += 1
        more[j, i] += 1
        lowered = np.trace(covariance) - np.trace(covariance_of(more, theta))
        assert gains[i, j] == pytest.approx(lowered)
    assert gains.diagonal() == pytest.approx(0)
