"""Where the home of a Space lies, and whether that outlives a restart."""

import os
from pathlib import Path

import pytest

from workbench.core import space
from workbench.core.home import default_root
from workbench.core.settings import Settings


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Space with storage attached at a folder of the test's."""
    attached = tmp_path / "data"
    attached.mkdir()
    monkeypatch.setattr(space, "STORAGE", attached)
    mounts = {str(attached), "/"}
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in mounts)
    monkeypatch.delenv("WORKBENCH_HOME", raising=False)
    monkeypatch.setenv("SPACE_ID", "me/bench")
    return attached


def test_the_home_lies_in_the_storage_of_a_space_unless_the_operator_says_otherwise(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_root() == storage / "llm-workbench"
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "mine"))
    assert default_root() == tmp_path / "mine"
    monkeypatch.delenv("WORKBENCH_HOME")
    monkeypatch.delenv("SPACE_ID")
    assert default_root() == Settings.current().home.expanduser(), "elsewhere /data is nobody's business"


def test_a_folder_that_is_no_storage_or_cannot_be_written_is_not_taken(
    storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert space.storage_root(Settings.current()) is None
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == "/")
    assert space.storage_root(Settings.current()) is None


def test_only_what_lies_on_something_attached_outlives_a_restart(storage: Path, tmp_path: Path) -> None:
    assert space.is_kept(storage / "llm-workbench" / "not" / "there" / "yet")
    assert not space.is_kept(tmp_path / "home") and not space.is_kept(Path("/"))


def test_what_is_lost_is_said_where_something_is(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(folder: Path) -> str:
        return space.storage_warning(folder, Settings.current())

    assert said(storage / "home") == ""
    assert "Votes, models and data are lost" in said(tmp_path / "home")
    monkeypatch.setenv("WORKBENCH_LABELS_URL", "postgresql+psycopg://user:password@host/labels")
    assert "Votes and accounts are kept in the database" in said(tmp_path / "home")
    monkeypatch.delenv("SPACE_ID")
    assert said(tmp_path / "home") == "", "a machine of one's own keeps what it has"
