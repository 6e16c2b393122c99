"""Backups: whole while votes come in, restored into an empty home alone, and no archive writes where it may not."""

import io
import json
import sqlite3
import stat
import tarfile
import threading
import uuid
from pathlib import Path

import pytest

from tests.toys import toy_home
from tests.voting import by, make_session
from workbench.backup import archive_layout, backup_writer
from workbench.backup.backup_writer import write_backup
from workbench.backup.restoring import restore
from workbench.core.change_log import read_changes
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.store.datasets import list_datasets
from workbench.models.shelf import list_models
from workbench.people.accounts import check_password, list_people
from workbench.people.invitations import accept_invitation, invite_first_owner
from workbench.preferences import store, tables
from workbench.preferences.sessions import get_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote

PASSWORD = "correct horse battery"


def give(home: Home, who: str, key: str = "") -> str:
    key = key or uuid.uuid4().hex
    item = next_item(home, "round", by(who))
    assert item
    vote(home, "round", by(who), item.token, "left", key, 1.0)
    return key


def keys(home: Home) -> set[str]:
    with store.reading(home) as db:
        return set(db.scalars(tables.vote_events.select().with_only_columns(tables.vote_events.c.key)))


@pytest.fixture
def home(tmp_path: Path, labels_database: str) -> Home:
    made = Home.at(tmp_path / "home")
    make_session(made, "round", 200)
    accept_invitation(made, invite_first_owner(made), "Olga", PASSWORD)
    (made.root / "server.key").write_bytes(b"k" * 32)
    return made


@pytest.fixture
def elsewhere(tmp_path: Path, labels_database: str, request: pytest.FixtureRequest) -> Path:
    """Where to restore: another folder, and on a server another database."""
    return tmp_path / "new" / "home"


def other_database(monkeypatch: pytest.MonkeyPatch, labels_database: str) -> None:
    """The votes of a server's database are restored into an SQLite file, those of a file into a file."""
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)


def test_a_backup_taken_while_votes_come_in_holds_every_vote_acknowledged_before_it_began(
    home: Home, elsewhere: Path, labels_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def work(who: str) -> None:
        while not stop.is_set() and len(acknowledged) < 190:
            acknowledged.append(give(home, who))

    threads = [threading.Thread(target=work, args=(who,)) for who in ("ann", "bob")]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 5:
        threads[0].join(0.01)
    before = set(acknowledged)
    done = write_backup(home, tmp_path / "b.tar.gz", Task())
    stop.set()
    for thread in threads:
        thread.join()
    after = keys(home)
    other_database(monkeypatch, labels_database)
    restored = restore(elsewhere, done.file, Task())
    new = Home.at(elsewhere)
    kept = keys(new)
    assert before <= kept <= after and done.facts.votes == len(kept)
    assert get_session(new, "round").votes == len(kept) == len(effective_votes(new, "round"))
    assert [person.name for person in list_people(new)] == ["Olga"] and check_password(new, "Olga", PASSWORD)
    assert not (elsewhere / "server.key").exists() and any("logs in again" in note for note in restored.notes)
    assert give(new, "cem") in keys(new)  # ids go on where they were


def test_votes_of_a_file_are_restored_into_a_server_that_is_empty_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    home = Home.at(tmp_path / "home")
    make_session(home, "round", 5)
    key = give(home, "ann")
    file = write_backup(home, tmp_path / "b.tar.gz", Task()).file
    request.getfixturevalue("postgres_labels")
    restore(tmp_path / "new", file, Task())
    new = Home.at(tmp_path / "new")
    assert keys(new) == {key} and not new.labels.exists()
    assert {key, give(new, "bob")} == keys(new)
    with pytest.raises(UserError, match="not empty"):
        restore(tmp_path / "third", file, Task())
    assert not (tmp_path / "third").exists()


def test_models_datasets_jobs_and_recipes_come_back_and_large_weights_by_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_writer, "SMALL_MODEL_BYTES", 1000)
    home = toy_home(tmp_path / "home")
    job = home.jobs / "one" / "checkpoint-4"
    job.mkdir(parents=True)
    (job.parent / "job.yaml").write_text("method: nothing\n")
    (job / "model.safetensors").write_bytes(b"x" * 5000)
    small = write_backup(home, tmp_path / "small.tar.gz", Task())
    whole = write_backup(home, tmp_path, Task(), with_models=True)
    assert [one.name for one in small.facts.left_out] == ["toy"] and not whole.facts.left_out
    assert stat.S_IMODE(whole.file.stat().st_mode) == 0o600 and whole.file.parent == tmp_path
    notes = restore(tmp_path / "a", small.file, Task()).notes
    assert any("toy (" in note for note in notes)
    restore(tmp_path / "b", whole.file, Task())
    for folder, models in (("a", []), ("b", ["toy"])):
        new = Home.at(tmp_path / folder)
        assert [info.name for info in list_models(new)] == models
        assert [each.name for each in list_datasets(new)] == [each.name for each in list_datasets(home)]
        assert (new.jobs / "one" / "job.yaml").read_text() == "method: nothing\n"
        assert not list(new.jobs.rglob("*.safetensors"))
    assert not [path for path in tmp_path.iterdir() if "restore" in path.name or "partial" in path.name]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(store.URL_VARIABLE, raising=False)
    home = Home.at(tmp_path / "small")
    make_session(home, "round", 2)
    return write_backup(home, tmp_path / "b.tar.gz", Task()).file


def test_only_an_empty_home_is_restored_into(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "used"
    Home.at(target)
    (target / "models" / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty") as caught:
        restore(target, archive, Task())
    assert "--home" in caught.value.remedy and (target / "models" / "note.txt").read_text() == "mine"
    (target / "models" / "note.txt").unlink()
    restore(target, archive, Task())  # empty folders are no home yet
    assert get_session(Home.at(target), "round").pairs == 2


def test_a_name_that_is_taken_and_a_folder_that_is_not_there_are_refused(archive: Path, tmp_path: Path) -> None:
    home, content = Home.at(tmp_path / "small"), archive.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        write_backup(home, archive, Task())
    with pytest.raises(UserError, match="no folder"):
        write_backup(home, tmp_path / "none" / "b.tar.gz", Task())
    assert archive.read_bytes() == content


def members(archive: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(archive) as opened:
        return [(member, opened.extractfile(member).read()) for member in opened]  # type: ignore[union-attr]


def rewritten(archive: Path, content: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    target = archive.with_name("changed.tar.gz")
    with tarfile.open(target, "w:gz") as opened:
        for member, data in content:
            opened.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return target


def extra(name: str, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = 0 if "type" in fields else 1
    for field, value in fields.items():
        setattr(member, field, value)
    return member, b"x"


TRICKS = [
    extra("../outside"), extra("/tmp/outside"), extra("datasets/../../outside"), extra("datasets/./x"),
    extra("datasets//x"), extra("C:/x"), extra("datasets\\..\\x"), extra("server.key"), extra(".ssh/keys"),
    extra("models/x", type=tarfile.SYMTYPE, linkname="/etc/passwd"), extra("jobs/" + "x" * 2000),
    extra("models/x", type=tarfile.LNKTYPE, linkname="labels.sqlite"), extra("models/p", type=tarfile.FIFOTYPE),
    extra("models/x", type=tarfile.CHRTYPE), extra("models/d", type=tarfile.DIRTYPE), extra("labels.sqlite"),
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: f"{trick[0].name[:24]} {trick[0].type.decode()}")
def test_an_archive_that_would_write_elsewhere_is_refused_and_changes_nothing(
    archive: Path, tmp_path: Path, trick: tuple[tarfile.TarInfo, bytes]
) -> None:
    *content, sums = members(archive)
    before = sorted(tmp_path.rglob("*"))
    changed = rewritten(archive, [*content, trick, sums])
    with pytest.raises(UserError, match="cannot be restored"):
        restore(tmp_path / "new", changed, Task())
    changed.unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_one_changed_byte_a_missing_end_and_another_file_are_refused(archive: Path, tmp_path: Path) -> None:
    *content, sums = members(archive)
    labels = next(index for index, (member, _) in enumerate(content) if member.name == "labels.sqlite")
    member, data = content[labels]
    flipped = [*content[:labels], (member, data[:-1] + bytes([data[-1] ^ 1])), *content[labels + 1 :], sums]
    cases = [flipped, content, [sums], [*content[1:], sums], [*content, sums, extra("jobs/late")]]
    for case in cases:
        with pytest.raises(UserError, match="cannot be restored"):
            restore(tmp_path / "new", rewritten(archive, case), Task())
    cut = tmp_path / "cut.tar.gz"
    for size in (0, 10, archive.stat().st_size // 2, archive.stat().st_size * 3 // 4):
        cut.write_bytes(archive.read_bytes()[:size])
        with pytest.raises(UserError, match="cannot be restored"):
            restore(tmp_path / "new", cut, Task())
    assert not (tmp_path / "new").exists()


def test_more_than_the_disk_takes_and_a_newer_version_are_refused(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = members(archive)
    facts = json.loads(content[0][1])
    for change in ({"format": archive_layout.ARCHIVE_VERSION + 1}, {"schema": tables.SCHEMA_VERSION + 1}):
        data = json.dumps(facts | change).encode()
        content[0][0].size = len(data)
        with pytest.raises(UserError, match="newer"):
            restore(tmp_path / "new", rewritten(archive, [(content[0][0], data), *content[1:]]), Task())
    monkeypatch.setattr("workbench.backup.restoring.SPARE_BYTES", 10**18)
    with pytest.raises(UserError, match="no room"):
        restore(tmp_path / "new", archive, Task())
    assert not (tmp_path / "new").exists()


def test_labels_of_an_older_version_are_upgraded(archive: Path, tmp_path: Path) -> None:
    import hashlib

    content = members(archive)
    index = next(n for n, (member, _) in enumerate(content) if member.name == "labels.sqlite")
    old = tmp_path / "old.sqlite"
    with sqlite3.connect(old) as db:
        db.executescript((Path(__file__).parents[1] / "preferences" / "labels_v1.sql").read_text())
    db.close()
    data = old.read_bytes()
    content[index][0].size = len(data)
    content[index] = content[index][0], data
    sums = json.loads(content[-1][1]) | {"labels.sqlite": [len(data), hashlib.sha256(data).hexdigest()]}
    text = json.dumps(sums).encode()
    content[-1][0].size = len(text)
    content[-1] = content[-1][0], text
    restore(tmp_path / "new", rewritten(archive, content), Task())
    assert keys(Home.at(tmp_path / "new"))


def test_the_record_comes_back_and_says_that_it_was_restored(archive: Path, tmp_path: Path) -> None:
    restore(tmp_path / "new", archive, Task())
    changes = [(each.kind, each.object_kind, each.object_name) for each in read_changes(tmp_path / "new")]
    assert changes == [("created", "session", "round"), ("restored", "home", "from a backup")]
