"""Ratings against hand-computed values and choix; intervals by simulation; agreement and its undefined cases."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy.special import expit

from workbench.core.errors import UserError
from workbench.core.stats import wilson
from workbench.preferences.agreement import agreement
from workbench.preferences.ratings import (
    SCALE,
    bradley_terry,
    length_controlled,
    length_effect,
    side_bias,
    votes_needed,
    win_rate,
)
from workbench.preferences.standing_votes import StandingVote


def ballot(outcome, **settings):
    """A vote between a and b; every vote its own pair and prompt unless said otherwise."""
    ballot.number += 1
    choice = {1.0: "left", 0.0: "right", 0.5: "tie"}[outcome]
    values = {
        "pair": ballot.number,
        "prompt_index": ballot.number,
        "annotator": "ann",
        "model_a": "a",
        "model_b": "b",
        "outcome": outcome,
        "choice": choice,
        "seconds": 1.0,
        "both_bad": settings.get("choice") == "both_bad",
        "length_a": 100,
        "length_b": 100,
    }
    return StandingVote(**values | settings)


ballot.number = 0


def ballots(a, b, wins, losses, **settings):
    outcomes = [1.0] * wins + [0.0] * losses
    return [ballot(outcome, model_a=a, model_b=b, **settings) for outcome in outcomes]


def test_unanimous_votes_keep_a_doubt():
    rate = win_rate(ballots("a", "b", 10, 0), "a", "b")
    assert (rate.wins, rate.n, rate.rate, rate.high) == (10, 10, 1.0, 1.0)
    assert rate.low == pytest.approx(10 / (10 + 1.959964**2), abs=1e-6)  # 0.7225
    other = win_rate(ballots("a", "b", 10, 0), "b", "a")
    assert (other.rate, other.low) == (0.0, 0.0) and other.high == pytest.approx(1 - rate.low)


def test_win_rate_counts_ties_half_and_both_bad_apart():
    votes = [*ballots("a", "b", 4, 1), *ballots("b", "a", 1, 2), ballot(0.5)]
    votes += [ballot(0.5, choice="both_bad"), *ballots("a", "c", 9, 0)]
    rate = win_rate(votes, "a", "b")
    assert (rate.wins, rate.losses, rate.ties, rate.both_bad, rate.n) == (6, 2, 1, 1, 10)
    assert rate.rate == pytest.approx(0.7) and rate.n_effective == pytest.approx(10)
    assert win_rate([], "a", "b").n == 0 and win_rate([], "a", "b").high == 1.0


def test_repeated_prompts_do_not_count_as_independent_votes():
    independent = [ballot(float(i % 2), prompt_index=i) for i in range(40)]
    repeated = [ballot(float(i // 4 % 2), prompt_index=i // 4) for i in range(40)]
    assert win_rate(independent, "a", "b").n_effective == pytest.approx(40)
    assert win_rate(repeated, "a", "b").n_effective < 11


def test_the_clustered_interval_covers_where_the_naive_one_does_not():
    """5 annotators × 60 votes, annotators' own win rates spread with a standard deviation of 0.8 in log-odds."""
    random = np.random.default_rng(7)
    repeats, naive, clustered = 250, 0, 0
    for _ in range(repeats):
        chance = expit(random.normal(0, 0.8, 5))
        outcomes = (random.random((5, 60)) < chance[:, None]).astype(float)
        votes = [
            ballot(float(outcomes[who, i]), annotator=str(who), prompt_index=i) for who in range(5) for i in range(60)
        ]
        rate = win_rate(votes, "a", "b")
        low, high = wilson(rate.rate, rate.n)
        clustered += rate.low <= 0.5 <= rate.high
        naive += low <= 0.5 <= high
    assert naive / repeats < 0.70
    assert clustered / repeats > 0.90


@pytest.mark.parametrize(("rate", "votes"), [(0.55, 783), (0.6, 194), (0.65, 85), (0.4, 194), (1.0, 4)])
def test_votes_needed(rate, votes):
    assert abs(votes_needed(rate) - votes) <= 1


def test_votes_needed_has_the_power_it_promises():
    random = np.random.default_rng(3)
    n = votes_needed(0.6)
    wins = random.binomial(n, 0.6, 20_000)
    significant = np.abs(wins - n / 2) > 1.959964 * math.sqrt(n / 4)
    assert significant.mean() == pytest.approx(0.80, abs=0.025)


@pytest.mark.parametrize("rate", [0.5, -0.1, 1.2])
def test_votes_needed_refuses_what_has_no_answer(rate):
    with pytest.raises(UserError):
        votes_needed(rate)


def choix_ratings(votes, models):
    choix = pytest.importorskip("choix")
    place = {model: i for i, model in enumerate(models)}
    data = []
    for vote in votes:
        pair = (place[vote.model_a], place[vote.model_b])
        data += {1.0: [pair] * 2, 0.0: [pair[::-1]] * 2, 0.5: [pair, pair[::-1]]}[vote.outcome]
    # Every vote is entered as two halves, so twice the penalty keeps the same optimum.
    return 1000 + SCALE * choix.opt_pairwise(len(models), data, alpha=0.2)


def test_a_sweep_gives_a_finite_gap():
    rows = bradley_terry(ballots("a", "b", 3, 0), ["a", "b"]).rows
    assert [row.model for row in rows] == ["a", "b"]
    assert rows[0].rating - rows[1].rating == pytest.approx(422, abs=1)
    assert rows[0].rating + rows[1].rating == pytest.approx(2000)


def test_bradley_terry_equals_choix_on_any_data():
    random = np.random.default_rng(5)
    models = ["a", "b", "c", "d"]
    for n in (8, 60, 600):
        votes = [ballot(1.0, model_a=x, model_b=y) for x, y in itertools.pairwise(models)]
        for _ in range(n):
            a, b = random.choice(4, 2, replace=False)
            outcome = float(random.choice([1.0, 0.5, 0.0], p=[0.6, 0.1, 0.3] if a < b else [0.1, 0.1, 0.8]))
            votes.append(ballot(outcome, model_a=models[a], model_b=models[b]))
        found = {row.model: row.rating for row in bradley_terry(votes, models).rows}
        assert [found[model] for model in models] == pytest.approx(choix_ratings(votes, models), abs=0.05)


def test_bradley_terry_survives_a_landslide():
    rows = bradley_terry(ballots("a", "b", 5000, 0), ["a", "b"]).rows
    assert all(math.isfinite(value) for row in rows for value in (row.rating, row.low, row.high))
    assert rows[0].low > rows[1].high


def test_standard_error_by_hand():
    """Two models, 50:50 of 100: θ_a has variance ½² / (n·¼ + α) → 400/ln 10 · ½ / √25.1 = 17.34 points."""
    ratings = bradley_terry(ballots("a", "b", 50, 50), ["a", "b"])
    assert [row.se for row in ratings.rows] == pytest.approx([SCALE * 0.5 / math.sqrt(25.1)] * 2)
    assert ratings.inflation == 1.0 and ratings.expected == [[0.5, 0.5], [0.5, 0.5]]
    assert ratings.rows[0].high - ratings.rows[0].rating == pytest.approx(1.959964 * ratings.rows[0].se)


def test_ratings_of_clustered_votes_are_less_sure():
    alone = ballots("a", "b", 50, 50)
    split = [*ballots("a", "b", 45, 5, annotator="x"), *ballots("a", "b", 5, 45, annotator="y")]
    three = [*ballots("a", "b", 45, 5, annotator="x"), *ballots("a", "b", 5, 45, annotator="y")]
    three += ballots("a", "b", 25, 25, annotator="z")
    plain, pulled = bradley_terry(alone, ["a", "b"]), bradley_terry(split, ["a", "b"])
    assert pulled.rows[0].se > 3 * plain.rows[0].se
    rate = win_rate(three, "a", "b")
    assert bradley_terry(three, ["a", "b"]).inflation == pytest.approx(rate.n / rate.n_effective, rel=1e-6)


def test_expected_matrix_follows_the_order_of_the_rows():
    ratings = bradley_terry([*ballots("a", "b", 1, 9), *ballots("b", "c", 8, 2)], ["a", "b", "c"])
    assert ratings.rows[0].model == "b"
    expected = np.array(ratings.expected)
    assert np.allclose(expected + expected.T, 1) and (np.diff(expected[0]) > 0).all()
    gap = ratings.rows[0].rating - ratings.rows[1].rating
    assert expected[0, 1] == pytest.approx(1 / (1 + 10 ** (-gap / 400)))
    assert [row.votes for row in ratings.rows] == [{"a": 10, "b": 20, "c": 10}[row.model] for row in ratings.rows]


def test_a_disconnected_graph_gets_words_instead_of_numbers():
    votes = [*ballots("a", "b", 5, 5), *ballots("c", "d", 5, 5)]
    ratings = bradley_terry(votes, ["a", "b", "c", "d"])
    assert ratings.rows == [] and ratings.expected == []
    assert ratings.not_enough == "Not enough votes: none connects [a, b] with [c, d]."
    assert bradley_terry([*votes, *ballots("d", "a", 1, 0)], ["a", "b", "c", "d"]).not_enough == ""
    assert "[z]" in bradley_terry(ballots("a", "b", 5, 5), ["a", "b", "z"]).not_enough
    assert bradley_terry([], ["a", "b"]).not_enough == "Not enough votes: there are none yet."


def test_side_bias_looks_at_sides_not_models():
    votes = [ballot(float(i % 2), choice="left") for i in range(80)]
    votes += [ballot(float(i % 2), choice="right") for i in range(20)] + [ballot(0.5)]
    bias = side_bias(votes)
    assert (bias.n, bias.share) == (100, 0.8) and bias.low > 0.7
    assert side_bias([]).n == 0


def length_votes(n=400, seed=0):
    """Voters who only look at length; a is the longer one in 80 % of the pairs."""
    random = np.random.default_rng(seed)
    votes = []
    for _ in range(n):
        difference = int(abs(random.normal(0, 60))) + 1
        if random.random() < 0.2:
            difference = -difference
        outcome = float(random.random() < expit(difference / 20))
        votes.append(ballot(outcome, length_a=200 + difference, length_b=200))
    return votes


def test_length_effect_and_the_controlled_rate():
    votes = length_votes()
    effect = length_effect([*votes, ballot(0.5, length_a=999), ballot(1.0)])
    assert effect.n == 400 and effect.share > 0.8 and effect.low > 0.75
    assert win_rate(votes, "a", "b").low > 0.6
    controlled = length_controlled(votes, "a", "b")
    assert controlled == pytest.approx(0.5, abs=0.08)
    assert length_controlled(votes, "b", "a") == pytest.approx(1 - controlled)


def test_the_controlled_rate_needs_twenty_votes_and_some_variation():
    assert length_controlled(length_votes(19), "a", "b") is None
    assert length_controlled(length_votes(20), "a", "b") is not None
    assert length_controlled(ballots("a", "b", 30, 10), "a", "b") is None


def matrix_votes(rows):
    """Votes from a table annotators × pairs of 'a', 'b', 't' (tie), '.' (none)."""
    outcome = {"a": 1.0, "b": 0.0, "t": 0.5}
    return [
        ballot(outcome[cell], pair=pair, annotator=str(who))
        for who, row in enumerate(rows)
        for pair, cell in enumerate(row)
        if cell != "."
    ]


def test_alpha_by_hand():
    # Pairs aa, ab, bb: o_aa = 2, o_bb = 2, o_ab = 1 each way; n_a = n_b = 3, n = 6.
    # Observed 2/6, expected 2·9/30: alpha = 1 − (1/3)/(3/5) = 4/9.
    found = agreement(matrix_votes(["aab", "abb"]))
    assert (found.overlaps, found.raw) == (3, pytest.approx(2 / 3))
    assert found.alpha == pytest.approx(4 / 9)


def test_alpha_equals_the_krippendorff_package():
    krippendorff = pytest.importorskip("krippendorff")
    random = np.random.default_rng(11)
    for _ in range(20):
        rows = ["".join(random.choice(list("aabbt.."), 12)) for _ in range(4)]
        table = [[{"a": 1, "b": 2, "t": 3, ".": math.nan}[cell] for cell in row] for row in rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = krippendorff.alpha(table, level_of_measurement="nominal")
        assert agreement(matrix_votes(rows)).alpha == pytest.approx(expected)


def test_agreement_does_not_depend_on_the_sides():
    same = [ballot(1.0, pair=1, choice="left"), ballot(1.0, pair=1, choice="right", annotator="bob")]
    assert agreement(same).raw == 1.0


def test_agreement_is_none_with_a_reason_where_undefined():
    unanimous = agreement(matrix_votes(["aaa", "aaa"]))
    assert (unanimous.raw, unanimous.alpha, unanimous.overlaps) == (1.0, None, 3)
    assert "undefined" in unanimous.reason
    none = agreement(matrix_votes(["aab"]))
    assert (none.raw, none.alpha, none.overlaps) == (None, None, 0) and none.reason


def ranking(order, event, **settings):
    """What a ranking says of each two of its models, best first, all together as heavy as one vote."""
    meetings = list(itertools.combinations(sorted(order), 2))
    return [
        ballot(
            float(order.index(a) < order.index(b)),
            choice="ranking", model_a=a, model_b=b, event=event, weight=1 / len(meetings), prompt_index=event,
            **settings,
        )
        for a, b in meetings
    ]  # fmt: skip


def test_a_ranking_counts_as_one_vote():
    rankings = [*ranking("abc", 1), *ranking("bac", 2), *ranking("acb", 3), *ranking("bca", 4)]
    rate = win_rate(rankings, "a", "b")
    assert (rate.wins, rate.losses, rate.n, rate.rate) == (2, 2, 4, 0.5)
    assert rate.n_effective <= 4
    rows = bradley_terry(rankings, ["a", "b", "c"]).rows
    assert [row.votes for row in rows] == [4, 4, 4]
    assert side_bias(rankings).n == 0
    assert length_effect([*ranking("abc", 1, length_a=10, length_b=5)]).n == 1


def test_a_vote_outweighs_a_pair_of_a_ranking():
    """Three pairs of one ranking weigh 1/3 each: a's share is (1 + 2 · 1/3) / (2 + 2 · 1/3)."""
    votes = ballots("a", "b", 1, 1)
    thirds = [ballot(1.0, choice="ranking", event=1, weight=1 / 3, prompt_index=0) for _ in range(2)]
    rate = win_rate([*votes, *thirds], "a", "b")
    assert rate.rate == pytest.approx((1 + 2 / 3) / (2 + 2 / 3)) and rate.n == 3
    assert rate.n_effective <= 3


def test_weighted_bradley_terry_equals_repeated_votes():
    votes = [ballot(outcome, weight=3.0) for outcome in (1.0, 1.0, 0.0)]
    repeated = [ballot(outcome) for outcome in (1.0, 1.0, 0.0) for _ in range(3)]
    heavy, plain = (bradley_terry(each, ["a", "b"]).rows for each in (votes, repeated))
    assert [row.rating for row in heavy] == pytest.approx([row.rating for row in plain])
