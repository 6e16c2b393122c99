"""Two who do the same at the same moment, on SQLite and on PostgreSQL: one succeeds, the other is told why not."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people import accounts, invitations
from workbench.people.accounts import add_person, change_role, disable_person, get_person, has_owner, list_people
from workbench.people.invitations import accept_invitation, invite, invite_first_owner
from workbench.preferences import store
from workbench.preferences.sessions import create_session, list_sessions

PASSWORD = "correct horse battery"
TIMES = 6


@pytest.fixture
def home(tmp_path: Path, labels_database: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home; passwords are hashed in no time, so that the two meet at the database."""
    monkeypatch.setattr(invitations, "hash_password", lambda password: f"hash of {password}")
    return Home.at(tmp_path)


def at_once(*calls: Callable[[], object]) -> list[UserError | None]:
    """What each call raised, all begun at the same moment; anything but a `UserError` is raised here."""
    start = threading.Barrier(len(calls))

    def work(call: Callable[[], object]) -> UserError | None:
        start.wait()
        try:
            call()
        except UserError as error:
            return error
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(work, calls))


def one_was_told(errors: list[UserError | None], words: str) -> None:
    told = [error for error in errors if error is not None]
    assert len(told) == len(errors) - 1 and all(words in str(error) for error in told), errors


def test_two_join_with_one_name_and_one_may_choose_another(home: Home) -> None:
    for turn in range(TIMES):
        links = [invite(home, "annotator", "Olga") for _ in range(2)]
        errors = at_once(*(partial(accept_invitation, home, link, f"Anna {turn}", PASSWORD) for link in links))
        one_was_told(errors, "has an account already")
        unused = links[errors.index(next(error for error in errors if error))]
        assert accept_invitation(home, unused, f"Bert {turn}", PASSWORD).name == f"Bert {turn}"
    assert len(list_people(home)) == 2 * TIMES


def test_a_name_that_is_taken_between_look_and_insert_is_refused_plainly(
    home: Home, labels_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very moment between the two, not by luck. On SQLite there is none: writers come one after another."""
    if labels_database == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    real = store.insert_unique
    calls: list[int] = []

    def after_another(db: sa.Connection, statement: sa.Insert, taken: UserError) -> object:
        calls.append(1)
        if len(calls) == 1:
            with store.writing(home) as other:
                real(other, statement, taken)
        return real(db, statement, taken)

    monkeypatch.setattr(store, "insert_unique", after_another)
    with pytest.raises(UserError, match="has an account already"):
        add_person(home, "Anna", "annotator", "Olga")
    calls.clear()
    with pytest.raises(UserError, match="exists already"):
        create_session(home, "round", ["base", "tuned"], "questions", {})
    assert [person.name for person in list_people(home)] == ["Anna"] and len(list_sessions(home)) == 1


def test_two_make_a_session_of_one_name(home: Home) -> None:
    for turn in range(TIMES):
        make = partial(create_session, home, f"round-{turn}", ["base", "tuned"], "questions", {})
        one_was_told(at_once(make, make, make), "exists already")
    assert len(list_sessions(home)) == TIMES


def test_two_owners_who_take_each_other_away_leave_one(home: Home) -> None:
    accept_invitation(home, invite_first_owner(home), "Olga", PASSWORD)
    for turn in range(TIMES):
        other = accept_invitation(home, invite(home, "owner", "Olga"), f"Otto {turn}", PASSWORD).name
        owners = [person.name for person in list_people(home) if person.role == "owner" and person.state == "active"]
        (remaining,) = set(owners) - {other}
        errors = at_once(
            partial(change_role, home, remaining, "viewer", other), partial(disable_person, home, other, remaining)
        )
        one_was_told(errors, "is the only owner")
        assert has_owner(home)


def test_a_reader_sees_one_state_while_others_write(home: Home) -> None:
    add_person(home, "Anna", "annotator", "Olga")
    count = sa.select(sa.func.count()).select_from(accounts.PEOPLE)
    with store.reading(home) as db:
        before = db.scalar(count)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(add_person, home, "Bert", "viewer", "Olga").result(60)
        assert db.scalar(count) == before == 1
    assert get_person(home, "Bert").name == "Bert"


def test_a_database_server_that_was_restarted_is_found_again(home: Home, labels_database: str) -> None:
    if labels_database == "sqlite":
        pytest.skip("there is no server")
    add_person(home, "Anna", "annotator", "Olga")
    engine = sa.create_engine(store.location(home), poolclass=sa.pool.NullPool)
    with engine.begin() as db:  # as a restart does to every connection that lies in the pool
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        assert db.exec_driver_sql(f"{others} AND datname = current_database()").all()
    assert get_person(home, "Anna").name == "Anna"
