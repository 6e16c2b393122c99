"""Every change leaves an event: each kind of job, each function that deletes, each write to the label database."""

import ast
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench
from tests.voting import by, make_session
from workbench.__main__ import main
from workbench.core.change_log import acting_as, command_line_person, read_changes, record_change
from workbench.core.home import Home
from workbench.core.notes import UserNotes
from workbench.data.store.datasets import write_rows
from workbench.inventory.item_notes import change_notes
from workbench.jobs.job import JOBS, Job
from workbench.jobs.job_file import JOB_FILE
from workbench.jobs.queue import Queue
from workbench.jobs.worker import execute_job
from workbench.people.accounts import add_person, check_password, switch_accounts_on
from workbench.people.invitations import accept_invitation, invite, invite_first_owner
from workbench.people.record import ChangeFilter, all_changes
from workbench.preferences.blinding import close_session, unblind
from workbench.preferences.sessions import create_session
from workbench.preferences.votes import next_item, vote

ROOT = Path(workbench.__file__).parent
RECORDS = {"record_change", "record", "record_event", "record_restored"}
NO_EVENT = {
    "preferences.votes": "votes are facts of their own, and the record says who began to vote, by name only",
    "preferences.adjudication": "what is decided is a fact of its own, as a vote is; who may decide is an event",
    "preferences.sessions.add_answers": "a part of the job that writes the answers, whose end is an event",
    "preferences.sessions.finish_session": "as add_answers",
    "preferences.session_extending.add_model_answers": "as add_answers",
    "backup.labels_copy.load_labels": "a part of restoring a backup, which is one event",
}
"""Where the label database is written without an event, and why."""
TALKS = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a secret row"}]}]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function of the engine with its name as module.function."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield f"{module}.{node.name}", node


def calls(function: ast.FunctionDef) -> set[str]:
    """The last names of what a function calls."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found.add(name)
    return found


def test_every_write_to_the_label_database_leaves_an_event() -> None:
    writes = {
        name: calls(function)
        for name, function in functions()
        if any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "writing"
            for node in ast.walk(function)
        )
    }
    assert len(writes) > 15
    silent = {name for name, called in writes.items() if not called & (RECORDS | {"_record"})}
    unexplained = {name for name in silent if not any(name.startswith(known) for known in NO_EVENT)}
    assert unexplained == set(), "record the change, or say in NO_EVENT why there is no event"


@pytest.mark.parametrize("kind", list(JOBS), ids=lambda kind: kind.method)
def test_every_kind_of_job_leaves_events_of_its_beginning_and_its_end(
    kind: type[Job], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = kind.model_construct()
    monkeypatch.setattr(kind, "check", lambda *_: None)
    monkeypatch.setattr(kind, "outputs", lambda _: [])
    monkeypatch.setattr(kind, "label", lambda _: "a job")
    monkeypatch.setattr(kind, "uses_device", False)
    monkeypatch.setattr(kind, "run", lambda *_: {})
    monkeypatch.setattr("workbench.jobs.queue.job_yaml", lambda job: f"job: {job.method}\n")
    monkeypatch.setattr("workbench.jobs.worker.read_job", lambda _: job)
    with acting_as("Olga"):
        job_id = Queue(home).submit(job)
    assert (home.jobs / job_id / JOB_FILE).is_file()
    assert execute_job(home, home.jobs / job_id) == "done"
    changes = [(each.person, each.kind, each.object_name, each.facts["job"]) for each in read_changes(home.root)]
    assert changes == [("Olga", "queued", job_id, kind.method), ("Olga", "done", job_id, kind.method)]


def test_sessions_accounts_notes_and_datasets_leave_events_without_rows_or_votes(home: Home) -> None:
    owner = accept_invitation(home, invite_first_owner(home), "Olga", "correct horse battery")
    check_password(home, "Olga", "correct horse battery")
    check_password(home, "Olga", "wrong password")
    add_person(home, "Anna", "annotator", owner.name)
    switch_accounts_on(home)
    with acting_as("Olga"):
        write_rows(home, "talks", "conversation", TALKS)
        change_notes(home, "dataset", "talks", lambda _: UserNotes(("good",), "a private note"))
        make_session(home, "s", 2)
        pair = next_item(home, "s", by("Vera"))
        assert pair
        vote(home, "s", by("Vera"), pair.token, "left", "key-1", 1.0)
        unblind(home, "s", by("Olga"))
        close_session(home, "s", by("Olga"))
        close_session(home, "s", by("Olga"))
    listed = [(each.person, each.kind, each.object_kind, each.object_name) for each in all_changes(home)]
    for expected in (
        ("Olga", "created", "dataset", "talks"), ("Olga", "noted", "dataset", "talks"),
        ("Olga", "created", "session", "s"), ("Vera", "began to vote", "session", "s"),
        ("Olga", "unblinded", "session", "s"), ("Olga", "closed", "session", "s"),
        ("Olga", "logged in", "account", "Olga"), ("nobody", "login refused", "account", "Olga"),
        ("Olga", "joined", "account", "Olga"), ("local", "switched on", "setting", "accounts"),
    ):  # fmt: skip
        assert listed.count(expected) == 1, expected
    whole = str(all_changes(home)) + (home.root / "events.jsonl").read_text()
    for secret in ("correct horse", "wrong password", "a secret row", "a private note", "left", "right"):
        assert secret not in whole


def test_events_are_filtered_by_person_kind_object_and_time(home: Home) -> None:
    with acting_as("Olga"):
        write_rows(home, "talks", "conversation", TALKS)
        write_rows(home, "notes", "conversation", TALKS)
    with acting_as("Anna"):
        write_rows(home, "talks", "conversation", TALKS, replace=True)
    names = lambda **wanted: [each.object_name for each in all_changes(home, ChangeFilter(**wanted))]  # noqa: E731
    assert names() == ["talks", "notes", "talks"]
    assert names(person="anna") == ["talks"] and names(kind="created") == ["notes", "talks"]
    assert names(object="dataset notes") == ["notes"] and names(since="2999-01-01") == []


def test_of_events_of_one_moment_the_last_comes_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.core.change_log._now", lambda: "2026-11-30T06:43:11.000+00:00")
    for number in range(4):
        record_change(home.root, "deleted", "dataset", f"talks-{number}")
    assert [each.object_name for each in all_changes(home)] == [f"talks-{number}" for number in (3, 2, 1, 0)]


def test_the_command_prints_them_as_table_json_lines_and_csv(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with acting_as("=Olga()"):
        write_rows(home, "talks", "conversation", TALKS)
    where = ["--home", str(home.root)]
    assert main(["events", *where]) == 0 and "dataset talks" in capsys.readouterr().out
    assert main(["events", "--json", "--kind", "created", *where]) == 0
    assert json.loads(capsys.readouterr().out)[0]["object_name"] == "talks"
    assert main(["events", "--file-format", "jsonl", *where]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["person"] == "=Olga()"
    assert main(["events", "--file-format", "csv", *where]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0]["person"] == "'=Olga()" and rows[0]["object_kind"] == "dataset"
    assert main(["events", "--since", "yesterday", *where]) == 1
    assert main(["job", "delete", "x", *where]) == 1


def test_a_command_is_recorded_as_one(home: Home) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    assert main(["--home", str(home.root), "tag", "dataset", "talks", "+good"]) == 0
    last = all_changes(home)[0]
    assert (last.person, last.kind, last.object_name) == (command_line_person(), "noted", "talks")
    create_session(home, "s", ["a", "b"], "p", {})
    invite(home, "viewer", "Olga")
    assert all_changes(home)[0].object_kind in ("account", "session")
