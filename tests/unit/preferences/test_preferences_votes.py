"""Sessions, blind serving, idempotent votes, skip, undo and leases."""

import dataclasses
import json
import uuid

import pytest
import sqlalchemy as sa

from tests.voting import by
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.preferences import store, tables
from workbench.preferences.session_copies import delete_session
from workbench.preferences.sessions import (
    Answer,
    add_answers,
    create_session,
    finish_session,
    get_session,
    list_sessions,
)
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, undo_latest, vote

MODELS = ["model-alpha", "model-beta"]


@pytest.fixture
def home(tmp_path, labels_database):
    return Home.at(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """A clock the test moves: clock.now += seconds."""

    class Clock:
        now = 1_000_000.0

    monkeypatch.setattr(store, "clock", lambda: Clock.now)
    return Clock


def ask(i):
    return [{"role": "user", "content": f"question {i}"}]


def make_round(home, prompts=4, votes_per_pair=1, models=MODELS):
    create_session(home, "round", models, "questions", {"temperature": 0.7}, votes_per_pair)
    for i in range(prompts):
        answers = {model: Answer(f"answer {number} to {i}", "eos", 4) for number, model in enumerate(models)}
        add_answers(home, "round", i, ask(i), answers)


def give(home, who, choice="left", key=None, seconds=1.0):
    """Votes on this annotator's next pair and returns (item, saved)."""
    item = next_item(home, "round", by(who))
    return item, vote(home, "round", by(who), item.token, choice, key or uuid.uuid4().hex, seconds)


def events(home):
    with store.reading(home) as db:
        return db.execute(sa.select(tables.vote_events).order_by(tables.vote_events.c.id)).all()


def test_every_pair_of_models_for_every_prompt(home):
    make_round(home, prompts=3, models=["a", "b", "c"])
    info = finish_session(home, "round")
    assert (info.prompts, info.pairs, info.usable, info.complete) == (3, 9, 9, True)
    assert list_sessions(home) == [info] == [get_session(home, "round")]


def test_identical_and_unusable_pairs_are_stored_but_never_shown(home):
    create_session(home, "round", MODELS, "questions", {})
    for i, (a, b, finish) in enumerate(
        [("same  text\n", "same text", "eos"), ("", "text", "eos"), ("x", "y", "error"), ("x", "y", "length")]
    ):
        answers = dict(zip(MODELS, [Answer(a, "eos", 1), Answer(b, finish, 1)], strict=True))
        add_answers(home, "round", i, ask(i), answers)
    info = get_session(home, "round")
    assert (info.pairs, info.identical, info.unusable, info.usable) == (4, 1, 2, 1)
    item, _ = give(home, "ann")
    assert item.prompt == ask(3) and (item.done, item.total, item.remaining_for_you) == (0, 1, 1)
    assert next_item(home, "round", by("ann")) is None
    assert get_session(home, "round").votes == 1


def test_adding_a_prompt_again_changes_nothing(home):
    make_round(home, prompts=2)
    again = {model: Answer("another text", "eos", 2) for model in MODELS}
    assert add_answers(home, "round", 1, ask(1), again) is False
    assert add_answers(home, "round", 2, ask(2), again) is True
    assert (get_session(home, "round").pairs, get_session(home, "round").identical) == (3, 1)
    texts = [item.left for item in (next_item(home, "round", by(f"p{i}")) for i in range(2))]
    assert all(text.startswith("answer") for text in texts)


def test_wrong_settings_are_reported_together(home):
    with pytest.raises(SpecError) as caught:
        create_session(home, "../evil", ["one", "one"], "questions", {}, votes_per_pair=0)
    assert {problem.field for problem in caught.value.problems} == {"name", "models", "votes_per_pair"}
    make_round(home)
    with pytest.raises(UserError, match="exists already"):
        create_session(home, "round", MODELS, "questions", {})
    with pytest.raises(SpecError) as caught:
        add_answers(home, "round", -1, [], {"model-alpha": Answer("x", "stop", 1)})
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"prompt_index", "prompt", "answers", "answers.model-alpha.finish"}
    with pytest.raises(SpecError, match="assistant turn"):
        add_answers(
            home, "round", 9, [{"role": "assistant", "content": "Hello"}], dict.fromkeys(MODELS, Answer("x", "eos", 1))
        )


def test_an_unknown_session_suggests_the_near_name(home):
    make_round(home)
    for call in (
        lambda: next_item(home, "rond", by("ann")),
        lambda: vote(home, "rond", by("ann"), "t", "left", "k", 1),
        lambda: undo_latest(home, "rond", by("ann"), "k"),
        lambda: effective_votes(home, "rond"),
        lambda: delete_session(home, "rond"),
    ):
        with pytest.raises(UserError, match="Did you mean round"):
            call()


def test_deleting_a_session_takes_its_votes_along(home):
    make_round(home)
    give(home, "ann")
    next_item(home, "round", by("ann"))
    delete_session(home, "round")
    assert list_sessions(home) == [] and events(home) == []
    with store.reading(home) as db:
        for table in (tables.prompts, tables.answers, tables.pairs, tables.leases):
            assert db.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_an_item_names_no_model(home):
    make_round(home, prompts=10)
    for _ in range(10):
        item = next_item(home, "round", by("ann"))
        saved = vote(home, "round", by("ann"), item.token, "left", uuid.uuid4().hex, 1.0)
        shown = json.dumps([dataclasses.asdict(item), dataclasses.asdict(saved)])
        assert not any(word in shown for word in [*MODELS, "alpha", "beta"])
        assert len(item.token) >= 32


def test_sides_are_random_and_the_outcome_follows_the_model(home):
    make_round(home, prompts=40)
    alpha_left = 0
    while item := next_item(home, "round", by("ann")):
        left_is_alpha = item.left.startswith("answer 0")
        alpha_left += left_is_alpha
        vote(home, "round", by("ann"), item.token, "left" if left_is_alpha else "right", uuid.uuid4().hex, 2.0)
    assert 5 <= alpha_left <= 35  # fails by chance about once in two million runs
    votes = effective_votes(home, "round")
    assert len(votes) == 40 and {vote.outcome for vote in votes} == {1.0}
    assert {(vote.model_a, vote.model_b) for vote in votes} == {tuple(MODELS)}
    assert all(vote.length_a == len(f"answer 0 to {vote.prompt_index}") for vote in votes)


def test_the_order_is_random_but_the_same_for_everyone(home):
    make_round(home, prompts=12, votes_per_pair=2)
    orders = [[give(home, who)[0].prompt for _ in range(12)] for who in ("ann", "bob")]
    assert orders[0] == orders[1] != [ask(i) for i in range(12)]


def test_the_open_pair_is_resumed_with_the_same_sides(home):
    make_round(home)
    item = next_item(home, "round", by("ann"))
    assert next_item(home, "round", by("ann")) == item
    assert next_item(home, "round", by("bob")).prompt != item.prompt


def test_the_same_key_saves_once_and_answers_the_same(home):
    make_round(home)
    item, saved = give(home, "ann", key="k1")
    assert vote(home, "round", by("ann"), item.token, "right", "k1", 9.0) == saved
    assert len(events(home)) == 1 and effective_votes(home, "round")[0].choice == "left"
    with pytest.raises(UserError) as caught:
        vote(home, "round", by("bob"), item.token, "left", "k1", 1.0)
    assert caught.value.field == "key"


def test_refused_votes_name_the_field_and_save_nothing(home):
    make_round(home)
    mine, other = next_item(home, "round", by("ann")), next_item(home, "round", by("bob"))
    for field, who, token, choice, key in [
        ("token", "ann", "wrong", "left", "k"),
        ("token", "ann", other.token, "left", "k"),
        ("choice", "ann", mine.token, "lft", "k"),
        ("annotator", "  ", mine.token, "left", "k"),
        ("annotator", "an\x00n", mine.token, "left", "k"),
        ("key", "ann", mine.token, "left", ""),
    ]:
        with pytest.raises(UserError) as caught:
            vote(home, "round", by(who), token, choice, key, 1.0)
        assert (caught.value.field, bool(caught.value.remedy)) == (field, True)
    assert events(home) == []


def test_a_used_token_cannot_vote_again(home):
    make_round(home)
    item, _ = give(home, "ann")
    with pytest.raises(UserError):
        vote(home, "round", by("ann"), item.token, "right", "another-key", 1.0)
    assert len(events(home)) == 1


@pytest.mark.parametrize("seconds", [-3.0, float("nan"), float("inf"), None])
def test_a_strange_duration_does_not_cost_the_vote(home, seconds):
    make_round(home, prompts=1)
    give(home, "ann", seconds=seconds)
    assert effective_votes(home, "round")[0].seconds == 0.0


def test_an_expired_lease_goes_to_others_and_its_token_is_refused(home, clock):
    make_round(home, prompts=1)
    item = next_item(home, "round", by("ann"))
    assert next_item(home, "round", by("bob")) is None
    clock.now += 601
    with pytest.raises(UserError, match="10 minutes"):
        vote(home, "round", by("ann"), item.token, "left", "k", 1.0)
    assert next_item(home, "round", by("bob")).prompt == item.prompt
    assert next_item(home, "round", by("ann")) is None
    with pytest.raises(UserError):
        vote(home, "round", by("ann"), item.token, "left", "k", 1.0)
    give(home, "bob", "right")
    assert [vote.annotator for vote in effective_votes(home, "round")] == ["bob"]


def test_looking_again_renews_the_lease(home, clock):
    make_round(home, prompts=1)
    item = next_item(home, "round", by("ann"))
    for _ in range(3):
        clock.now += 400
        assert next_item(home, "round", by("ann")) == item
    clock.now += 601
    assert next_item(home, "round", by("ann")) == item
    vote(home, "round", by("ann"), item.token, "left", "k", 1.0)


def test_a_skip_is_kept_but_is_no_vote_and_frees_the_pair(home):
    make_round(home, prompts=1)
    give(home, "ann", "skip")
    assert next_item(home, "round", by("ann")) is None
    assert effective_votes(home, "round") == [] and get_session(home, "round").votes == 0
    assert len(events(home)) == 1
    give(home, "bob", "tie")
    assert [vote.outcome for vote in effective_votes(home, "round")] == [0.5]


def test_undo_reopens_exactly_that_pair(home):
    make_round(home, prompts=6)
    for _ in range(3):
        give(home, "ann", "left")
    last, _ = give(home, "ann", "right", key="wrong-click")
    next_item(home, "round", by("ann"))
    again = undo_latest(home, "round", by("ann"), "u1")
    assert (again.prompt, {again.left, again.right}) == (last.prompt, {last.left, last.right})
    assert again.token != last.token and again.done == 3
    assert next_item(home, "round", by("ann")) == again == undo_latest(home, "round", by("ann"), "u1")
    assert len(effective_votes(home, "round")) == 3
    vote(home, "round", by("ann"), again.token, "left", "second-try", 1.0)
    assert [v.choice for v in effective_votes(home, "round")] == ["left"] * 4
    assert [(e.kind, e.choice) for e in events(home)][3:] == [
        ("vote", "right"),
        ("undo", "right"),
        ("vote", "left"),
    ]
    # A late repetition of the undone vote's request is answered and changes nothing.
    vote(home, "round", by("ann"), last.token, "right", "wrong-click", 1.0)
    assert len(events(home)) == 6


def test_undo_goes_back_step_by_step_and_only_over_ones_own_votes(home):
    make_round(home, prompts=4)
    first, _ = give(home, "ann")
    second, _ = give(home, "ann")
    give(home, "bob")
    assert undo_latest(home, "round", by("ann"), "u1").prompt == second.prompt
    assert undo_latest(home, "round", by("ann"), "u2").prompt == first.prompt
    with pytest.raises(UserError, match="no vote to undo"):
        undo_latest(home, "round", by("ann"), "u3")
    assert [v.annotator for v in effective_votes(home, "round")] == ["bob"]
    with pytest.raises(UserError, match="taken back already"):
        undo_latest(home, "round", by("ann"), "u1")


def test_a_reopened_pair_is_not_served_to_others(home, clock):
    make_round(home, prompts=1)
    give(home, "ann")
    undo_latest(home, "round", by("ann"), "u1")
    assert next_item(home, "round", by("bob")) is None
    clock.now += 601
    assert next_item(home, "round", by("bob")) is not None


def test_undoing_a_skip_is_refused_once_the_pair_is_someone_elses(home):
    make_round(home, prompts=2)
    item, _ = give(home, "ann", "skip")
    assert undo_latest(home, "round", by("ann"), "u1").prompt == item.prompt
    give(home, "ann", "skip")
    assert give(home, "bob")[0].prompt == item.prompt
    with pytest.raises(UserError, match="gone to someone else"):
        undo_latest(home, "round", by("ann"), "u2")
    assert len(effective_votes(home, "round")) == 1


def test_counts_for_the_person(home):
    make_round(home, prompts=3, votes_per_pair=2)
    item = next_item(home, "round", by("ann"))
    assert (item.done, item.total, item.remaining_for_you) == (0, 6, 3)
    give(home, "ann")
    give(home, "bob")
    item = next_item(home, "round", by("ann"))
    assert (item.done, item.total, item.remaining_for_you) == (2, 6, 2)
