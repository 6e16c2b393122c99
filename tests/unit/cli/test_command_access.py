"""Every command × what it takes to use it: nothing but the home's files, whose reader acts as the owner; never a login.

docs/serving.md says the same. A command that is not in this table makes a test fail.
"""

import ast
import enum
import importlib
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.voting import close, make_session
from workbench.__main__ import main
from workbench.cli.commands import COMMANDS
from workbench.core.assets import ROOT
from workbench.core.change_log import acting_as, command_line_person
from workbench.core.home import Home
from workbench.core.os_user import os_user
from workbench.data.store.datasets import write_rows
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.people.accounts import add_person, switch_accounts_on
from workbench.people.invitations import accept_invitation, invite_first_owner
from workbench.people.record import ChangeFilter, all_changes

Cli = Callable[..., tuple[int, str, str]]
NOBODY_ID = 65534
TALKS = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}]


class Takes(enum.Enum):
    """What a command needs, and what it leaves behind."""

    READING = "the home's files; leaves no event"
    CHANGING = "the home's files; its event names the user of the operating system"
    VOTING = "the home's files; acts under the name given with --name, which nobody proves"
    FOLDER = "a folder that need not be a home"
    SERVING = "the home's files; asks whoever opens the page for what the home asks for"


READING, CHANGING, VOTING, FOLDER = Takes.READING, Takes.CHANGING, Takes.VOTING, Takes.FOLDER
ACCESS: dict[str, Takes] = {
    "list": READING, "import-model": CHANGING, "import-dataset": CHANGING, "tokens": READING, "delete": CHANGING,
    "tag": CHANGING, "note": CHANGING, "search": READING, "disk": CHANGING, "bin list": READING,
    "bin restore": CHANGING, "bin empty": CHANGING, "events": READING, "data run": CHANGING, "data stats": READING,
    "data show": READING, "data rows": READING, "data rejected": READING, "data steps": READING,
    "data restore": CHANGING, "data undo": CHANGING, "data export": READING, "data recipe": READING,
    "data card": READING, "new": READING, "schema": READING, "reference": READING, "run": CHANGING, "check": READING,
    "submit": CHANGING, "job": CHANGING, "merge": CHANGING, "merge-methods": READING, "ensemble": CHANGING,
    "family": READING, "card": READING, "chat": READING, "label": VOTING, "close-session": VOTING,
    "recover-labels": CHANGING, "judge": CHANGING, "report": VOTING, "export-pairs": CHANGING,
    "export-edits": CHANGING, "session-progress": READING, "exclude-annotator": VOTING,
    "appoint-adjudicator": VOTING, "adjudicate": VOTING,
    "session list": READING, "session show": READING, "session open": VOTING, "session pause": VOTING,
    "session resume": VOTING, "session close": VOTING, "session archive": VOTING, "session unarchive": VOTING,
    "session clone": VOTING, "session guidelines": VOTING, "session settings": VOTING, "session add-checks": CHANGING,
    "session add-prompts": CHANGING, "session add-model": CHANGING,
    "users list": READING, "users add": CHANGING, "users invite": CHANGING, "users role": CHANGING,
    "users join": CHANGING, "users disable": CHANGING, "users enable": CHANGING, "users reset": CHANGING,
    "backup": READING, "restore": FOLDER, "doctor": FOLDER, "settings": READING, "plugins": READING,
    "demo": READING, "serve": Takes.SERVING,
}  # fmt: skip
"""The commands by hand; every kind of job is one more, and takes CHANGING."""

ASKS = {
    "cli/bin_managing.py": "bin empty: a yes, unless --yes", "cli/disk.py": "disk --delete: a yes, unless --yes",
    "cli/labelling_quality.py": "adjudicate: a choice for every pair, and why",
    "cli/judging.py": "chat: messages, unless --prompt",
    "cli/terminal_votes.py": "label: a choice for every pair, and what goes with it",
}  # fmt: skip
"""Where the command line asks whoever uses it for something, and for what: never for who they are."""

READ_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "list": ("datasets",), "search": ("talks",), "bin list": (), "events": (), "data rows": ("talks",),
    "data rejected": ("talks",), "data card": ("talks",), "new": ("train",), "merge-methods": (), "users list": (),
    "settings": (), "plugins": (),
}  # fmt: skip
CHANGE_ARGUMENTS: tuple[tuple[str, ...], ...] = (
    ("import-dataset", "{file}", "--name", "taken-in"), ("tag", "dataset", "talks", "+good"),
    ("note", "dataset", "talks", "said"), ("delete", "dataset", "talks"), ("bin restore", "talks"),
    ("delete", "dataset", "talks"), ("bin empty", "--yes"), ("users add", "Anna"), ("users role", "Anna", "viewer"),
    ("users disable", "Anna"), ("users enable", "Anna"), ("users invite",), ("users reset", "Anna"),
    ("users join", "viewer"),
)  # fmt: skip


@pytest.fixture
def home(own_home: Path) -> Home:
    """A home with accounts, whose owner is Olga."""
    home = Home.at(own_home)
    with acting_as("Olga"):
        write_rows(home, "talks", "conversation", TALKS)
    accept_invitation(home, invite_first_owner(home), "Olga", "correct horse battery")
    switch_accounts_on(home)
    return home


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command at which nobody sits: what asked for something would fail."""
    monkeypatch.setattr("sys.stdin", None)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments[0].split(), *arguments[1:]])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_every_command_is_in_the_table() -> None:
    names = {command.name for command in COMMANDS}
    assert names - ACCESS.keys() == set(), "new: say in this table what it takes"
    assert ACCESS.keys() - names == set(), "there is no such command any more"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_opens_the_home_unless_the_table_says_a_folder_will_do(command: object) -> None:
    module, _, function = command.target.partition(":")  # type: ignore[attr-defined]
    parameters = inspect.signature(getattr(importlib.import_module(module), function)).parameters
    takes = ACCESS[command.name]  # type: ignore[attr-defined]
    assert ("unopened" in parameters, "invoked" in parameters) == (takes is FOLDER, takes is not FOLDER)
    votes = takes is VOTING
    assert ("name" in parameters and parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY) >= votes


def asking(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "workbench").rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "input(" in text or "getpass(" in text else ():
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in ("input", "getpass", "getpass.getpass"):
                    yield f"{path.relative_to(folder / 'workbench').as_posix()}:{name}"


def test_nothing_is_asked_but_what_the_table_says_and_never_a_password() -> None:
    assert set(asking(ROOT)) == {f"{file}:input" for file in ASKS}


def test_reading_asks_for_no_login_and_leaves_no_event(home: Home, cli: Cli) -> None:
    before = all_changes(home)
    for name, arguments in READ_ARGUMENTS.items():
        code, out, err = cli(name, *arguments)
        assert (code, err, bool(out)) == (0, "", True), name
        assert ACCESS[name] is READING
    assert all_changes(home) == before


def test_every_change_names_the_user_of_the_operating_system(home: Home, cli: Cli, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a text"}\n')
    for name, *arguments in CHANGE_ARGUMENTS:
        before = len(all_changes(home))
        code, _, err = cli(name, *(argument.format(file=rows) for argument in arguments))
        assert code == 0, (name, err)
        new = all_changes(home)[: len(all_changes(home)) - before]
        assert new and {change.person for change in new} == {f"the command line ({os_user()})"}, name
        assert ACCESS[name] is CHANGING
    assert all_changes(home, ChangeFilter(person="The command line")) != []


def test_a_job_of_every_kind_is_its_owners(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in JOBS:
        job = kind.model_construct()
        for name, value in (("check", None), ("outputs", []), ("label", "a job")):
            monkeypatch.setattr(kind, name, lambda *_, value=value: value)
        monkeypatch.setattr("workbench.jobs.queue.job_yaml", lambda job: f"job: {job.method}\n")
        with acting_as(command_line_person()):
            Queue(home).submit(job)
        assert all_changes(home)[0].person == command_line_person(), kind.method


def test_a_result_that_is_open_is_seen_under_a_name_and_that_is_recorded(home: Home, cli: Cli) -> None:
    make_session(home, "round", 2)
    assert cli("report", "round")[0] == 1
    assert cli("report", "round", "--unblind", "--name", "Vera")[0] == 0
    newest = all_changes(home)[0]
    assert (newest.person, newest.kind) == (command_line_person(), "unblinded")
    close(home, "round")
    assert cli("report", "round")[0] == 0


def test_whoever_may_not_read_the_files_gets_a_sentence_and_nothing_of_them(home: Home, cli: Cli) -> None:
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no permissions of this kind")
    home.root.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY_ID)
    try:
        replies = {name: cli(name, *arguments) for name, arguments in READ_ARGUMENTS.items()}
        replies |= {arguments[0]: cli(*arguments) for arguments in CHANGE_ARGUMENTS[1:]}
    finally:
        if is_root:
            os.seteuid(0)
        home.root.chmod(0o700)
    for name, (code, out, err) in replies.items():
        assert (code, out) == (1, ""), name
        assert "Traceback" not in err and err.startswith("error: "), name


@pytest.mark.parametrize("name", ["the command line", "The Command Line (root)", "local", "Nobody", "the server"])
def test_nobody_gets_an_account_that_the_record_would_mistake_for_none(name: str, home: Home, cli: Cli) -> None:
    code, out, err = cli("users add", name)
    assert (code, out) == (1, "") and "without an account" in err


def test_the_user_is_the_process_s_and_sudo_s_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody"), monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert command_line_person() == f"the command line ({os_user()})" != "the command line (somebody)"
    monkeypatch.setenv("SUDO_USER", "anna")
    assert command_line_person() == f"the command line (anna as {os_user()})"
    monkeypatch.setattr("os.getuid", lambda: 1_234_567_890)
    assert os_user() == "user 1234567890"


def test_without_accounts_the_same_holds(own_home: Path, cli: Cli) -> None:
    home = Home.at(own_home)
    assert cli("users add", "Anna")[0] == 0
    assert all_changes(home)[-1].person == command_line_person()
    with pytest.raises(Exception, match="has an account already"):
        add_person(home, "anna", "viewer", "Olga")
