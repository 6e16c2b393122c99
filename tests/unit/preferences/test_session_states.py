"""The states of a session, its guidelines, and settings that change while people vote."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.voting import by, close, make_session
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.preferences import session_changes, sessions, store, tables
from workbench.preferences.guideline_versions import edit_guidelines, list_guidelines
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.session_changes import change_settings
from workbench.preferences.session_states import MOVES, move_session, possible_moves
from workbench.preferences.sessions import create_session, get_session
from workbench.preferences.standing import standing
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import BlindPair, next_item, vote

OWNER, ANN, BOB = by("owner"), by("ann"), by("bob")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def shown(home: Home, name: str = "s", who=ANN) -> BlindPair:
    item = next_item(home, name, who)
    assert item
    return item


def cast(home: Home, item: BlindPair, choice: str = "left", name: str = "s", who=ANN) -> None:
    vote(home, name, who, item.token, choice, uuid4().hex, 1.0)


def kinds(home: Home) -> list[str]:
    with store.reading(home) as db:
        return list(db.scalars(tables.session_events.select().with_only_columns(tables.session_events.c.kind)))


def test_a_draft_takes_votes_once_it_is_opened(home: Home) -> None:
    create_session(home, "s", ["a", "b"], "p", {}, settings=LabellingSettings(draft=True))
    assert possible_moves(get_session(home, "s").state) == ["open", "close"]
    assert standing(home, "s", ANN).reason == "draft"
    assert move_session(home, "s", "open", OWNER).state == "open"
    assert move_session(home, "s", "open", OWNER).state == "open"
    assert kinds(home) == ["opened"]
    assert standing(home, "s", ANN).reason == "answering"


def test_a_vote_in_flight_of_a_paused_session_is_refused_and_the_pair_is_not_lost(home: Home) -> None:
    make_session(home, "s", 1)
    item = shown(home)
    move_session(home, "s", "pause", OWNER)
    assert standing(home, "s", ANN).reason == "paused"
    with pytest.raises(UserError, match=r"paused: votes are not taken now.*"):
        cast(home, item)
    assert next_item(home, "s", ANN) is None
    move_session(home, "s", "resume", OWNER)
    with pytest.raises(UserError, match="not open for you"):
        cast(home, item)
    cast(home, shown(home))
    assert len(effective_votes(home, "s")) == 1
    assert kinds(home) == ["paused", "resumed"]


def test_a_closed_session_is_archived_and_brought_back_but_never_opened(home: Home) -> None:
    make_session(home, "s", 1)
    with pytest.raises(UserError, match="is open: it cannot archive now"):
        move_session(home, "s", "archive", OWNER)
    move_session(home, "s", "close", OWNER)
    for move in ("open", "resume", "pause"):
        with pytest.raises(UserError, match="closed"):
            move_session(home, "s", move, OWNER)
    assert move_session(home, "s", "archive", OWNER).state == "archived"
    with pytest.raises(UserError, match="not opened again"):
        move_session(home, "s", "resume", OWNER)
    info = move_session(home, "s", "unarchive", OWNER)
    assert info.state == "closed" and info.closed
    assert kinds(home) == ["closed", "archived", "unarchived"]
    with pytest.raises(UserError, match="no move 'rewind'"):
        move_session(home, "s", "rewind", OWNER)


def test_every_move_leads_to_a_state_there_is() -> None:
    for move in MOVES.values():
        assert {move.before, move.after} <= set(sessions.STATES)
        assert len(move.event) <= tables.session_events.c.kind.type.length  # type: ignore[attr-defined]


def test_an_edit_of_the_guidelines_keeps_votes_under_the_version_they_were_given_under(home: Home) -> None:
    make_session(home, "s", 3)
    cast(home, shown(home))
    assert edit_guidelines(home, "s", OWNER, "Be kind.", based_on=0).version == 1
    cast(home, shown(home))
    assert edit_guidelines(home, "s", OWNER, "Be kind.").version == 1
    with pytest.raises(UserError, match="changed elsewhere"):
        edit_guidelines(home, "s", OWNER, "Be strict.", based_on=0)
    assert edit_guidelines(home, "s", BOB, "Be strict.", based_on=1).version == 2
    cast(home, shown(home))
    assert [vote.guideline for vote in effective_votes(home, "s")] == [0, 1, 2]
    assert [(each.version, each.author, each.votes) for each in list_guidelines(home, "s")] == [
        (2, "bob", 1), (1, "owner", 1),
    ]  # fmt: skip
    close(home, "s")
    with pytest.raises(UserError, match="was closed"):
        edit_guidelines(home, "s", OWNER, "Too late.")


def test_settings_change_in_mid_session_and_say_what_that_does(home: Home) -> None:
    make_session(home, "s", 2)
    cast(home, shown(home))
    change = change_settings(
        home, "s", OWNER, {"voters": ["bob"], "deadline": "2999-01-31", "language": "de", "graded": False}
    )
    assert set(change.changed) == {"voters", "deadline", "language"}
    assert "Only these may vote from now on: bob." in change.effects
    assert standing(home, "s", ANN).reason == "uninvited"
    settings = get_session(home, "s").settings
    assert (settings.voters, settings.language, settings.deadline) == (["bob"], "de", "2999-01-31")
    assert len(effective_votes(home, "s")) == 1
    assert change_settings(home, "s", OWNER, {"language": "de"}).changed == {}
    with store.reading(home) as db:
        event = db.execute(tables.session_events.select()).one()
    assert (event.kind, event.subject, event.annotator) == ("changed", "deadline, language, voters", "owner")


def test_settings_that_would_change_what_votes_mean_are_refused_together(home: Home) -> None:
    make_session(home, "s", 2)
    assert change_settings(home, "s", OWNER, {"aspects": ["tone"]}).changed == {"aspects": ["tone"]}
    change_settings(home, "s", OWNER, {"aspects": []})
    cast(home, shown(home))
    with pytest.raises(SpecError) as refused:
        change_settings(home, "s", OWNER, {"graded": True, "ranking": True, "colour": 1, "votes_per_pair": 0})
    assert {problem.field for problem in refused.value.problems} == {"graded", "ranking", "colour", "votes_per_pair"}
    with pytest.raises(SpecError, match="deadline"):
        change_settings(home, "s", OWNER, {"deadline": "soon"})
    assert get_session(home, "s").settings == LabellingSettings()


def test_the_overlap_goes_up_at_any_time_and_down_no_further_than_it_was_reached(home: Home) -> None:
    make_session(home, "s", 1)
    cast(home, shown(home))
    assert standing(home, "s", BOB).reason == "complete"
    change_settings(home, "s", OWNER, {"votes_per_pair": 3})
    item = shown(home, who=BOB)
    with pytest.raises(SpecError, match="a pair has 2 votes, or is being judged"):
        change_settings(home, "s", OWNER, {"votes_per_pair": 1})
    change_settings(home, "s", OWNER, {"votes_per_pair": 2})
    cast(home, item, who=BOB)
    assert standing(home, "s", by("cyd")).reason == "complete"
    assert len(effective_votes(home, "s")) == 2


def test_nothing_of_a_closed_session_changes(home: Home) -> None:
    make_session(home, "s", 1)
    close(home, "s")
    with pytest.raises(UserError, match="was closed"):
        change_settings(home, "s", OWNER, {"language": "de"})


def test_every_setting_can_be_changed_or_says_why_not() -> None:
    known = {*session_changes.CHANGEABLE, *session_changes.FIXED}
    assert known == {*LabellingSettings.model_fields, "votes_per_pair"}
