"""Blind stays blind: who sees what and when, whose votes count, leases of browsers, and what is said at the end."""

import dataclasses
import itertools
import json
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.voting import by, close, make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import leases, store
from workbench.preferences.blinding import Blinded, Voter, close_session, may_see, unblind
from workbench.preferences.export import export_dataset, preference_pairs, session_digest
from workbench.preferences.jobs.generate import Generate
from workbench.preferences.sessions import Answer, add_answers, create_session, get_session
from workbench.preferences.standing import standing
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.summary import report
from workbench.preferences.votes import (
    BlindPair,
    give_back,
    hold,
    next_item,
    rights_of,
    undo_latest,
    vote,
    vote_and_next,
)

MODELS = ("model-alpha", "model-beta")


@pytest.fixture
def home(tmp_path: Path, labels_database: str) -> Home:
    return Home.at(tmp_path)


class Clock:
    """The time leases go by; the test moves it."""

    now = 1_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(store, "clock", lambda: made.now)
    return made


def shown(home: Home, who: Voter) -> BlindPair:
    item = next_item(home, "round", who)
    assert item
    return item


def give(home: Home, who: Voter, choice: str = "left") -> BlindPair:
    item = shown(home, who)
    vote(home, "round", who, item.token, choice, uuid.uuid4().hex, 1.0)
    return item


ANN, BOB = by("ann"), by("bob")


# ---- seeing ------------------------------------------------------------------------------------------------


def test_nobody_sees_the_result_of_an_open_session(home: Home) -> None:
    make_session(home, "round", 2, MODELS)
    give(home, ANN)
    for look in (
        lambda: report(home, "round"),
        lambda: report(home, "round", ANN.browser),
        lambda: preference_pairs(home, "round"),
        lambda: export_dataset(home, "round", "pairs"),
    ):
        with pytest.raises(Blinded) as caught:
            look()
        assert not any(model in str(caught.value) for model in MODELS)
    assert not may_see(home, "round", ANN.browser) and not may_see(home, "round", "")


def test_closing_ends_the_voting_and_shows_the_result_to_everybody(home: Home) -> None:
    make_session(home, "round", 3, MODELS)
    give(home, ANN)
    item = shown(home, BOB)
    info = close_session(home, "round", ANN)
    assert info.closed and info.closed_by == "ann" and close_session(home, "round", BOB).closed_by == "ann"
    assert may_see(home, "round", "") and report(home, "round")["counts"]["votes"] == 1
    assert next_item(home, "round", ANN) is None and standing(home, "round", ANN).reason == "closed"
    with pytest.raises(UserError, match="closed by ann"):
        vote(home, "round", BOB, item.token, "left", "k", 1.0)
    with pytest.raises(UserError, match="closed by ann"):
        undo_latest(home, "round", ANN, "u")
    assert not rights_of(home, "round", ANN).can_undo


def test_votes_after_looking_are_kept_marked_and_left_out(home: Home) -> None:
    make_session(home, "round", 4, MODELS)
    give(home, ANN)
    unblind(home, "round", ANN)
    assert report(home, "round", ANN.browser)["counts"]["votes"] == 1
    with pytest.raises(Blinded):
        report(home, "round", BOB.browser)
    digest = session_digest(home, "round")
    give(home, ANN)
    give(home, ANN, "skip")
    assert session_digest(home, "round") == digest
    info = get_session(home, "round")
    assert (info.votes, info.unblinded) == (1, 1) and rights_of(home, "round", ANN).unblinded
    give(home, BOB)
    close(home, "round")
    found = report(home, "round")
    assert (found["counts"]["votes"], found["counts"]["unblinded"]) == (2, 1)
    assert "1 vote was given after seeing the result and was left out." in found["sentences"]
    assert len(preference_pairs(home, "round")) == 2
    assert report(home, "round", with_unblinded=True)["counts"]["votes"] == 3
    assert export_dataset(home, "round", "pairs", 0).info["unblinded_votes"] == 1


@pytest.mark.parametrize("again", [Voter("Ann", "another browser"), Voter("somebody", ANN.browser)])
def test_who_has_looked_is_known_by_browser_and_by_name(home: Home, again: Voter) -> None:
    make_session(home, "round", 2, MODELS)
    unblind(home, "round", ANN)
    give(home, again)
    assert effective_votes(home, "round") == [] and get_session(home, "round").unblinded == 1


def test_a_pair_that_lay_open_before_looking_cannot_take_a_blind_vote(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    item = shown(home, ANN)
    unblind(home, "round", ANN)
    with pytest.raises(UserError, match="not open for you"):
        vote(home, "round", ANN, item.token, "left", "k", 1.0)
    assert give(home, BOB).prompt == item.prompt and len(effective_votes(home, "round")) == 1


def test_a_vote_taken_back_after_looking_still_stands_and_the_new_one_is_left_out(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    give(home, ANN, "tie")
    unblind(home, "round", ANN)
    again = undo_latest(home, "round", ANN, "u")
    vote(home, "round", ANN, again.token, "left", "k", 1.0)
    assert [vote.choice for vote in effective_votes(home, "round")] == ["tie"]
    assert [vote.choice for vote in effective_votes(home, "round", with_unblinded=True)] == ["left"]
    assert standing(home, "round", ANN).reason == "complete"


def test_pairs_of_the_unblinded_still_need_blind_votes(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    unblind(home, "round", ANN)
    held = shown(home, ANN)
    item = shown(home, BOB)  # her open pair keeps nobody from it
    vote(home, "round", ANN, held.token, "left", "k1", 1.0)
    vote(home, "round", BOB, item.token, "tie", "k2", 1.0)
    assert [vote.annotator for vote in effective_votes(home, "round")] == ["bob"]


def test_the_job_that_answers_names_no_model_until_the_session_is_closed(home: Home) -> None:
    job = Generate(session="round", models=list(MODELS), prompts="questions")
    assert job.blind(home) and not any(model in str(job.facts(home)) for model in MODELS)
    make_session(home, "round", 1, MODELS)
    assert job.blind(home) and not any(model in str(job.facts(home)) for model in MODELS)
    close(home, "round")
    assert not job.blind(home) and ["Models", "model-alpha, model-beta"] in job.facts(home)


def test_what_an_annotator_receives_tells_nothing_of_the_model(home: Home) -> None:
    """Tokens of one shape, both sides and orders for both models, and nothing else but the texts."""
    create_session(home, "round", MODELS, "questions", {})
    for place in range(40):
        answers = {"model-alpha": Answer("one", "length", 1), "model-beta": Answer("two", "eos", 160)}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], answers)
    sides: Counter[str] = Counter()
    for _ in range(40):
        item = give(home, ANN)
        assert set(dataclasses.asdict(item)) == {
            "token", "prompt", "answers", "done", "total", "remaining_for_you", "ranked", "training"
        }  # fmt: skip
        assert len(item.token) == 32 and not any(word in json.dumps(dataclasses.asdict(item)) for word in MODELS)
        sides[item.left] += 1
    assert 5 <= sides["one"] <= 35  # fails by chance about once in two million runs


def test_an_undone_pair_comes_back_with_fresh_sides(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    item, lefts = give(home, ANN), []
    for n in range(24):
        item = undo_latest(home, "round", ANN, f"u{n}")
        lefts.append(item.left)
        vote(home, "round", ANN, item.token, "left", f"k{n}", 1.0)
    assert 2 <= Counter(lefts)[lefts[0]] <= 22 and len(set(lefts)) == 2


def test_a_vote_is_taken_back_in_the_browser_it_was_given_in(home: Home) -> None:
    make_session(home, "round", 2, MODELS)
    give(home, ANN)
    elsewhere = Voter("ann", "another browser")
    assert rights_of(home, "round", ANN).can_undo and not rights_of(home, "round", elsewhere).can_undo
    with pytest.raises(UserError, match="no vote to undo"):
        undo_latest(home, "round", elsewhere, "u")


# ---- what is said at the end -------------------------------------------------------------------------------


def test_two_on_the_last_pair_get_no_false_message(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    item = shown(home, ANN)
    assert next_item(home, "round", BOB) is None
    assert dataclasses.astuple(standing(home, "round", BOB)) == ("held", 1)
    vote(home, "round", ANN, item.token, "left", "k", 1.0)
    assert [standing(home, "round", who).reason for who in (ANN, BOB)] == ["complete", "complete"]


def test_every_pair_has_its_votes_only_when_it_has(home: Home) -> None:
    make_session(home, "round", 2, MODELS, votes_per_pair=2)
    give(home, ANN)
    give(home, ANN)
    assert next_item(home, "round", ANN) is None
    assert dataclasses.astuple(standing(home, "round", ANN)) == ("others", 2)
    give(home, BOB)
    give(home, BOB, "skip")
    assert dataclasses.astuple(standing(home, "round", BOB)) == ("others", 1)
    give(home, by("cyd"))
    assert standing(home, "round", ANN).reason == "complete"


def test_while_models_answer_more_pairs_are_to_come(home: Home) -> None:
    create_session(home, "round", MODELS, "questions", {})
    assert standing(home, "round", ANN).reason == "answering"
    add_answers(home, "round", 0, [{"role": "user", "content": "q"}], dict.fromkeys(MODELS, Answer("same", "eos", 1)))
    assert standing(home, "round", ANN).reason == "answering"


def test_a_session_of_equal_answers_says_that_there_is_nothing_to_judge(home: Home) -> None:
    create_session(home, "round", MODELS, "questions", {})
    add_answers(home, "round", 0, [{"role": "user", "content": "q"}], dict.fromkeys(MODELS, Answer("same", "eos", 1)))
    from workbench.preferences.sessions import finish_session

    finish_session(home, "round")
    assert standing(home, "round", ANN).reason == "unusable"


# ---- leases ------------------------------------------------------------------------------------------------


def test_a_browser_has_one_pair_whatever_names_are_typed_in_it(home: Home) -> None:
    make_session(home, "round", 3, MODELS)
    items = [shown(home, Voter(f"name {n}", "one browser")) for n in range(20)]
    assert len({item.token for item in items}) == 1
    assert shown(home, BOB).prompt != items[0].prompt
    with pytest.raises(UserError, match="not open for you"):
        vote(home, "round", Voter("name 3", "one browser"), items[0].token, "left", "k", 1.0)
    vote(home, "round", Voter("name 19", "one browser"), items[0].token, "left", "k", 1.0)


def test_one_name_in_two_browsers_never_votes_twice_on_a_pair(home: Home) -> None:
    make_session(home, "round", 1, MODELS, votes_per_pair=2)
    desk, phone = Voter("ann", "desk"), Voter("ann", "phone")
    item = shown(home, desk)
    assert next_item(home, "round", phone) is None
    vote(home, "round", desk, item.token, "left", "k", 1.0)
    assert next_item(home, "round", phone) is None and standing(home, "round", phone).reason == "others"


def test_a_closed_page_returns_its_pair(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    item = shown(home, ANN)
    give_back(home, "round", BOB.browser, item.token)
    give_back(home, "round", ANN.browser, "an older token")
    assert next_item(home, "round", BOB) is None
    give_back(home, "round", ANN.browser, item.token)
    assert shown(home, BOB).prompt == item.prompt


def test_invented_browsers_cannot_lease_a_session_empty(home: Home, clock: Clock) -> None:
    """A script takes every pair, each time as a new browser; real ones, which say that they are seen, wait seconds."""
    make_session(home, "round", 6, MODELS)
    bots = (Voter(f"bot {n}", f"invented {n}") for n in itertools.count())

    def flood(count: int) -> int:
        return sum(next_item(home, "round", next(bots)) is not None for _ in range(count))

    assert flood(30) == 6
    for who in (ANN, BOB):
        assert next_item(home, "round", who) is None and standing(home, "round", who).reason == "held"
    clock.now += leases.UNCONFIRMED_SECONDS
    for n, who in enumerate([ANN, BOB] * 3):
        assert flood(15) == 0
        item = shown(home, who)
        assert hold(home, "round", who.browser, item.token)
        assert flood(5) == 0
        clock.now += 30
        vote(home, "round", who, item.token, "left", f"k{n}", 30.0)
    assert len(effective_votes(home, "round")) == 6


def test_a_pair_that_is_seen_is_not_taken_over_and_one_that_is_not_is(home: Home, clock: Clock) -> None:
    make_session(home, "round", 1, MODELS)
    item = shown(home, ANN)
    for _ in range(30):
        assert hold(home, "round", ANN.browser, item.token)
        clock.now += 20
        assert next_item(home, "round", BOB) is None
    clock.now += leases.HELD_SECONDS
    assert shown(home, BOB).prompt == item.prompt
    assert not hold(home, "round", ANN.browser, item.token)
    with pytest.raises(UserError, match="not open for you"):
        vote(home, "round", ANN, item.token, "left", "k", 1.0)


def test_the_pair_after_a_vote_is_held_like_one_that_is_seen(home: Home, clock: Clock) -> None:
    make_session(home, "round", 2, MODELS)
    first = vote_and_next(home, "round", ANN, shown(home, ANN).token, "left", "k", 1.0).item
    assert first
    clock.now += leases.HELD_SECONDS - 1
    for _ in range(2):
        assert next_item(home, "round", BOB) is None
    clock.now += 1
    assert shown(home, BOB).prompt == first.prompt


def test_nothing_is_taken_over_while_another_pair_is_free(home: Home, clock: Clock) -> None:
    make_session(home, "round", 2, MODELS)
    item = shown(home, ANN)
    clock.now += 500  # a person who thinks for long, or went for tea
    assert shown(home, BOB).prompt != item.prompt
    vote(home, "round", ANN, item.token, "left", "k", 500.0)
    assert len(effective_votes(home, "round")) == 1


def test_taking_over_never_gives_a_pair_too_many_votes(home: Home, clock: Clock) -> None:
    make_session(home, "round", 1, MODELS, votes_per_pair=2)
    items = {who: shown(home, who) for who in (ANN, BOB)}
    clock.now += leases.HELD_SECONDS
    cyd = by("cyd")
    assert next_item(home, "round", cyd) is None
    items[cyd] = shown(home, cyd)
    kept = []
    for who, item in items.items():
        try:
            vote(home, "round", who, item.token, "left", f"k-{who.name}", 1.0)
            kept.append(who.name)
        except UserError:
            continue
    assert len(kept) == 2 and "cyd" in kept


def test_a_clock_that_is_set_back_blocks_no_pair(home: Home, clock: Clock) -> None:
    make_session(home, "round", 1, MODELS)
    item = shown(home, ANN)
    clock.now -= 86_400
    assert shown(home, BOB).prompt == item.prompt
    with pytest.raises(UserError, match="given back"):
        vote(home, "round", ANN, item.token, "left", "k", 1.0)


def test_a_closed_session_takes_no_further_answers(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    close(home, "round")
    answers = {model: Answer(model, "eos", 1) for model in MODELS}
    with pytest.raises(UserError, match="was closed"):
        add_answers(home, "round", 1, [{"role": "user", "content": "late"}], answers)


def test_without_a_browser_nobody_votes(home: Home) -> None:
    make_session(home, "round", 1, MODELS)
    with pytest.raises(UserError) as caught:
        next_item(home, "round", Voter("ann", ""))
    assert caught.value.field == "browser"
