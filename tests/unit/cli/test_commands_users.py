"""Accounts on the command line: links that are printed once, changes that hold, and what is refused."""

import json
from collections.abc import Callable

import pytest

from workbench.__main__ import main
from workbench.core.home import Home
from workbench.people.accounts import accounts_are_on, check_password, person_of_login
from workbench.people.invitations import accept_invitation
from workbench.people.record import all_changes

Cli = Callable[..., tuple[int, str, str]]
PASSWORD = "correct horse battery"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command; exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["users", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def token_of(printed: str) -> str:
    return printed.partition("/invite?token=")[2].split()[0].rstrip('",')


def test_a_person_is_added_invited_changed_disabled_and_reset(cli: Cli) -> None:
    home = Home.default()
    assert not accounts_are_on(home)
    code, out, _ = cli("add", "Olga", "--role", "owner", "--address", "https://bench.example.org/")
    assert code == 0 and out.startswith("https://bench.example.org/invite?token=") and "From its next start" in out
    assert accounts_are_on(home)
    olga = accept_invitation(home, token_of(out), "", PASSWORD)
    invited = json.loads(cli("invite", "--hours", "1", "--json")[1])
    anna = accept_invitation(home, token_of(invited["link"]), "Anna", PASSWORD)
    assert (invited["hours"], invited["link"][:22]) == (1, "http://127.0.0.1:7860/")
    assert cli("role", "anna", "viewer") == (0, "Anna is viewer, active.\n", "")
    assert cli("disable", "Anna")[1] == "Anna is viewer, disabled.\n"
    assert person_of_login(home, anna.id, anna.logins) is None
    assert cli("enable", "Anna")[1] == "Anna is viewer, active.\n"
    assert check_password(home, "Anna", PASSWORD)
    assert cli("reset", "Anna")[0] == 0 and check_password(home, "Anna", PASSWORD) is None
    people = json.loads(cli("list", "--json")[1])
    assert [(row["name"], row["role"], row["state"]) for row in people] == [
        (olga.name, "owner", "active"), ("Anna", "viewer", "invited"),
    ]  # fmt: skip
    assert PASSWORD not in str(all_changes(home)) and "password reset" in str(all_changes(home))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("role", "Nobody", "viewer"), 1, "has no account"), (("role", "Olga", "root"), 2, '"root"'),
        (("disable", "Olga"), 1, "only owner"), (("add", "olga"), 1, "has an account already"),
        (("add", " "), 1, "is empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_remedy(arguments: tuple[str, ...], code: int, message: str, cli: Cli) -> None:
    accept_invitation(Home.default(), token_of(cli("add", "Olga", "--role", "owner")[1]), "", PASSWORD)
    refused, out, err = cli(*arguments)
    assert (refused, out) == (code, "") and message in err
