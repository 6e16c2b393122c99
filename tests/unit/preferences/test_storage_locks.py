"""Storage whose locks do not hold is noticed at the start: votes are refused with what to do, not lost."""

from pathlib import Path

import pytest

from tests.voting import by, make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences import storage_locks, store
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.storage_locks import mount_type, storage_problem
from workbench.preferences.votes import next_item

GETS_THROUGH = "print(0, end='')"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    made = Home.at(tmp_path / "home")
    make_session(made, "round", 2)
    return made


def test_a_disk_of_this_machine_keeps_its_promises_and_nothing_is_left_there(home: Home) -> None:
    before = sorted(home.root.iterdir())
    assert storage_problem(home.root) is None and sorted(home.root.iterdir()) == before
    assert store.check_storage(home) is None and next_item(home, "round", by("ann"))


def test_where_a_lock_is_granted_twice_votes_are_refused_with_the_remedy(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_locks, "SECOND_WRITER", GETS_THROUGH)
    found = store.check_storage(home)
    assert found and "does not hold between two processes" in found.message and "PostgreSQL" in found.remedy
    with pytest.raises(UserError, match="cannot keep votes safely"):
        next_item(home, "round", by("ann"))
    assert effective_votes(home, "round") == []  # what is there can be read
    monkeypatch.undo()
    assert store.check_storage(home) is None and next_item(home, "round", by("ann"))


def test_where_another_process_sees_old_rows_votes_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = storage_locks._second_writer
    monkeypatch.setattr(storage_locks, "_second_writer", lambda base: "refused" if real(base) == "refused" else "0")
    found = store.check_storage(home)
    assert found and "does not see" in found.message
    monkeypatch.undo()
    store.check_storage(home)


def test_a_home_whose_labels_are_on_a_server_is_not_asked(
    home: Home, postgres_labels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_locks, "SECOND_WRITER", GETS_THROUGH)
    assert store.check_storage(home) is None


def test_the_kind_of_storage_is_named(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    inner = tmp_path / "my bucket"
    inner.mkdir()
    escaped = str(inner).replace(" ", "\\040")
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nbucket {escaped} fuse.gcsfuse rw 0 0\n")
    assert mount_type(inner / "home", mounts) == "fuse.gcsfuse" and mount_type(tmp_path, mounts) == "ext4"
    assert mount_type(tmp_path, tmp_path / "none") == ""
