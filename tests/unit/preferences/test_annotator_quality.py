"""Figures on annotators against hand-computed cases and the krippendorff package; aspects by themselves."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from workbench.preferences.agreement import agreement, agreement_of_pairs, agreement_with_others, aspect_category
from workbench.preferences.annotator_quality import annotator_quality
from workbench.preferences.aspect_results import aspect_results
from workbench.preferences.quality_checks import CheckVote
from workbench.preferences.standing_votes import StandingVote

OUTCOMES = {"a": 1.0, "b": 0.0, "t": 0.5, "x": 0.5}


def cast(pair: int, name: str, said: str, **more: Any) -> StandingVote:
    """A vote by a letter: a, b, t (tie) or x (both bad)."""
    choice = {"a": "left", "b": "right", "t": "tie", "x": "both_bad"}[said]
    values: dict[str, Any] = {
        "pair": pair, "prompt_index": pair, "annotator": name, "model_a": "m1", "model_b": "m2",
        "outcome": OUTCOMES[said], "choice": choice, "seconds": 1.0, "both_bad": said == "x", "length_a": 10,
        "length_b": 10,
    }  # fmt: skip
    return StandingVote(**values | more)


def table(rows: dict[str, str]) -> list[StandingVote]:
    """Votes from a row of letters for each annotator; '.' where they gave none."""
    return [
        cast(pair, name, said) for name, row in rows.items() for pair, said in enumerate(row) if said != "."
    ]  # fmt: skip


def packaged(rows: Sequence[str]) -> float | None:
    """Krippendorff's alpha by the package; None where it refuses unanimous data."""
    krippendorff = pytest.importorskip("krippendorff")
    numbers = {"a": 1, "b": 2, "t": 3, "x": 4, ".": math.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return float(
                krippendorff.alpha([[numbers[cell] for cell in row] for row in rows], level_of_measurement="nominal")
            )
        except ValueError:
            return None


@pytest.mark.parametrize("annotators", [2, 3, 6])
def test_alpha_equals_the_package_and_both_refuse_unanimous_votes(annotators: int) -> None:
    random = np.random.default_rng(annotators)
    for letters in ("aabbtx..", "aaaaab..", "aaaa", "ab"):
        rows = {f"n{n}": "".join(random.choice(list(letters), 30)) for n in range(annotators)}
        found, expected = agreement(table(rows)).alpha, packaged(list(rows.values()))
        assert found == (None if expected is None else pytest.approx(expected))


def test_the_interval_of_alpha_holds_it_narrows_with_pairs_and_is_the_same_again() -> None:
    random = np.random.default_rng(3)

    def drawn(pairs: int) -> list[StandingVote]:
        truth = random.choice(list("abt"), pairs)
        return table({
            name: "".join(said if random.random() < 0.7 else random.choice(list("abt")) for said in truth)
            for name in ("ann", "bob", "cleo")
        })  # fmt: skip

    small, large = agreement(votes := drawn(30)), agreement(drawn(400))
    assert small == agreement(votes)
    for found in (small, large):
        assert found.low is not None and found.high is not None and found.alpha is not None
        assert found.low < found.alpha < found.high
    assert large.high - large.low < 0.5 * (small.high - small.low)  # type: ignore[operator]
    assert large.low > 0.3  # true agreement is clearly above chance


def test_the_interval_of_alpha_covers_as_it_says() -> None:
    """200 draws of 60 pairs of a population whose alpha is known from very many pairs."""
    random = np.random.default_rng(8)

    def votes(pairs: int) -> list[StandingVote]:
        truth = random.integers(0, 2, pairs)
        flips = random.random((2, pairs)) < 0.2
        return [
            cast(pair, f"n{who}", "ab"[truth[pair] ^ flips[who, pair]]) for who in range(2) for pair in range(pairs)
        ]

    true_alpha = 0.36  # expected agreement 0.5, observed 0.8² + 0.2² = 0.68: (0.68 − 0.5) / 0.5
    found = [agreement(votes(60)) for _ in range(200)]
    assert 0.90 <= np.mean([each.low <= true_alpha <= each.high for each in found]) <= 0.99  # type: ignore[operator]


def test_two_annotators_are_compared_on_what_both_judged() -> None:
    votes = table({"ann": "aabb.", "bob": "aaba.", "cleo": "b...a"})
    found = {(each.one, each.other): each.agreement for each in agreement_of_pairs(votes)}
    assert list(found) == [("ann", "bob"), ("ann", "cleo"), ("bob", "cleo")]
    assert (found["ann", "bob"].overlaps, found["ann", "bob"].raw) == (4, 0.75)
    # o_aa = 4, o_bb = 2, n_a = 5, n_b = 3: 1 − 7 · (8 − 6) / (64 − 25 − 9)
    assert found["ann", "bob"].alpha == pytest.approx(1 - 14 / 30)
    assert (found["ann", "cleo"].overlaps, found["ann", "cleo"].raw) == (1, 0.0)
    # ann agrees with bob on 3 of 4 and with cleo on 0 of 1
    assert agreement_with_others(votes, "ann") == (3 / 5, 5)
    assert agreement_with_others(votes, "nobody") == (None, 0)


def test_each_annotator_by_hand() -> None:
    votes = [
        cast(0, "ann", "a", seconds=10.0, length_a=20), cast(1, "ann", "a", seconds=20.0, length_a=20),
        cast(2, "ann", "b", seconds=30.0, length_a=20), cast(3, "ann", "t", seconds=60.0),
        cast(0, "bob", "b", seconds=5.0),
    ]  # fmt: skip
    checks = [CheckVote(9, "ann", "gold", "left", right, "") for right in (True, True, False)]
    checks += [CheckVote(9, "ann", "training", "left", False, ""), CheckVote(9, "zoe", "attention", "left", True, "")]
    ann, bob, zoe = annotator_quality(votes, checks)
    assert (ann.votes, ann.median_seconds, ann.votes_per_hour) == (4, 25.0, 120.0)  # 120 s for 4 votes
    assert (ann.sides.n, ann.sides.share) == (3, pytest.approx(2 / 3))
    assert (ann.length.n, ann.length.share) == (3, pytest.approx(2 / 3))
    gold, training = ann.checks
    assert (gold.kind, gold.right, gold.n) == ("gold", 2, 3)
    assert (gold.low, gold.high) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))
    assert (training.kind, training.right, training.n) == ("training", 0, 1)
    assert (bob.agreement, bob.compared) == (0.0, 1)
    assert (zoe.name, zoe.votes, zoe.votes_per_hour, zoe.checks[0].right) == ("zoe", 0, None, 1)


def test_wilsons_interval_equals_that_of_scipy() -> None:
    checks = [CheckVote(9, "ann", "gold", "left", number < 7, "") for number in range(9)]
    found = annotator_quality([], checks)[0].checks[0]
    assert (found.low, found.high) == pytest.approx(tuple(binomtest(7, 9).proportion_ci(method="wilson")))


def test_each_aspect_has_its_own_result() -> None:
    votes = [
        cast(0, "ann", "a", aspects={"helpful": 1.0, "brief": 0.0}),
        cast(1, "ann", "a", aspects={"helpful": 0.5, "brief": 0.0}),
        cast(0, "bob", "a", aspects={"helpful": 1.0, "brief": 1.0}),
        cast(2, "bob", "x"),
    ]
    helpful, brief = aspect_results(votes, votes, ["m1", "m2"])
    (rate,) = helpful["win_rates"]
    assert (helpful["aspect"], rate["wins"], rate["ties"], rate["n"]) == ("helpful", 2, 1, 3)
    assert rate["rate"] == pytest.approx(2.5 / 3)
    (rate,) = brief["win_rates"]
    assert (rate["wins"], rate["losses"], rate["rate"]) == (1, 2, pytest.approx(1 / 3))
    assert [row["model"] for row in brief["ratings"]["rows"]] == ["m2", "m1"]
    assert (helpful["agreement"]["raw"], brief["agreement"]["raw"]) == (1.0, 0.0)
    assert agreement(votes, aspect_category("brief")).overlaps == 1
