"""Clones, more prompts and more models: nothing of a session is lost, whatever happens meanwhile in whatever order."""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.voting import by, close, make_session
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.preferences import store, tables
from workbench.preferences.attention import add_attention_checks
from workbench.preferences.blinding import Voter
from workbench.preferences.guideline_versions import edit_guidelines, list_guidelines
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.session_changes import change_settings
from workbench.preferences.session_clones import clone_session
from workbench.preferences.session_extending import add_model_answers, begin_extension, prompts_lacking
from workbench.preferences.session_states import move_session
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session, get_session
from workbench.preferences.standing import standing
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import BlindPair, next_item, vote

OWNER, ANN, BOB = by("owner"), by("ann"), by("bob")
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv(store.URL_VARIABLE, raising=False)
        yield Home.at(Path(folder))


@pytest.fixture
def name() -> str:
    return f"session-{next(NUMBERS)}"


def rows(home: Home, session: str, table: sa.Table) -> list:
    with store.reading(home) as db:
        key = db.scalar(sa.select(tables.sessions.c.id).where(tables.sessions.c.name == session))
        return list(db.execute(sa.select(table).where(table.c.session_id == key).order_by(table.c.id)).all())


def matchups(home: Home, session: str) -> set[tuple[str, str, int]]:
    a, b = tables.answers.alias(), tables.answers.alias()
    query = sa.select(a.c.model, b.c.model, tables.pairs.c.matchup, tables.pairs.c.kind)
    query = query.join(a, a.c.id == tables.pairs.c.answer_a).join(b, b.c.id == tables.pairs.c.answer_b)
    with store.reading(home) as db:
        key = db.scalar(sa.select(tables.sessions.c.id).where(tables.sessions.c.name == session))
        found = db.execute(query.where(tables.pairs.c.session_id == key))
        return {tuple(row[:3]) for row in found if row[3] == "judged"}


def judge_all(home: Home, session: str, who: Voter) -> int:
    count = 0
    while item := next_item(home, session, who):
        vote(home, session, who, item.token, "left", uuid4().hex, 1.0)
        count += 1
    return count


def add_model(home: Home, session: str, model: str, job: str = "more") -> None:
    begin_extension(home, session, job, [model], OWNER)
    for place in prompts_lacking(home, session, [model]):
        add_model_answers(home, session, place, {model: Answer(f"{model} says {place}", "eos", 3)})
    finish_session(home, session)


def test_a_clone_has_settings_answers_and_checks_in_another_order_and_no_votes(home: Home, name: str) -> None:
    make_session(home, name, 6, votes_per_pair=2)
    add_checks(home, name, [QualityCheck([{"role": "user", "content": "2+2?"}], "4", "5", "training")])
    edit_guidelines(home, name, OWNER, "First.")
    edit_guidelines(home, name, OWNER, "Second.")
    assert judge_all(home, name, ANN) == 7
    close(home, name)
    clone = clone_session(home, name, f"{name}-again", OWNER)
    assert (clone.state, clone.votes, clone.votes_per_pair, clone.usable) == ("draft", 0, 2, 6)
    assert [(each.version, each.text) for each in list_guidelines(home, clone.name)] == [(1, "Second.")]
    pairs, before = rows(home, clone.name, tables.pairs), rows(home, name, tables.pairs)
    assert [pair.votes for pair in pairs] == [0] * 7
    assert [(pair.kind, pair.expected, pair.matchup) for pair in pairs] == [
        (pair.kind, pair.expected, pair.matchup) for pair in before
    ]
    assert {pair.rank for pair in pairs}.isdisjoint(pair.rank for pair in before)
    move_session(home, clone.name, "open", OWNER)
    assert judge_all(home, clone.name, ANN) == 7
    assert len(effective_votes(home, name)) == 6
    with pytest.raises(UserError, match="exists already"):
        clone_session(home, name, clone.name, OWNER)


def test_a_session_whose_answers_are_to_come_is_not_cloned(home: Home, name: str) -> None:
    create_session(home, name, ["a", "b"], "p", {})
    with pytest.raises(UserError, match="still to come"):
        clone_session(home, name, f"{name}-again", OWNER)


def test_a_model_is_added_while_people_vote_and_meets_all_others(home: Home, name: str) -> None:
    make_session(home, name, 3)
    item = next_item(home, name, ANN)
    assert item
    begin_extension(home, name, "job-9", ["new"], OWNER)
    vote(home, name, ANN, item.token, "left", uuid4().hex, 1.0)
    assert judge_all(home, name, ANN) == 2
    assert standing(home, name, ANN).reason == "answering"
    assert not begin_extension(home, name, "job-9", ["new"], OWNER)
    for place in prompts_lacking(home, name, ["new"]):
        assert add_model_answers(home, name, place, {"new": Answer(f"new {place}", "eos", 2)}) == 2
        assert add_model_answers(home, name, place, {"new": Answer("again", "eos", 2)}) == 0
    assert prompts_lacking(home, name, ["new"]) == {}
    info = finish_session(home, name)
    assert (info.models, info.usable, info.votes) == (["base", "tuned", "new"], 9, 3)
    assert matchups(home, name) == {("base", "tuned", 1), ("base", "new", 2), ("tuned", "new", 1002)}
    assert judge_all(home, name, ANN) == 6
    assert [event.kind for event in rows(home, name, tables.session_events)] == ["extended"]


def test_what_cannot_be_added_says_why(home: Home, name: str) -> None:
    make_session(home, name, 1)
    with pytest.raises(SpecError, match="'tuned' answers in this session already"):
        begin_extension(home, name, "j", ["tuned"], OWNER)
    with pytest.raises(UserError, match="not in this session"):
        add_model_answers(home, name, 0, {"stranger": Answer("x", "eos", 1)})
    begin_extension(home, name, "j", ["new"], OWNER)
    with pytest.raises(UserError, match="still to come"):
        begin_extension(home, name, "other", ["newer"], OWNER)
    close(home, name)
    with pytest.raises(UserError, match="was closed"):
        add_model_answers(home, name, 0, {"new": Answer("x", "eos", 1)})
    create_session(home, f"{name}-ranked", ["a", "b", "c"], "p", {}, settings=LabellingSettings(ranking=True))
    finish_session(home, f"{name}-ranked")
    with pytest.raises(SpecError, match="session of rankings"):
        begin_extension(home, f"{name}-ranked", "j", ["d"], OWNER)


def test_an_attention_check_sets_an_answer_beside_one_of_the_same_model_to_another_prompt(
    home: Home, name: str
) -> None:
    make_session(home, name, 5)
    assert add_attention_checks(home, name, 3) == 3
    assert add_attention_checks(home, name, 3) == 3
    assert add_attention_checks(home, name, 50) == 5
    pairs = [pair for pair in rows(home, name, tables.pairs) if pair.kind == "attention"]
    with store.reading(home) as db:
        for pair in pairs:
            prompt = db.execute(sa.select(tables.prompts).where(tables.prompts.c.id == pair.prompt_id)).one()
            texts = [
                db.execute(sa.select(tables.answers.c.text).where(tables.answers.c.id == each)).scalar_one()
                for each in (pair.answer_a, pair.answer_b)
            ]
            place = prompt.messages[0]["content"].removeprefix("question ")
            assert texts[0].endswith(f"to {place}.") and not texts[1].endswith(f"to {place}.")
            assert texts[0].split()[1] == texts[1].split()[1]
    assert get_session(home, name).prompts == 5


ACTIONS = ["next", "vote", "vote", "vote", "pause", "resume", "clone", "model", "prompt", "guidelines", "overlap"]
PEOPLE = [ANN, BOB, by("cyd")]


class Played:
    """A session to which things happen, and every vote that was acknowledged."""

    def __init__(self, home: Home):
        self.home, self.name = home, f"played-{next(NUMBERS)}"
        self.items: dict[Voter, BlindPair | None] = dict.fromkeys(PEOPLE)
        self.saved: set[str] = set()
        self.overlap = 1
        make_session(home, self.name, 2)

    def act(self, who: Voter, action: str) -> None:
        home, name, key = self.home, self.name, uuid4().hex
        if action == "next":
            self.items[who] = next_item(home, name, who)
        elif action == "vote" and (item := self.items[who] or next_item(home, name, who)):
            self.items[who] = None
            vote(home, name, who, item.token, "left", key, 1.0)
            self.saved.add(key)
        elif action in ("pause", "resume"):
            move_session(home, name, action, OWNER)
        elif action == "clone":
            clone = clone_session(home, name, f"{name}-{key}", OWNER)
            assert clone.votes == 0 and clone.pairs == get_session(home, name).pairs
        elif action == "model":
            add_model(home, name, key, job=key)
        elif action == "prompt":
            self.add_prompt(key)
        elif action == "guidelines":
            edit_guidelines(home, name, OWNER, key)
        elif action == "overlap":
            wanted = self.overlap % 3 + 1
            change_settings(home, name, OWNER, {"votes_per_pair": wanted})
            self.overlap = wanted

    def add_prompt(self, key: str) -> None:
        begin_extension(self.home, self.name, key, [], OWNER)
        info = get_session(self.home, self.name)
        answers = {model: Answer(f"{model} to {key}", "eos", 3) for model in info.models}
        add_answers(self.home, self.name, info.prompts, [{"role": "user", "content": key}], answers)
        finish_session(self.home, self.name)

    def check(self) -> None:
        assert {event.key for event in rows(self.home, self.name, tables.vote_events)} == self.saved
        info, votes = get_session(self.home, self.name), effective_votes(self.home, self.name)
        assert len(votes) == len(self.saved)
        assert info.pairs == info.prompts * len(list(itertools.combinations(info.models, 2)))
        assert all(count <= self.overlap for count in Counter(vote.pair for vote in votes).values())
        if info.state == "paused":
            move_session(self.home, self.name, "resume", OWNER)
        for who in (*PEOPLE, by("dan")):
            judge_all(self.home, self.name, who)
        counts = Counter(vote.pair for vote in effective_votes(self.home, self.name))
        assert set(counts.values()) == {self.overlap} and len(counts) == info.usable
        assert standing(self.home, self.name, ANN).reason == "complete"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(ACTIONS)), min_size=6, max_size=25))
def test_no_order_of_events_loses_a_vote_or_the_exact_overlap(home: Home, actions: list[tuple[Voter, str]]) -> None:
    played = Played(home)
    for who, action in actions:
        try:
            played.act(who, action)
        except UserError:
            played.items[who] = None  # a refusal: the page asks for the next pair
    played.check()
