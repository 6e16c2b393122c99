"""Accounts of the hub: one logs in as one person, by its id; nobody joins who was not let in."""

from pathlib import Path

import pytest

from tests.voting import by, make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.accounts import (
    Person,
    change_role,
    disable_person,
    enable_person,
    get_person,
    has_owner,
    list_people,
    person_of_login,
)
from workbench.people.hub_accounts import (
    HubLoginRefused,
    HubUser,
    joining_role,
    log_in_hub_user,
    may_own_space,
    parse_hub_user,
    set_joining_role,
)
from workbench.people.invitations import InvitationRefused, accept_invitation, invite, invite_first_owner, reset_person
from workbench.people.people_log import people_events
from workbench.people.roles import Role
from workbench.preferences import store
from workbench.preferences.votes import next_item, vote

PASSWORD = "correct horse battery"
JULIA = HubUser("6001", "julia")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    return Home.at(tmp_path)


@pytest.fixture
def owner(home: Home) -> Person:
    return accept_invitation(home, invite_first_owner(home), "Olga", PASSWORD)


def test_nobody_joins_without_an_invitation_and_that_is_recorded(home: Home, owner: Person) -> None:
    with pytest.raises(HubLoginRefused, match="julia has no account here"):
        log_in_hub_user(home, JULIA)
    latest = people_events(home)[0]
    assert (latest.actor, latest.kind, latest.subject) == ("nobody", "login refused", "Hugging Face account julia")
    assert [person.name for person in list_people(home)] == ["Olga"]


def test_an_invitation_binds_the_hub_account_once_and_for_its_role(home: Home, owner: Person) -> None:
    token = invite(home, "viewer", "Olga")
    person = log_in_hub_user(home, JULIA, token)
    assert (person.name, person.role, person.state, person.hub_name) == ("julia", Role.VIEWER, "active", "julia")
    assert person_of_login(home, person.id, person.logins) == person and not person.has_password
    with pytest.raises(InvitationRefused):
        log_in_hub_user(home, HubUser("6002", "mallory"), token)
    assert log_in_hub_user(home, HubUser("6001", "julia-new")).id == person.id, "known by id, whatever the name"
    assert get_person(home, "julia").hub_name == "julia-new"
    with pytest.raises(HubLoginRefused):
        log_in_hub_user(home, HubUser("6003", "julia")), "the name alone lets nobody in"
    second = invite(home, "owner", "Olga")
    with pytest.raises(HubLoginRefused, match="belongs to julia"):
        log_in_hub_user(home, JULIA, second)
    assert log_in_hub_user(home, HubUser("6004", "otto"), second).role is Role.OWNER, "a refusal leaves the link usable"


def test_a_name_that_is_taken_or_was_typed_with_votes_is_never_merged(home: Home, owner: Person) -> None:
    make_session(home, "round", 1, ("one", "two"))
    item = next_item(home, "round", by("bea"))
    assert item is not None
    vote(home, "round", by("bea"), item.token, "left", "k", 1.0)
    set_joining_role(home, "annotator", "Olga")
    names = [
        log_in_hub_user(home, HubUser(f"7{n}", name)).name for n, name in enumerate(("olga", "bea", "Bea", "nobody"))
    ]
    assert names == ["olga (2)", "bea (2)", "Bea (3)", "nobody (2)"]
    assert get_person(home, "Olga") == owner


def test_what_hinders_a_new_account_is_not_taken_for_a_name_that_is_taken(
    home: Home, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_joining_role(home, "annotator", "Olga")
    locked = UserError("The labels are locked.", "Try again.")
    monkeypatch.setattr("workbench.people.accounts.store.insert_unique", lambda *_: raise_(locked))
    with pytest.raises(UserError, match="are locked"):
        log_in_hub_user(home, HubUser("77", "mia"))


def raise_(error: Exception) -> None:
    raise error


def test_owners_open_and_close_the_joining_but_not_for_owners(home: Home, owner: Person) -> None:
    assert joining_role(home) is None
    assert set_joining_role(home, "annotator", "Olga") is Role.ANNOTATOR is joining_role(home)
    assert log_in_hub_user(home, JULIA).role is Role.ANNOTATOR
    set_joining_role(home, "nobody", "Olga")
    with pytest.raises(HubLoginRefused):
        log_in_hub_user(home, HubUser("6002", "mallory"))
    assert log_in_hub_user(home, JULIA).role is Role.ANNOTATOR, "who joined stays"
    for role in ("owner", "king"):
        with pytest.raises(UserError):
            set_joining_role(home, role, "Olga")
    assert [event.kind for event in people_events(home)].count("joining changed") == 2


def test_disabling_and_resetting_hold_for_hub_logins(home: Home, owner: Person) -> None:
    julia = log_in_hub_user(home, JULIA, invite(home, "annotator", "Olga"))
    disable_person(home, "julia", "Olga")
    with pytest.raises(HubLoginRefused, match="was disabled"):
        log_in_hub_user(home, JULIA)
    assert person_of_login(home, julia.id, julia.logins) is None
    enable_person(home, "julia", "Olga")
    again = log_in_hub_user(home, JULIA)
    token = reset_person(home, "julia", "Olga")
    assert person_of_login(home, again.id, again.logins) is None
    with pytest.raises(HubLoginRefused):
        log_in_hub_user(home, JULIA)
    other = log_in_hub_user(home, HubUser("6009", "julia-two"), token)
    assert (other.id, other.name, other.hub_name) == (julia.id, "julia", "julia-two")
    assert person_of_login(home, other.id, other.logins) == other


def test_a_link_bound_by_the_hub_takes_the_password_s_place(home: Home, owner: Person) -> None:
    token = reset_person(home, "Olga", "Olga")
    assert not has_owner(home)
    olga = log_in_hub_user(home, HubUser("6005", "olga-hub"), token)
    assert (olga.name, olga.role, olga.has_password) == ("Olga", Role.OWNER, False) and has_owner(home)
    with pytest.raises(UserError, match="only owner"):
        disable_person(home, "Olga", "Olga")


def test_the_author_of_the_space_is_its_owner_and_its_creator_only_while_it_has_none(home: Home) -> None:
    assert may_own_space(home, HubUser("1", "Acme-Person"), "acme-person", "")
    assert may_own_space(home, HubUser("1", "ada"), "an-organisation", "1")
    assert not may_own_space(home, HubUser("2", "bob"), "an-organisation", "1")
    assert not may_own_space(home, HubUser("2", "bob"), "", "")
    ada = log_in_hub_user(home, HubUser("1", "ada"), may_own=True)
    assert ada.role is Role.OWNER and has_owner(home)
    assert not may_own_space(home, HubUser("3", "eve"), "an-organisation", "3"), "a Space can be given away"
    log_in_hub_user(home, HubUser("4", "bea"), may_own=True)
    change_role(home, "ada", "viewer", "bea")
    assert log_in_hub_user(home, HubUser("1", "ada"), may_own=True).role is Role.VIEWER, "owners may take it away"


@pytest.mark.parametrize(
    ("hub_id", "name"),
    [
        ("1", "<img src=x onerror=alert(1)>"), ("1", "a b"), ("1", ""), ("1", "x" * 97), ("1", "naïve"), ("1", "a/b"),
        ("1", None), ("", "ada"), (None, "ada"), (7, "ada"), ("1\n", "ada"), ("1", "ada\n"), ("x" * 81, "ada"),
    ],
)  # fmt: skip
def test_what_no_account_of_the_hub_can_be_called_is_refused(hub_id: object, name: object) -> None:
    with pytest.raises(UserError):
        parse_hub_user(hub_id, name)
    assert parse_hub_user("63a-b_9", "a.b-c_D9") == HubUser("63a-b_9", "a.b-c_D9")
