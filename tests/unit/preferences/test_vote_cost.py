"""What a vote costs the database: one transaction, whose statements and steps do not grow with the session."""

import contextlib
import uuid
from collections import Counter

import pytest
import sqlalchemy as sa

from tests.voting import by, make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import leases, store
from workbench.preferences.sessions import get_session
from workbench.preferences.votes import next_item, rights_of, vote, vote_and_next

VOTER = by("ann")


@contextlib.contextmanager
def counted(home):
    """Counts of statements, of commits, and of the steps SQLite takes, which grow with every row it reads."""
    counts = Counter()
    engine = store.engine(home)

    def statement(_connection, _cursor, text, *_):
        counts["statements"] += not text.startswith("BEGIN")

    def commit(_connection):
        counts["commits"] += 1

    def step():
        counts["steps"] += 1

    def watch(dbapi_connection, *_):
        dbapi_connection.set_progress_handler(step, 1)

    def unwatch(dbapi_connection, *_):
        dbapi_connection.set_progress_handler(None, 1)

    listeners = {"before_cursor_execute": statement, "commit": commit, "checkout": watch, "checkin": unwatch}
    for name, listener in listeners.items():
        sa.event.listen(engine, name, listener)
    try:
        yield counts
    finally:
        for name, listener in listeners.items():
            sa.event.remove(engine, name, listener)


def vote_once(home, item):
    return vote(home, "round", VOTER, item.token, "left", uuid.uuid4().hex, 1.0)


def cost_of_a_vote(folder, pairs, votes_before):
    home = Home.at(folder)
    make_session(home, "round", pairs)
    for _ in range(votes_before):
        vote_once(home, next_item(home, "round", VOTER))
    item = next_item(home, "round", VOTER)
    with counted(home) as casting:
        vote_once(home, item)
    with counted(home) as rights:
        rights_of(home, "round", VOTER)
    return casting, rights


@pytest.fixture(autouse=True)
def on_sqlite(monkeypatch):
    """The steps are SQLite's own."""
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)


def test_a_vote_is_one_transaction_that_reads_nothing_of_the_rest_of_its_session(tmp_path):
    small, small_rights = cost_of_a_vote(tmp_path / "small", pairs=5, votes_before=2)
    large, large_rights = cost_of_a_vote(tmp_path / "large", pairs=100, votes_before=10)
    assert abs(small.pop("steps") - large.pop("steps")) <= 5  # a number that takes a byte more
    assert small == large
    assert small_rights == large_rights
    assert small["commits"] == 1
    assert 0 < small["statements"] <= 11


def test_a_vote_and_the_next_pair_are_one_transaction(tmp_path):
    home = Home.at(tmp_path)
    make_session(home, "round", 3)
    item, key = next_item(home, "round", VOTER), uuid.uuid4().hex
    with counted(home) as costs:
        cast = vote_and_next(home, "round", VOTER, item.token, "left", key, 1.0)
    assert costs["commits"] == 1
    assert cast.saved.choice == "left" and cast.item and cast.item.token != item.token and cast.problem is None
    again = vote_and_next(home, "round", VOTER, item.token, "left", key, 1.0)
    assert (again.saved, again.item) == (cast.saved, cast.item)


def test_a_vote_stands_when_the_next_pair_cannot_be_looked_for(tmp_path, monkeypatch):
    home = Home.at(tmp_path)
    make_session(home, "round", 3)
    item, key = next_item(home, "round", VOTER), uuid.uuid4().hex

    def refused(db, row, *_):
        db.execute(sa.text("DELETE FROM pair"))  # what it had done is taken back
        raise UserError("No pair can be chosen.", "Try again.", "session")

    monkeypatch.setattr(leases, "find_pair", refused)
    cast = vote_and_next(home, "round", VOTER, item.token, "left", key, 1.0)
    assert cast.item is None and cast.problem.message == "No pair can be chosen."
    info = get_session(home, "round")
    assert (info.votes, info.pairs) == (1, 3)


def test_nothing_is_saved_when_the_database_fails_over_the_next_pair(tmp_path, monkeypatch):
    home = Home.at(tmp_path)
    make_session(home, "round", 3)
    item = next_item(home, "round", VOTER)
    monkeypatch.setattr(leases, "find_pair", lambda db, *_: db.execute(sa.text("SELECT * FROM nothing")))
    with pytest.raises(UserError, match="Nothing was saved"):
        vote_and_next(home, "round", VOTER, item.token, "left", uuid.uuid4().hex, 1.0)
    assert get_session(home, "round").votes == 0


def test_the_same_vote_again_writes_nothing(tmp_path):
    home = Home.at(tmp_path)
    make_session(home, "round", 3)
    item, key = next_item(home, "round", VOTER), uuid.uuid4().hex
    first = vote(home, "round", VOTER, item.token, "tie", key, 1.0)
    with counted(home) as again:
        assert vote(home, "round", VOTER, item.token, "tie", key, 1.0) == first
    assert again["statements"] == 2


def next_cost(folder, pairs, votes_before, votes_per_pair=1):
    home = Home.at(folder)
    make_session(home, "round", pairs, votes_per_pair=votes_per_pair)
    for _ in range(votes_before):
        vote_once(home, next_item(home, "round", VOTER))
    with counted(home) as costs:
        next_item(home, "round", VOTER)
    return costs


def test_the_next_pair_is_found_without_reading_the_votes_of_pairs_that_have_theirs(tmp_path):
    """What grows with the session is one comparison of a number a pair: well under a hundred steps for each."""
    few, many = next_cost(tmp_path / "few", 10, 5), next_cost(tmp_path / "many", 110, 105)
    assert few["statements"] == many["statements"]
    assert many["steps"] - few["steps"] < 100 * 100


def test_what_somebody_judged_already_is_not_looked_for_in_every_pair_that_lacks_votes(tmp_path):
    few, many = (next_cost(tmp_path / str(votes), 50, votes, votes_per_pair=2) for votes in (5, 35))
    assert many["steps"] - few["steps"] < 100 * 30


def test_the_count_beside_a_pair_is_that_of_its_events_whatever_happens(tmp_path, monkeypatch):
    from workbench.preferences import sessions, tables, vote_counts
    from workbench.preferences.blinding import unblind
    from workbench.preferences.votes import undo_latest

    home = Home.at(tmp_path)
    make_session(home, "round", 6, votes_per_pair=2)

    def counts():
        with store.reading(home) as db:
            return db.scalars(sa.select(tables.pairs.c.votes).order_by(tables.pairs.c.id)).all()

    for who in (by("ann"), by("bob")):
        for choice in ("left", "skip", "tie"):
            vote(home, "round", who, next_item(home, "round", who).token, choice, uuid.uuid4().hex, 1.0)
    undo_latest(home, "round", by("ann"), uuid.uuid4().hex)
    unblind(home, "round", by("bob"))
    vote(home, "round", by("bob"), next_item(home, "round", by("bob")).token, "left", uuid.uuid4().hex, 1.0)
    undo_latest(home, "round", by("bob"), uuid.uuid4().hex)
    kept = counts()
    assert sum(kept) == sessions.get_session(home, "round").votes > 0
    with store.writing(home) as db:
        vote_counts.recount_all(db)
    assert counts() == kept
