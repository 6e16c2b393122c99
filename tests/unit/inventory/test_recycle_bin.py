"""The bin: what was deleted comes back whole, under another name where its own is taken, and goes after its days."""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bench.home_of_many import add_job, many
from tests.voting import by, make_session
from workbench.__main__ import main
from workbench.core.change_log import acting_as, read_changes
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.recycle_bin import (
    BinEntry,
    bin_folders,
    empty_expired,
    free_space_remedy,
    list_bin,
    put_in_bin,
)
from workbench.data.recipes.recipe import Recipe
from workbench.data.store.datasets import delete_dataset, list_datasets, write_rows
from workbench.inventory.bin_contents import empty_bin, restore_entry
from workbench.inventory.disk_deletion import delete_items
from workbench.inventory.disk_ledger import disk_ledger
from workbench.inventory.disk_usage import UsageCache
from workbench.inventory.verdicts import consequences, refuse_needed
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model
from workbench.preferences import store, tables
from workbench.preferences.blinding import close_session
from workbench.preferences.session_copies import PARTS, delete_session
from workbench.preferences.sessions import create_session, get_session, list_sessions
from workbench.preferences.votes import next_item, undo_latest, vote

TALKS = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def only(home: Home) -> BinEntry:
    entries = list_bin(home)
    assert len(entries) == 1
    return entries[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of_session(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every row but the ids, which are the database's own affair, and the places they refer to by order."""
    found = {}
    with store.reading(home) as db:
        for name, table in {"session": tables.sessions, **PARTS}.items():
            columns = [column for column in table.columns if column.name != "id" and not column.foreign_keys]
            rows = db.execute(sa.select(*columns).order_by(table.c.id)).all()
            found[name] = [tuple(str(value) for value in row) for row in rows]
    return found


def voted_session(home: Home, name: str = "s") -> None:
    make_session(home, name, 3, ("a", "b", "c"))
    for number in range(4):
        pair = next_item(home, name, by("Vera"))
        assert pair
        vote(home, name, by("Vera"), pair.token, ("left", "right", "tie", "skip")[number], f"{name} {number}", 1.5)
    undo_latest(home, name, by("Vera"), f"{name} undo")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.bin", fullmatch=True), st.binary(max_size=200), min_size=1, max_size=5
    ),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", fullmatch=True),
)
def test_what_is_deleted_and_restored_has_the_same_bytes(
    files: dict[str, bytes], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Home.at(tmp_path_factory.mktemp("home"))
    folder = home.models / name
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    delete_model(home, name)
    assert not folder.exists() and only(home).name == name
    assert restore_entry(home, name)[1] == name
    assert contents(folder) == files and list_bin(home) == []


def test_a_dataset_comes_back_and_its_recipe_follows_another_name(home: Home) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    before = contents(home.datasets / "talks")
    delete_dataset(home, "talks")
    assert list_datasets(home) == []
    write_rows(home, "talks", "conversation", TALKS)
    with pytest.raises(UserError, match="There is a dataset 'talks' by now") as refused:
        restore_entry(home, "talks")
    assert "another name" in refused.value.remedy
    for odd in ("../talks", "a/b", "..", ".hidden", "\0"):
        with pytest.raises(UserError):
            restore_entry(home, "talks", odd)
    assert only(home).kind == "dataset"
    assert restore_entry(home, "talks", "older")[1] == "older"
    assert contents(home.datasets / "older") == before
    (home.datasets / "older" / "recipe.yaml").write_text("name: talks\nsteps: []\n")
    assert Recipe.at(home.datasets / "older").name == "older"


def test_a_session_comes_back_with_every_answer_and_vote(home: Home) -> None:
    voted_session(home)
    close_session(home, "s", by("Olga"))
    before, info = rows_of_session(home), get_session(home, "s")
    make = [create_session(home, name, ["x", "y"], "p", {}) for name in ("before", "after")]
    delete_session(home, "s")
    assert [one.name for one in list_sessions(home)] == ["after", "before"] and len(make) == 2
    assert only(home).path.stat().st_mode & 0o077 == 0
    restore_entry(home, "s")
    delete_session(home, "before")
    delete_session(home, "after")
    assert get_session(home, "s") == info
    after = rows_of_session(home)
    assert after == before and len(after["vote_event"]) == 5


def test_a_session_restored_beside_another_goes_on_where_it_was(home: Home) -> None:
    voted_session(home)
    votes = get_session(home, "s").votes
    delete_session(home, "s")
    voted_session(home, "t")
    make_session(home, "s", 1)
    with pytest.raises(UserError, match="by now"):
        restore_entry(home, "s")
    assert restore_entry(home, "s", "again")[1] == "again"
    assert get_session(home, "again").votes == votes and get_session(home, "t").votes == votes
    pair = next_item(home, "again", by("Vera"))
    assert pair
    vote(home, "again", by("Vera"), pair.token, "left", "further", 1.0)
    assert get_session(home, "again").votes == votes + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": "session copy 1"}',
        '{"format": "session copy 1", "schema": 1, "tables": {"session": []}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_copy_of_a_session_is_refused_and_stays(home: Home, text: str) -> None:
    make_session(home, "s", 1)
    delete_session(home, "s")
    only(home).path.write_text(text)
    with pytest.raises(UserError):
        restore_entry(home, "s")
    assert only(home).name == "s" and list_sessions(home) == []


def test_a_copy_with_rows_that_do_not_fit_changes_nothing(home: Home) -> None:
    make_session(home, "s", 2)
    delete_session(home, "s")
    path = only(home).path
    data = json.loads(path.read_text())
    data["tables"]["pair"][1]["answer_a"] = 10**9
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="damaged"):
        restore_entry(home, "s")
    assert list_sessions(home) == [] and not any(rows_of_session(home).values())
    data["schema"] = tables.SCHEMA_VERSION + 1
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="newer"):
        restore_entry(home, "s")


def test_a_job_comes_back_and_one_that_waited_does_not_run(home: Home) -> None:
    queue = Queue(home)
    job_id = queue.submit(JOBS.parse({"method": "starter-model"}))
    queue.delete(job_id)
    assert queue.all() == [] and only(home).kind == "job"
    restore_entry(home, job_id)
    assert queue.get(job_id).status == "stopped" and [row.id for row in queue.all()] == [job_id]


def test_what_lies_there_that_is_none_of_ours_breaks_nothing_and_stays(home: Home) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    delete_dataset(home, "talks")
    folder = bin_folders(home)["dataset"]
    (folder / "what").mkdir()
    (folder / "99999999T999999-00000000~x").write_text("")
    (folder / os.fsdecode(b"\xff\xfe")).write_text("")
    (folder / "20260101T000000-00000000~..").mkdir()
    strange = [entry for entry in list_bin(home) if entry.error]
    assert len(strange) == 3
    for entry in strange:
        with pytest.raises(UserError, match="cannot be restored"):
            restore_entry(home, entry.id)
    with pytest.raises(UserError):
        restore_entry(home, "dataset ..")
    assert disk_ledger(home, Queue(home), UsageCache()).items
    empty_bin(home)
    assert len(list_bin(home)) == 3
    with pytest.raises(UserError, match="Nothing in the bin"):
        restore_entry(home, "../datasets")


def test_a_bin_that_is_a_link_is_no_bin(home: Home, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "20200101T000000-00000000~x").mkdir()
    bin_folders(home)["model"].symlink_to(tmp_path / "elsewhere")
    assert list_bin(home) == [] and empty_expired(home) == []
    assert (tmp_path / "elsewhere" / "20200101T000000-00000000~x").is_dir()


def test_of_a_link_what_it_leads_to_stays(home: Home, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "weights").write_text("w")
    (home.models / "linked").symlink_to(tmp_path / "far")
    delete_model(home, "linked")
    empty_bin(home)
    assert (tmp_path / "far" / "weights").read_text() == "w" and list_bin(home) == []


def test_what_has_been_there_for_its_days_goes_by_itself(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    delete_dataset(home, "talks")
    now = datetime.datetime.now(datetime.UTC)
    assert empty_expired(home, now + datetime.timedelta(days=6.9)) == []
    monkeypatch.setenv("WORKBENCH_BIN_DAYS", "30")
    assert empty_expired(home, now + datetime.timedelta(days=8)) == []
    monkeypatch.delenv("WORKBENCH_BIN_DAYS")
    assert [entry.name for entry in empty_expired(home, now + datetime.timedelta(days=7.1))] == ["talks"]
    assert list_bin(home) == [] and read_changes(home.root)[-1].kind == "removed for good"


def test_a_deletion_that_is_killed_leaves_it_in_one_place_or_the_other(home: Home) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    before = contents(home.datasets / "talks")
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom workbench.core import recycle_bin\n"
        "from workbench.core.home import Home\n"
        "recycle_bin.record_change = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "recycle_bin.put_in_bin(Home.at(sys.argv[1]), 'dataset', Path(sys.argv[1]) / 'datasets' / 'talks')\n"
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", script, str(home.root)], check=False, cwd=root).returncode == -9
    assert list_datasets(home) == []
    restore_entry(home, "talks")
    assert contents(home.datasets / "talks") == before


def test_a_deletion_the_disk_refuses_leaves_it_on_its_shelf(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(home, "talks", "conversation", TALKS)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match="talks was not deleted"):
        put_in_bin(home, "dataset", home.datasets / "talks")
    assert [one.name for one in list_datasets(home)] == ["talks"]
    assert not any(change.kind == "deleted" for change in read_changes(home.root))


def test_a_session_whose_deletion_fails_stays_and_is_not_in_the_bin(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_session(home, "s", 1)
    monkeypatch.setattr("workbench.preferences.session_copies.put_text_in_bin", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        delete_session(home, "s")
    assert get_session(home, "s").prompts == 1 and list_bin(home) == []


def test_a_dataset_that_a_job_waits_for_stays(home: Home) -> None:
    many(home, 2, 2, 0)
    queue = Queue(home)
    verdict, reason = consequences(home, queue, "dataset", "set-00000")
    assert verdict == "ask" and "Nothing on the shelf" in reason
    job = add_job(home, 3)
    (job / "events.jsonl").write_text("")
    EventLog(job / "events.jsonl").status("queued", turn=1)
    with pytest.raises(UserError, match="set-00000 stays: The job"):
        refuse_needed(home, Queue(home), "dataset", "set-00000")


def test_sessions_are_named_before_what_they_were_made_from_goes(home: Home) -> None:
    write_rows(home, "questions", "conversation", TALKS)
    (home.models / "tuned").mkdir()
    make_session(home, "s", 1)
    queue = Queue(home)
    assert "the sessions s" in consequences(home, queue, "dataset", "questions")[1]
    assert "s" not in consequences(home, queue, "model", "tuned")[1].split()
    close_session(home, "s", by("Olga"))
    assert "the closed sessions s." in consequences(home, queue, "model", "tuned")[1]


def test_the_disk_counts_the_bin_and_deletes_from_it(home: Home) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    queue, cache = Queue(home), UsageCache()
    assert free_space_remedy(home) == "Free some space."
    deleted = delete_items(home, queue, ["dataset:talks"], cache)
    assert deleted.freed == 0 and deleted.in_bin > 0 and "in the bin for 7 days" in deleted.sentence()
    ledger = disk_ledger(home, queue, cache)
    item = next(item for item in ledger.items if item.key.startswith("bin:"))
    assert dict(ledger.categories)["Bin"] == item.size > 0 and "Empty the bin (1 item)" in free_space_remedy(home)
    assert delete_items(home, queue, [item.key], cache).freed > 0 and list_bin(home) == []


def test_who_deleted_and_who_restored_is_recorded(home: Home) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    with acting_as("Anna"):
        delete_dataset(home, "talks")
    with acting_as("Olga"):
        restore_entry(home, "talks", "older")
    changes = [(each.person, each.kind, each.object_name) for each in read_changes(home.root)[-2:]]
    assert changes == [("Anna", "deleted", "talks"), ("Olga", "restored", "older")]


def test_the_command_lists_restores_and_empties(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(home, "talks", "conversation", TALKS)
    where = ["--home", str(home.root)]
    assert main([*where, "delete", "dataset", "talks"]) == 0 and "bin restore talks" in capsys.readouterr().out
    assert main([*where, "--json", "bin", "list"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "talks"
    assert main([*where, "bin", "restore", "talks", "--name", "older"]) == 0
    assert main([*where, "delete", "dataset", "older"]) == 0
    assert main([*where, "bin", "empty"]) == 1 and "--yes" in capsys.readouterr().err
    assert main([*where, "bin", "empty", "--yes"]) == 0 and "1 removed for good" in capsys.readouterr().out
    assert main([*where, "bin", "empty", "--yes"]) == 0 and "The bin is empty" in capsys.readouterr().out
    assert main([*where, "bin", "restore", "talks"]) == 1
