"""A vote is acknowledged only if it is kept: files moved, deleted, replaced, damaged, full disks, read-only homes."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.voting import by, make_session
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.people.accounts import list_people
from workbench.people.hub_accounts import HubUser, joining_role, log_in_hub_user, set_joining_role
from workbench.people.roles import Role
from workbench.preferences import failures, store, tables
from workbench.preferences.recovery import readable_rows, recover, trouble
from workbench.preferences.sessions import Answer, add_answers, create_session, get_session, list_sessions
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote

ANN = by("ann")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Sixteen pairs, six of them voted on."""
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    made = Home.at(tmp_path / "home")
    make_session(made, "round", 16)
    for _ in range(6):
        give(made)
    return made


def give(home: Home) -> None:
    item = next_item(home, "round", ANN)
    assert item
    vote(home, "round", ANN, item.token, "left", uuid.uuid4().hex, 1.0)


def files(home: Home) -> list[Path]:
    return [path for suffix in ("", "-wal", "-shm") if (path := Path(f"{home.labels}{suffix}")).exists()]


# ---- moved, deleted, replaced ------------------------------------------------------------------------------


def moved(home: Home) -> None:
    home.labels.rename(home.root / "elsewhere.sqlite")


def all_moved(home: Home) -> None:
    (home.root / "away").mkdir()
    for path in files(home):
        path.rename(home.root / "away" / path.name)


def deleted(home: Home) -> None:
    home.labels.unlink()


def journal_deleted(home: Home) -> None:
    failures.journal(home.labels).unlink()


LOST = [moved, all_moved, deleted, journal_deleted]


@pytest.mark.parametrize("lose", LOST)
def test_a_vote_into_a_file_that_is_gone_is_not_acknowledged(home: Home, lose: Callable[[Home], None]) -> None:
    item = next_item(home, "round", ANN)
    assert item
    lose(home)
    with pytest.raises(UserError, match="moved, deleted or replaced"):
        vote(home, "round", ANN, item.token, "left", "k", 1.0)


@pytest.mark.parametrize("lose", LOST)
def test_a_file_that_goes_while_a_vote_is_written_is_noticed(home: Home, lose: Callable[[Home], None]) -> None:
    with pytest.raises(UserError, match="moved, deleted or replaced"), store.writing(home):
        lose(home)


def test_a_file_that_is_put_back_goes_on(home: Home) -> None:
    moved(home)
    assert trouble(home) is not None
    (home.root / "elsewhere.sqlite").rename(home.labels)
    assert trouble(home) is None
    give(home)
    assert len(effective_votes(home, "round")) == 7


def test_a_file_that_is_replaced_is_opened_anew(home: Home) -> None:
    store.forget(home)  # closes it, so that one file is the whole database
    shutil.copy(home.labels, home.root / "backup.sqlite")
    give(home)
    (home.root / "backup.sqlite").replace(home.labels)
    for journal in files(home)[1:]:
        journal.unlink()
    assert get_session(home, "round").votes == 6
    give(home)
    assert len(effective_votes(home, "round")) == 7


def test_a_journal_without_its_database_is_not_thrown_away(home: Home) -> None:
    moved(home)
    store.forget(home)  # as a server that is started again
    journal = failures.journal(home.labels)
    journal.write_bytes(b"transactions")
    with pytest.raises(failures.LabelsUnusable):
        list_sessions(home)
    assert journal.read_bytes() == b"transactions"
    done = recover(home)
    assert done.aside and (done.aside / journal.name).read_bytes() == b"transactions"
    assert list_sessions(home) == []


def test_a_missing_database_is_begun_anew_only_on_demand(home: Home) -> None:
    all_moved(home)
    for _ in range(2):
        with pytest.raises(failures.LabelsUnusable) as caught:
            list_sessions(home)
        assert caught.value.state == failures.MISSING and not home.labels.exists()
    assert recover(home).rows["session"] == 0 and list_sessions(home) == []
    assert (home.root / "away" / "labels.sqlite").exists()


# ---- damaged -----------------------------------------------------------------------------------------------


def garbage(file: Path) -> None:
    file.write_bytes(b"this is no database at all" * 4000)


def cut(file: Path) -> None:
    os.truncate(file, 20_000)


def damaged_page(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 4096 // 2 * 4096)
        opened.write(b"\xff" * 4096)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


DAMAGES = [garbage, cut, damaged_page, folder, pipe]


def contents(file: Path) -> bytes | int:
    """What is in a file; of what is none, its kind."""
    return file.read_bytes() if file.is_file() else file.stat().st_mode


@pytest.fixture(params=DAMAGES)
def damaged(request: pytest.FixtureRequest, home: Home) -> Home:
    """A home whose closed label file was damaged."""
    store.forget(home)
    request.param(home.labels)
    return home


def test_a_damaged_database_says_so_and_takes_no_vote(damaged: Home) -> None:
    content = contents(damaged.labels)
    wrong = trouble(damaged)
    assert isinstance(wrong, failures.LabelsUnusable) and wrong.state == failures.DAMAGED
    with pytest.raises(UserError, match="is damaged"):
        next_item(damaged, "round", ANN)
    assert contents(damaged.labels) == content


def test_what_can_be_read_is_recovered_and_the_damaged_files_stay(damaged: Home) -> None:
    content = contents(damaged.labels)
    done = recover(damaged)
    assert done.aside and contents(done.aside / damaged.labels.name) == content
    assert trouble(damaged) is None and not list(damaged.root.glob(".labels-recovery-*"))
    assert str(done.rows["vote_event"]) in done.sentence() or "nothing could be read" in done.sentence()
    make_session(damaged, "after", 1)
    item = next_item(damaged, "after", ANN)
    assert item and vote(damaged, "after", ANN, item.token, "left", "k", 1.0)


def test_every_table_but_leases_is_recovered(home: Home) -> None:
    """People keep the hub accounts they log in with, and owners what they decided."""
    owner = log_in_hub_user(home, HubUser("0" * 24, "ada"), may_own=True)
    set_joining_role(home, "annotator", "ada")
    store.forget(home)
    with home.labels.open("r+b") as file:
        file.truncate(home.labels.stat().st_size - 10)
    assert trouble(home) is not None
    done = recover(home)
    assert set(done.rows) == set(tables.metadata.tables) - {"schema_version", "lease"}
    assert list_people(home) == [owner] and owner.hub_name == "ada"
    assert joining_role(home) is Role.ANNOTATOR and len(effective_votes(home, "round")) == 6


def test_only_what_lay_on_the_damaged_page_is_lost(home: Home) -> None:
    """A page of answers goes: the votes on their pairs go with it, all others stand."""
    create_session(home, "long", ["base", "tuned"], "questions", {})
    for place in range(16):
        answers = {model: Answer(f"{model} says {place}" + " word" * 100, "eos", 100) for model in ("base", "tuned")}
        add_answers(home, "long", place, [{"role": "user", "content": f"question {place}"}], answers)
    while item := next_item(home, "long", ANN):
        vote(home, "long", ANN, item.token, "left", uuid.uuid4().hex, 1.0)
    before = {vote.prompt_index: vote for vote in effective_votes(home, "long")}
    store.forget(home)
    content = home.labels.read_bytes()
    page = content.index(b"tuned says 7 ") // 4096 * 4096
    home.labels.write_bytes(content[:page] + b"\xff" * 4096 + content[page + 4096 :])
    done = recover(home)
    found = {vote.prompt_index: (vote.outcome, vote.choice) for vote in effective_votes(home, "long")}
    assert done.dropped > 0 and 8 <= len(found) < 16 and 7 not in found
    assert found == {place: (before[place].outcome, before[place].choice) for place in found}
    assert len(effective_votes(home, "round")) == 6


def test_damage_that_is_found_later_stops_all_writing(home: Home) -> None:
    with (
        pytest.raises(failures.LabelsUnusable),
        store.reading(home) as db,
    ):
        _raise_corrupt(db)
    with pytest.raises(failures.LabelsUnusable), store.writing(home):
        pytest.fail("a damaged file was written")
    assert trouble(home) is not None


def _raise_corrupt(db) -> None:
    import sqlite3

    import sqlalchemy as sa

    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT  # what the driver sets; pages that go bad cannot be had to order
    raise sa.exc.DatabaseError("SELECT", {}, error)


def test_a_sound_database_is_not_set_aside(home: Home) -> None:
    with pytest.raises(UserError, match="Nothing is wrong"):
        recover(home)
    assert len(effective_votes(home, "round")) == 6


def test_rows_beyond_a_damaged_page_are_found(tmp_path: Path) -> None:
    import sqlite3

    file = tmp_path / "rows.sqlite"
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"row {n} " + "x" * 80) for n in range(1, 2001)])
    db.commit()
    db.close()
    content = file.read_bytes()
    page = content.index(b"row 1000 ") // 4096 * 4096
    file.write_bytes(content[:page] + bytes(4096) + content[page + 4096 :])
    db = sqlite3.connect(file)
    ids = [row[0] for row in readable_rows(db, "t", ["id"])]
    db.close()
    assert 1900 < len(ids) < 2000 and ids[0] == 1 and ids[-1] == 2000 and 1000 not in ids
    assert ids == sorted(set(ids))


# ---- full and read-only disks, for real --------------------------------------------------------------------

VOTE_UNTIL_REFUSED = """
import sys, uuid
from tests.voting import by, make_session
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences.votes import next_item, vote
home = Home(__import__("pathlib").Path(sys.argv[1]))
try:
    while item := next_item(home, "round", by("ann")):
        vote(home, "round", by("ann"), item.token, "left", uuid.uuid4().hex, 1.0)
        print("saved", flush=True)
except UserError as error:
    print("refused:", error, flush=True)
"""


def refused(home: Home, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    """Votes in a process of its own until one is refused: how many were acknowledged, and why no more."""
    command = [*prefix, sys.executable, "-c", VOTE_UNTIL_REFUSED, str(home.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.splitlines()
    assert lines and lines[-1].startswith("refused:"), done.stdout + done.stderr
    return lines.count("saved"), lines[-1]


def mounted(options: str, folder: Path, then: str) -> tuple[str, ...]:
    """A command prefix that mounts a tmpfs on `folder` in a name space of its own; skips where that is not allowed."""
    try_out = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if not shutil.which("unshare") or subprocess.run(try_out, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow mounting")
    return "unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o {options} tmpfs {folder} && {then} && exec "$@"', "sh"


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_kept(home: Home, tmp_path: Path) -> None:
    store.forget(home)
    (small := tmp_path / "small").mkdir()
    read = f"cp {home.labels} {small}/ && dd if=/dev/zero of={small}/filler bs=1k count=60 2>/dev/null"
    size = home.labels.stat().st_size // 1024 + 60 + 120
    script = mounted(f"size={size}k", small, read)
    # the copy is looked at when the voting has ended, from within the same name space
    command = f'"$@"; cp {small}/labels.sqlite* {tmp_path}/ 2>/dev/null; true'
    prefix = (*script, "sh", "-c", command, "sh")
    saved, why = refused(Home(small), prefix)
    assert "The disk is full" in why and "Nothing was saved by this step" in why
    (kept_home := tmp_path / "kept").mkdir()
    for path in tmp_path.glob("labels.sqlite*"):
        path.rename(kept_home / path.name)
    assert len(effective_votes(Home(kept_home), "round")) == 6 + saved


def test_a_read_only_home_says_so(home: Home, tmp_path: Path) -> None:
    store.forget(home)
    (fixed := tmp_path / "fixed").mkdir()
    prefix = mounted("size=4m", fixed, f"cp {home.labels} {fixed}/ && mount -o remount,ro {fixed}")
    saved, why = refused(Home(fixed), prefix=prefix)
    assert saved == 0 and "cannot be written" in why


def test_a_file_that_may_not_grow_says_so(home: Home) -> None:
    store.forget(home)
    limit = home.labels.stat().st_size
    prefix = ("sh", "-c", f'trap "" XFSZ; ulimit -f {limit // 512}; exec "$@"', "sh")
    saved, why = refused(home, prefix=prefix)
    assert "Nothing was saved by this step" in why
    assert len(effective_votes(home, "round")) == 6 + saved
