"""What holds for the tags and the note of every kind of thing: written, read, listed, found, and gone with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.home_of_many import add_job, many
from tests.voting import make_session
from workbench.__main__ import main
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.notes import NO_NOTES, UserNotes
from workbench.data.store.datasets import delete_dataset
from workbench.inventory.item_notes import ITEM_KINDS, change_notes, notes_by_name, notes_of
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model
from workbench.preferences.session_copies import delete_session
from workbench.preferences.sessions import create_session

NOTES = UserNotes(("keep", "für-später"), "A **note**\nof two lines.")
DELETE: dict[str, Callable[[Home, str], None]] = {
    "model": delete_model, "dataset": delete_dataset, "job": lambda home, name: Queue(home).delete(name),
    "session": delete_session,
}  # fmt: skip


@pytest.fixture
def home(own_home: Path) -> Home:
    home = many(Home.at(own_home), 2, 2, 2)
    for name in ("round-0", "round-1"):
        make_session(home, name, 1)
    return home


def name_of(home: Home, kind: str) -> str:
    jobs = {"job": Queue(home).all()[0].id} if kind == "job" else {}
    return {"model": "model-00000", "dataset": "set-00000", "session": "round-0", **jobs}[kind]


def test_every_kind_that_is_known_is_tried_here() -> None:
    assert set(DELETE) == set(ITEM_KINDS)


@pytest.mark.parametrize("kind", ITEM_KINDS)
def test_what_is_written_is_read_and_is_of_this_one_alone(kind: str, home: Home) -> None:
    name = name_of(home, kind)
    assert notes_of(home, kind, name) == NO_NOTES and notes_by_name(home, kind) == {}
    assert change_notes(home, kind, name, lambda _: NOTES) == NOTES
    assert notes_of(home, kind, name) == NOTES and notes_by_name(home, kind) == {name: NOTES}
    change_notes(home, kind, name, lambda _: NO_NOTES)
    assert notes_of(home, kind, name) == NO_NOTES and notes_by_name(home, kind) == {}


@pytest.mark.parametrize("kind", ITEM_KINDS)
def test_what_is_refused_changes_nothing(kind: str, home: Home) -> None:
    name = name_of(home, kind)
    change_notes(home, kind, name, lambda _: NOTES)
    for wrong in (UserNotes(("two words",)), UserNotes((), "x" * 5000)):
        with pytest.raises(UserError):
            change_notes(home, kind, name, lambda _, wrong=wrong: wrong)  # type: ignore[misc]
    assert notes_of(home, kind, name) == NOTES


@pytest.mark.parametrize("kind", ITEM_KINDS)
@pytest.mark.parametrize("name", ["", "nothing-like-it", "../model-00000", ".", "a\0b"])
def test_a_name_that_is_not_there_is_said(kind: str, name: str, home: Home) -> None:
    for do in (lambda: notes_of(home, kind, name), lambda: change_notes(home, kind, name, lambda _: NOTES)):
        with pytest.raises(UserError, match="There is no"):
            do()


@pytest.mark.parametrize("kind", ITEM_KINDS)
def test_notes_are_gone_with_what_they_are_of(kind: str, home: Home) -> None:
    name = name_of(home, kind)
    change_notes(home, kind, name, lambda _: NOTES)
    DELETE[kind](home, name)
    assert notes_by_name(home, kind) == {}
    if kind == "session":  # one of the same name begins without
        create_session(home, name, ["base", "tuned"], "questions", {})
        assert notes_of(home, kind, name) == NO_NOTES


@pytest.mark.parametrize("kind", ITEM_KINDS)
def test_the_command_line_tags_notes_lists_and_finds(kind: str, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def cli(*words: str) -> Any:
        code = main(["--home", str(home.root), "--json", *words])
        out = capsys.readouterr()
        return json.loads(out.out) if code == 0 else out.err

    name = name_of(home, kind)
    assert cli("tag", kind, name, "+Keep", "+later")["tags"] == ["keep", "later"]
    assert cli("tag", kind, name, "-later", "+best")["tags"] == ["keep", "best"]
    assert cli("tag", kind, name)["tags"] == ["keep", "best"]
    assert "There is no tag 'gone'" in cli("tag", kind, name, "-gone")
    assert "no change" in cli("tag", kind, name, "keep")
    assert cli("note", kind, name, "Good at wrens.")["note"] == "Good at wrens."
    listed = cli("list", f"{kind}s", "--tag", "best")
    assert [next(iter(row.values())) for row in listed] == [name] and listed[0]["tags"] == "keep best"
    assert [(row["kind"], row["name"]) for row in cli("search", "wrens", "#keep")] == [(kind, name)]
    assert cli("search", "nothing-has-this") == []
    assert cli("note", kind, name, "--clear")["note"] == "" and cli("note", kind, name)["tags"] == ["keep", "best"]


def test_a_file_of_notes_that_is_damaged_keeps_no_list_from_being_shown(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.models / "model-00000" / "notes.yaml").write_bytes(b"\xff\xfe\0")
    assert main(["--home", str(home.root), "list", "models"]) == 0
    assert "model-00000" in capsys.readouterr().out
    assert main(["--home", str(home.root), "tag", "model", "model-00000"]) == 1
    assert "notes.yaml cannot be read" in capsys.readouterr().err
    assert main(["--home", str(home.root), "tag", "model", "model-00000", "+new"]) == 0


def test_two_who_tag_at_once_are_both_kept(home: Home) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def tag(number: int) -> None:
        change_notes(home, "model", "model-00000", lambda now: UserNotes((*now.tags, f"tag-{number}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tag, range(10)))
    assert len(notes_of(home, "model", "model-00000").tags) == 10


def test_a_job_row_is_listed_with_notes_of_a_job_that_came_later(home: Home) -> None:
    name = add_job(home, 9).name
    change_notes(home, "job", name, lambda _: NOTES)
    assert notes_by_name(home, "job") == {name: NOTES} and len(Queue(home).all()) == 3
