"""A label database of the version before opens whole, its votes mean what they meant, and a copy of it stays."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.voting import by, close
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.notes import UserNotes
from workbench.preferences import migrations, store, tables
from workbench.preferences.export import preference_pairs, session_digest
from workbench.preferences.session_notes import change_session_notes, session_overviews
from workbench.preferences.sessions import get_session, list_sessions
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, rights_of, undo_latest, vote

VERSION_1 = (Path(__file__).parent / "labels_v1.sql").read_text("utf-8")
DIGEST_1 = "1f7921443ff6747757cebac074c7010c9d5dcf5d202d0bbdfbec64a48b314254"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose labels version 1 wrote: four prompts; ann's vote, tie and skip, bob's vote and one taken back."""
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    made = Home.at(tmp_path)
    connection = sqlite3.connect(made.labels)
    connection.executescript(VERSION_1)
    connection.close()
    return made


def schema(file: Path) -> dict[str, set[str]]:
    """Columns, indexes and references of every table, whatever their order."""
    connection = sqlite3.connect(file)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        name: {str(row[1:5]) for row in connection.execute(f"PRAGMA table_info({name})")}
        | {str(row[2:5]) for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
        | {
            f"{row[2]} {[column[2] for column in connection.execute(f'PRAGMA index_info({row[1]})')]}"
            for row in connection.execute(f"PRAGMA index_list({name})")
        }
        for name in names
    }
    connection.close()
    return found


def test_votes_of_version_1_mean_what_they_meant(home: Home) -> None:
    votes = [(vote.prompt_index, vote.annotator, vote.outcome, vote.choice) for vote in effective_votes(home, "old")]
    assert votes == [(2, "ann", 0.0, "right"), (3, "ann", 0.5, "tie"), (2, "bob", 0.0, "right")]
    assert session_digest(home, "old") == DIGEST_1
    info = get_session(home, "old")
    assert (info.votes, info.unblinded, info.closed, info.complete) == (3, 0, "", True)
    assert [row["chosen"][0]["content"] for row in _exported(home)] == ["better 2"]


def _exported(home: Home) -> list[dict[str, list[dict[str, str]]]]:
    close(home, "old")
    return preference_pairs(home, "old")


def test_labelling_goes_on_where_version_1_left_it(home: Home) -> None:
    item = next_item(home, "old", by("bob"))
    assert item and item.prompt[0]["content"] == "question 3"
    vote(home, "old", by("bob"), item.token, "left", "new", 1.0)
    assert rights_of(home, "old", by("ann")).can_undo  # votes from before browsers were noted are their names'
    assert undo_latest(home, "old", by("ann"), "u").prompt[0]["content"] == "question 1"


def test_the_upgraded_schema_is_the_one_a_new_home_gets(home: Home, tmp_path: Path) -> None:
    new = Home.at(tmp_path / "new")
    assert list_sessions(home) and list_sessions(new) == []
    assert schema(home.labels) == schema(new.labels)


def test_a_copy_is_made_before_the_first_change_and_an_earlier_copy_stays(home: Home) -> None:
    earlier = home.labels.with_name("labels.sqlite.v1.bak")
    earlier.write_text("an older copy")
    list_sessions(home)
    assert earlier.read_text() == "an older copy"
    copy = sqlite3.connect(home.labels.with_name("labels.sqlite.v1-2.bak"))
    assert copy.execute("SELECT version FROM schema_version").fetchone() == (1,)
    assert copy.execute("SELECT count(*) FROM vote_event").fetchone() == (6,)
    copy.close()


def test_an_upgrade_that_fails_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(db: sa.Connection) -> None:
        migrations._to_2(db)
        raise UserError("No.")

    monkeypatch.setitem(migrations.UPGRADES, 1, fails)
    with pytest.raises(UserError, match="No"):
        list_sessions(home)
    connection = sqlite3.connect(home.labels)
    assert connection.execute("SELECT version FROM schema_version").fetchone() == (1,)
    assert "browser" not in str(connection.execute("PRAGMA table_info(vote_event)").fetchall())
    connection.close()


def test_without_room_for_the_copy_nothing_is_upgraded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations.os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(UserError, match="could not be copied before their upgrade"):
        list_sessions(home)
    assert not list(home.root.glob("*.bak")) and not list(home.root.glob(".*.partial"))


def test_there_is_a_step_from_every_version() -> None:
    assert sorted(migrations.UPGRADES) == list(range(1, tables.SCHEMA_VERSION))


def test_sessions_of_version_1_can_be_tagged(home: Home) -> None:
    change_session_notes(home, "old", lambda now: UserNotes(("first",), "Before notes were."))
    (overview,) = [each for each in session_overviews(home) if each.name == "old"]
    assert overview.notes == UserNotes(("first",), "Before notes were.")
