"""The ledger of the disk: bytes counted once, verdicts that agree with what deleting does, and what came free."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.home_of_many import add_job, add_model, many
from tests.damaged import home_with_everything, model
from workbench.core.errors import UserError
from workbench.core.home import OLD, PARTIAL, Home, hidden_name
from workbench.core.spec import dump_yaml
from workbench.inventory.disk_deletion import delete_items
from workbench.inventory.disk_ledger import DiskItem, DiskLedger, disk_ledger
from workbench.inventory.disk_usage import Usage, UsageCache, joined_usage
from workbench.inventory.verdicts import HIDDEN
from workbench.jobs.events import EventLog
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model, list_models

SIZE = 64 * 1024


def ledger_of(home: Home) -> DiskLedger:
    return disk_ledger(home, Queue(home), UsageCache())


def by_key(home: Home) -> dict[str, DiskItem]:
    return {item.key: item for item in ledger_of(home).items if item.key}


def delete(home: Home, *keys: str) -> int:
    """Bytes that came free, now or when the bin is emptied."""
    deleted = delete_items(home, Queue(home), keys, UsageCache())
    return deleted.freed + deleted.in_bin


def checkpoints(job: Path, *names: str) -> None:
    for name in names or ("checkpoint-5",):
        folder = job / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "optimizer.pt").write_bytes(os.urandom(SIZE))


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


# ---- bytes -------------------------------------------------------------------------------------------------------


def test_a_tree_takes_what_its_files_take_and_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(bytes(8 * SIZE))
    (tmp_path / "a" / "one").write_bytes(os.urandom(SIZE))
    (tmp_path / "a" / "b" / "two").write_bytes(os.urandom(SIZE))
    (tmp_path / "a" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "nowhere").symlink_to(tmp_path / "gone")
    usage = UsageCache().usage(tmp_path / "a")
    assert 2 * SIZE <= usage.own <= 2 * SIZE + 4 * 4096 and usage.has_folders and usage.freed == usage.own
    assert UsageCache().usage(tmp_path / "gone") == Usage()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=4))
def test_each_file_counts_once_however_many_names_it_has(trees: list[list[int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(5):
            (root / f"file-{number}").write_bytes(os.urandom(4096 * (number + 1)))
        originals = {number: UsageCache().usage(root / f"file-{number}").own for number in range(5)}
        for at, links in enumerate(trees):
            (root / f"tree-{at}").mkdir()
            for place, number in enumerate(links):
                os.link(root / f"file-{number}", root / f"tree-{at}" / f"name-{place}")
        for number in range(5):
            (root / f"file-{number}").unlink()
        usages = [UsageCache().usage(root / f"tree-{at}") for at in range(len(trees))]
        seen: set[tuple[int, int]] = set()
        total = sum(usage.counted_once(seen) for usage in usages)
        assert total == sum(originals[number] for number in {number for links in trees for number in links})
        alone = [
            set(links) - {n for j, other in enumerate(trees) if j != i for n in other} for i, links in enumerate(trees)
        ]
        assert [usage.freed for usage in usages] == [sum(originals[number] for number in own) for own in alone]


def test_a_tree_that_did_not_change_is_not_walked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.inventory import disk_usage

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(os.urandom(SIZE))
    monkeypatch.setattr(disk_usage, "settled", lambda _: True)  # no waiting for the file system's clock to go on
    cache, walked = UsageCache(), list[Path]()
    walk = disk_usage._walk
    monkeypatch.setattr(disk_usage, "_walk", lambda path: walked.append(path) or walk(path))
    assert cache.usage(tmp_path) == cache.usage(tmp_path) and len(walked) == 1
    (tmp_path / "a" / "two").write_bytes(os.urandom(SIZE))
    assert cache.usage(tmp_path).own >= 2 * SIZE and len(walked) == 2
    cache.usage(tmp_path, growing=True)
    assert len(walked) == 3


def test_a_file_with_names_in_two_trees_that_go_together_comes_free(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "one").write_bytes(os.urandom(SIZE))
    os.link(tmp_path / "a" / "one", tmp_path / "b" / "two")
    usages = [UsageCache().usage(tmp_path / name) for name in ("a", "b")]
    assert [usage.freed for usage in usages] == [0, 0] and joined_usage(usages).freed == SIZE


# ---- items and verdicts ------------------------------------------------------------------------------------------


def test_everything_of_a_home_is_in_the_ledger_and_kinds_add_up(own_home: Path) -> None:
    home = home_with_everything(own_home)
    (home.root / "backups").mkdir(exist_ok=True)
    (home.root / "backups" / "old.yaml").write_bytes(os.urandom(SIZE))
    (home.cache / "encoded" / "x").mkdir(parents=True)
    (home.cache / "encoded" / "x" / "rows.arrow").write_bytes(os.urandom(SIZE))
    (home.cache / "uploads").mkdir()
    (home.cache / "uploads" / "rows.jsonl").write_bytes(os.urandom(SIZE))
    ledger = ledger_of(home)
    assert sum(size for _, size in ledger.categories) == sum(item.size for item in ledger.items)
    files = {p.lstat().st_ino: p.lstat().st_blocks * 512 for p in home.root.rglob("*") if p.is_symlink() or p.is_file()}
    assert sum(size for _, size in ledger.categories) == sum(files.values())
    names = {name for name, _ in ledger.categories}
    assert {"Models", "Adapters", "Quantized models", "Ensembles", "Datasets", "Caches", "Uploads", "Backups"} <= names
    assert [item.size for item in ledger.items] == sorted((item.size for item in ledger.items), reverse=True)
    assert all(item.reason for item in ledger.items) and 0 < ledger.free <= ledger.total


def test_the_cache_of_the_hub_is_told_where_it_lies_in_the_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    snapshots = home.root / "hf" / "hub" / "models--a--b"
    (snapshots / "blobs").mkdir(parents=True)
    (snapshots / "blobs" / "abc").write_bytes(os.urandom(SIZE))
    (snapshots / "model.safetensors").symlink_to(snapshots / "blobs" / "abc")
    assert "Hub cache" not in dict(ledger_of(home).categories)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home.root / "hf" / "hub"))
    categories = dict(ledger_of(home).categories)
    assert SIZE <= categories["Hub cache"] < 2 * SIZE


def test_what_the_ledger_refuses_of_models_is_what_deleting_refuses(own_home: Path) -> None:
    home = home_with_everything(own_home)
    model(home, "broken", config="[1]")
    for item in list(by_key(home).values()):
        if not item.key.startswith("model:"):
            continue
        name = item.key.removeprefix("model:")
        if item.verdict == "no":
            with pytest.raises(UserError):
                delete_model(home, name)
            with pytest.raises(UserError, match=r"stays: .*needed"):
                delete(home, item.key)
    items = by_key(home)
    assert items["model:toy"].verdict == "no" and "Base of the adapter lora" in items["model:toy"].reason
    assert "Member of the ensemble both" in items["model:lora"].reason
    assert items["model:both"].verdict == "ask" and items["model:broken"].reason.startswith("Damaged")
    assert delete(home, "model:broken") > 0
    assert "broken" not in [info.name for info in list_models(home)]


def test_what_a_waiting_job_names_stays(home: Home) -> None:
    many(home, 2, 2, 0)
    job = add_job(home, 3)
    (job / "events.jsonl").write_text("")
    EventLog(job / "events.jsonl").status("queued", turn=1)
    items = by_key(home)
    for key in ("model:model-00000", "dataset:set-00000", f"job:{job.name}"):
        assert items[key].verdict == "no", key
        with pytest.raises(UserError, match="stays"):
            delete(home, key)
    assert "which waits or runs, needs it" in items["model:model-00000"].reason
    assert items["model:model-00001"].verdict == items["dataset:set-00001"].verdict == "ask"


def test_which_models_answer_for_a_blind_session_is_not_told(home: Home) -> None:
    many(home, 3, 2, 0)
    job = add_job(home, 3)
    settings = {
        "method": "generate",
        "session": "round",
        "models": ["model-00000", "model-00001"],
        "prompts": "set-00000",
    }
    (job / "job.yaml").write_text(dump_yaml(settings))
    (job / "events.jsonl").write_text("")
    EventLog(job / "events.jsonl").status("queued", turn=1)
    items = by_key(home)
    models = [item for key, item in items.items() if key.startswith("model:")]
    assert {(item.verdict, item.reason) for item in models} == {("no", HIDDEN)} and len(models) == 3
    assert items["dataset:set-00000"].verdict == "no" and items["dataset:set-00001"].verdict == "ask"


def test_checkpoints_of_an_ended_run_may_go_if_its_model_is_kept(home: Home) -> None:
    many(home, 2, 1, 0)
    kept, lost, failed, none = (add_job(home, number) for number in (1, 2, 3, 4))
    add = (home.models / "model-00001").rename(home.models / "made-00001")
    assert add.is_dir()
    events = failed / "events.jsonl"
    events.write_text(events.read_text().replace('"done"', '"failed"'))
    for job in (kept, lost, failed):
        checkpoints(job)
    items = by_key(home)
    assert (
        items[f"work:{kept.name}"].verdict == "yes"
        and "made-00001 is on the shelf" in items[f"work:{kept.name}"].reason
    )
    assert items[f"work:{lost.name}"].verdict == "ask" and "all that is left" in items[f"work:{lost.name}"].reason
    assert items[f"work:{failed.name}"].verdict == "ask" and "Resume goes on" in items[f"work:{failed.name}"].reason
    assert f"work:{none.name}" not in items
    assert [item.key for item in ledger_of(home).spent_checkpoints] == [f"work:{kept.name}"]
    assert items[f"work:{kept.name}"].size >= SIZE > items[f"job:{kept.name}"].size


def test_deleting_checkpoints_leaves_the_job_and_says_what_came_free(home: Home) -> None:
    many(home, 1, 1, 0)
    job = add_job(home, 1)
    (home.models / "model-00000").rename(home.models / "made-00001")
    checkpoints(job, "checkpoint-5", "checkpoint-10")
    expected = by_key(home)[f"work:{job.name}"].freed
    assert delete(home, f"work:{job.name}") == expected >= 2 * SIZE
    assert not (job / "checkpoints").exists() and Queue(home).get(job.name).status == "done"
    assert f"work:{job.name}" not in by_key(home)


def test_a_file_that_has_a_name_elsewhere_frees_nothing(home: Home) -> None:
    many(home, 1, 1, 0)
    job = add_job(home, 1)
    (job / "download").mkdir()
    os.link(home.models / "model-00000" / "model.safetensors", job / "download" / "model.safetensors")
    item = by_key(home)[f"work:{job.name}"]
    assert item.size == 0 and item.freed == 0
    assert delete(home, item.key) == 0 and (home.models / "model-00000" / "model.safetensors").is_file()


def test_one_that_may_not_go_keeps_the_others_too(own_home: Path) -> None:
    home = home_with_everything(own_home)
    with pytest.raises(UserError, match="toy stays"):
        delete(home, "model:both", "model:toy")
    assert (home.models / "both").is_dir()
    for key in ("", "model:", "model:nothing", "cache:../models", "cache:jobs.sqlite", "work:x"):
        with pytest.raises(UserError, match="Nothing on the disk is called"):
            delete(home, key)


def test_caches_may_go_while_no_job_waits_or_runs(home: Home) -> None:
    (home.cache / "steps" / "abc").mkdir(parents=True)
    (home.cache / "steps" / "abc" / "rows.parquet").write_bytes(os.urandom(SIZE))
    assert by_key(home)["cache:steps"].verdict == "yes"
    many(home, 1, 1, 0)
    job = add_job(home, 1)
    done = (job / "events.jsonl").read_text()
    (job / "events.jsonl").write_text("")
    EventLog(job / "events.jsonl").status("queued", turn=1)
    assert by_key(home)["cache:steps"].verdict == "no"
    (job / "events.jsonl").write_text(done)
    assert delete(home, "cache:steps") >= SIZE and not (home.cache / "steps").exists()


def test_what_dead_processes_left_may_go_and_what_is_being_saved_stays(home: Home) -> None:
    dead = home.models / f"{PARTIAL}lost-999999999-abcdef"
    living = home.models / hidden_name(PARTIAL, "coming")
    replaced = home.datasets / f"{OLD}set-999999999-abcdef"
    for folder in (dead, living, replaced):
        folder.mkdir()
        (folder / "rows").write_bytes(os.urandom(SIZE))
    items = by_key(home)
    keys = {path: f"unfinished:{path.relative_to(home.root).as_posix()}" for path in (dead, living, replaced)}
    assert [items[keys[path]].verdict for path in (dead, living, replaced)] == ["yes", "no", "yes"]
    assert delete(home, keys[dead]) >= SIZE and not dead.exists() and living.exists()


def test_a_home_of_many_is_measured_quickly_and_again_more_quickly(home: Home) -> None:
    many(home, 150, 150, 150)
    cache, queue = UsageCache(), Queue(home)
    disk_ledger(home, queue, cache)
    time.sleep(0.06)  # until the file system's clock has gone on, and what is measured now can be kept
    disk_ledger(home, queue, cache)
    began = time.process_time()
    disk_ledger(home, queue, cache)
    assert time.process_time() - began < 1.0


# ---- the command line --------------------------------------------------------------------------------------------


def test_the_command_line_shows_refuses_and_deletes(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from workbench.__main__ import main

    def cli(*words: str) -> tuple[int, str, str]:
        code = main(["--home", str(home.root), *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    many(home, 2, 1, 0)
    job = add_job(home, 1)
    (home.models / "model-00001").rename(home.models / "made-00001")
    checkpoints(job)
    code, out, _ = cli("disk")
    assert code == 0 and " free of " in out and "--delete-checkpoints frees" in out and "Checkpoints of jobs" in out
    shown = json.loads(cli("disk", "--json", "--all")[1])
    assert {"free", "total", "kinds", "items"} == set(shown)
    assert next(item for item in shown["items"] if item["key"] == f"work:{job.name}")["may_go"] == "yes"
    code, _, err = cli("disk", "--delete", f"work:{job.name}")
    assert code == 1 and "Add --yes" in err and (job / "checkpoints").is_dir()
    code, out, _ = cli("disk", "--delete-checkpoints", "--yes")
    assert code == 0 and "freed" in out and not (job / "checkpoints").exists()
    assert "No ended run" in cli("disk", "--delete-checkpoints", "--yes")[2]
    assert "called 'model:nope'" in cli("disk", "--delete", "model:nope", "--yes")[2]
    add_model(home, 5)
    code, out, _ = cli("disk", "--json", "--delete", "model:model-00005", f"job:{job.name}", "--yes")
    assert code == 0 and json.loads(out)["in_bin"] > 0 and not job.exists()
