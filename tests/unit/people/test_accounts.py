"""Accounts: names that are one person's, passwords that are nowhere to be read, links that work once."""

import logging
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.voting import by, make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people import accounts, invitations
from workbench.people.accounts import (
    add_person,
    change_role,
    check_password,
    disable_person,
    enable_person,
    get_person,
    has_owner,
    list_people,
    person_of_login,
    unproved_names,
)
from workbench.people.invitations import (
    InvitationRefused,
    accept_invitation,
    invite,
    invite_first_owner,
    read_invitation,
    reset_person,
)
from workbench.people.people_log import people_events
from workbench.people.roles import Role
from workbench.preferences import store, tables
from workbench.preferences.votes import next_item, vote

PASSWORD = "correct horse battery"


@pytest.fixture
def home(tmp_path: Path, labels_database: str) -> Home:
    return Home.at(tmp_path)


@pytest.fixture
def owner(home: Home) -> accounts.Person:
    return accept_invitation(home, invite_first_owner(home), "Olga", PASSWORD)


def annotator(home: Home, name: str = "Anna") -> accounts.Person:
    return accept_invitation(home, invite(home, "annotator", "Olga"), name, PASSWORD)


def test_a_link_makes_one_account_of_its_role_and_works_once(home: Home) -> None:
    token = invite_first_owner(home)
    assert read_invitation(home, token).role is Role.OWNER and not has_owner(home)
    person = accept_invitation(home, token, "  Olga   P. ", PASSWORD)
    assert (person.name, person.role, person.state) == ("Olga P.", Role.OWNER, "active") and has_owner(home)
    for again in (token, token + "x", "", "x" * 10_000):
        with pytest.raises(InvitationRefused):
            accept_invitation(home, again, "Mallory", PASSWORD)
    assert [each.name for each in list_people(home)] == ["Olga P."]


def test_a_link_ends_with_its_time_its_sender_and_the_next_start(
    home: Home, owner: accounts.Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_role(home, annotator(home, "Boss").name, "owner", "Olga")
    of_boss, first = invite(home, "owner", "Boss"), invite_first_owner(home)
    invite_first_owner(home)
    disable_person(home, "Boss", "Olga")
    late = invite(home, "viewer", "Olga", hours=1)
    now = store.clock()
    monkeypatch.setattr(store, "clock", lambda: now + 3601)
    for token in (of_boss, first, late):
        with pytest.raises(InvitationRefused):
            read_invitation(home, token)


def test_a_refused_name_or_password_leaves_the_link_usable(home: Home, owner: accounts.Person) -> None:
    token = invite(home, "annotator", "Olga")
    for name, password in (("", PASSWORD), ("OLGA", PASSWORD), ("Anna", "short"), ("Anna", "x" * 1001)):
        with pytest.raises(UserError) as caught:
            accept_invitation(home, token, name, password)
        assert not isinstance(caught.value, InvitationRefused)
    assert accept_invitation(home, token, "Anna", PASSWORD).role is Role.ANNOTATOR


def test_only_the_right_password_of_an_enabled_person_logs_in(home: Home, owner: accounts.Person) -> None:
    annotator(home)
    assert check_password(home, "anna ", PASSWORD) == get_person(home, "Anna")
    assert check_password(home, "Anna", PASSWORD + "x") is None
    assert check_password(home, "Nobody", PASSWORD) is None
    add_person(home, "Not yet", "viewer", "Olga")
    assert check_password(home, "Not yet", "") is None and check_password(home, "Not yet", "nobody has this") is None
    disable_person(home, "Anna", "Olga")
    assert check_password(home, "Anna", PASSWORD) is None
    enable_person(home, "Anna", "Olga")
    assert check_password(home, "Anna", PASSWORD) is not None


def test_disabling_and_resetting_end_logins_for_good(home: Home, owner: accounts.Person) -> None:
    anna = annotator(home)
    assert person_of_login(home, anna.id, anna.logins) == anna
    disable_person(home, "Anna", "Olga")
    assert person_of_login(home, anna.id, anna.logins) is None
    again = enable_person(home, "Anna", "Olga")
    assert person_of_login(home, anna.id, anna.logins) is None, "a login from before does not come back"
    assert person_of_login(home, anna.id, again.logins) == again
    token = reset_person(home, "Anna", "Olga")
    assert person_of_login(home, anna.id, again.logins) is None and check_password(home, "Anna", PASSWORD) is None
    assert read_invitation(home, token).name == "Anna"
    new = accept_invitation(home, token, "Somebody else", "another password")
    assert (new.id, new.name) == (anna.id, "Anna"), "a link of one person makes no other"
    assert person_of_login(home, new.id, new.logins) == new
    assert person_of_login(home, 999, 0) is None


def test_a_later_reset_voids_the_link_of_an_earlier_one(home: Home, owner: accounts.Person) -> None:
    annotator(home)
    first, second = reset_person(home, "Anna", "Olga"), reset_person(home, "Anna", "Olga")
    with pytest.raises(InvitationRefused):
        accept_invitation(home, first, "", PASSWORD)
    disable_person(home, "Anna", "Olga")
    with pytest.raises(InvitationRefused):
        accept_invitation(home, second, "", PASSWORD)


def test_the_last_owner_stays_one(home: Home, owner: accounts.Person) -> None:
    for change in (lambda: change_role(home, "Olga", "viewer", "x"), lambda: disable_person(home, "Olga", "x")):
        with pytest.raises(UserError, match="only owner"):
            change()
    assert get_person(home, "Olga") == owner
    annotator(home)
    assert change_role(home, "Anna", "Owner", "Olga").role is Role.OWNER
    assert change_role(home, "Olga", "viewer", "Anna").role is Role.VIEWER
    with pytest.raises(UserError, match="no role"):
        change_role(home, "Olga", "root", "Anna")
    with pytest.raises(UserError, match="no account"):
        change_role(home, "Nobody", "viewer", "Anna")


def test_names_typed_before_are_unproved_and_nobody_can_take_them(home: Home, owner: accounts.Person) -> None:
    make_session(home, "s", 2)
    for name in ("Berta", "Olga"):
        item = next_item(home, "s", by(name))
        assert item
        vote(home, "s", by(name), item.token, "left", f"key {name}", 1.0)
    assert unproved_names(home) == {"Berta": 1}
    with pytest.raises(UserError, match="whose they are is not proved"):
        annotator(home, "BERTA")
    assert [each.name for each in list_people(home)] == ["Olga"]


def test_everything_is_recorded_and_no_password_or_token_can_be_read_anywhere(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [invite_first_owner(home)]
    accept_invitation(home, tokens[0], "Olga", PASSWORD)
    annotator(home)
    check_password(home, "Anna", PASSWORD), check_password(home, "Anna", "wrong pass 1")
    check_password(home, "typed pass 2", "")
    change_role(home, "Anna", "viewer", "Olga"), disable_person(home, "Anna", "Olga")
    enable_person(home, "Anna", "Olga")
    tokens.append(reset_person(home, "Anna", "Olga"))
    events = [(event.actor, event.kind, event.subject) for event in reversed(people_events(home))]
    assert events == [
        ("the server", "invited", "the first owner"), ("Olga", "joined", "as owner, invited by the server"),
        ("Olga", "invited", "annotator"), ("Anna", "joined", "as annotator, invited by Olga"),
        ("Anna", "logged in", ""), ("nobody", "login refused", "Anna"), ("nobody", "login refused", ""),
        ("Olga", "role changed", "Anna from annotator to viewer"), ("Olga", "disabled", "Anna"),
        ("Olga", "enabled", "Anna"), ("Olga", "password reset", "Anna"),
    ]  # fmt: skip
    with store.reading(home) as db:
        rows = " ".join(str(db.execute(sa.select(table)).all()) for table in tables.metadata.tables.values())
    for secret in (PASSWORD, "wrong pass 1", "typed pass 2", *tokens):
        assert secret not in rows and secret not in caplog.text
    assert "$argon2id$" in rows


def test_an_invitation_used_twice_at_once_makes_one_account(home: Home, owner: accounts.Person) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = invite(home, "viewer", "Olga")

    def join(number: int) -> bool:
        try:
            invitations.accept_invitation(home, token, f"guest {number}", PASSWORD)
        except InvitationRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(join, range(4))) == 1
    assert len(list_people(home)) == 2


def test_a_home_without_the_switch_has_no_accounts(home: Home) -> None:
    assert not accounts.accounts_are_on(home)
    accounts.switch_accounts_on(home)
    accounts.switch_accounts_on(home)
    assert accounts.accounts_are_on(home)
