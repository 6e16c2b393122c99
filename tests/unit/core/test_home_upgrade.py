"""Versions of files and homes: older ones are upgraded once with a backup, newer and odd ones refused in words."""

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from tests.old_home import contents, unpack
from tests.small_disk import small_disk
from workbench.core import home_upgrade
from workbench.core.errors import UserError
from workbench.core.formats import FORMAT_VERSIONS, JOB_FORMAT, MANIFEST_FORMAT, FileFormat, NewerVersion
from workbench.core.home import Home
from workbench.core.home_upgrade import BACKUPS, VERSION_FILE, upgrade_home
from workbench.core.spec import dump_yaml, load_yaml


def rename_parents(data: dict[str, Any]) -> dict[str, Any]:
    """A change of form as a later version might make it."""
    return {"made_from" if key == "parents" else key: value for key, value in data.items()}


def write_label(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "label": data["name"].upper()}


LATER_MANIFEST = FileFormat(MANIFEST_FORMAT.file_name, MANIFEST_FORMAT.patterns, (rename_parents, write_label))
LATER = (LATER_MANIFEST, *[one for one in FORMAT_VERSIONS if one is not MANIFEST_FORMAT])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unpack(tmp_path / "old")


def upgrade_later(root: Path) -> list[str]:
    """Opens the home as the later version would; what it says."""
    said: list[str] = []
    upgrade_home(root, said.append, LATER)
    return said


def manifests(root: Path) -> dict[str, Any]:
    return {path.parent.name: load_yaml(path.read_text()) for path in root.glob("[dm]*/*/manifest.yaml")}


def test_a_file_is_brought_through_every_version_and_not_changed_itself() -> None:
    old = {"name": "toy", "parents": []}
    assert LATER_MANIFEST.upgrade(old) == {"name": "toy", "made_from": [], "label": "TOY"}
    assert old == {"name": "toy", "parents": []}
    assert LATER_MANIFEST.upgrade({"format": 2, "name": "toy", "parents": 1}) == {
        "name": "toy", "parents": 1, "label": "TOY",
    }  # fmt: skip
    written = LATER_MANIFEST.stamp({"name": "toy"})
    assert written == {"format": 3, "name": "toy"} and LATER_MANIFEST.upgrade(written) == {"name": "toy"}


@pytest.mark.parametrize("version", [0, -1, 1.0, True, "1", "later", None, [1], {}])
def test_what_is_no_version_is_refused(version: object) -> None:
    with pytest.raises(UserError, match=r"no version of job.yaml of one"):
        JOB_FORMAT.upgrade({"format": version}, "one")


@pytest.mark.parametrize("version", [2, 99, 2**70])
def test_a_newer_file_is_refused_in_words(version: int) -> None:
    with pytest.raises(NewerVersion, match=f"job.yaml of one has version {version}.*newer LLM Workbench.*Update"):
        JOB_FORMAT.upgrade({"format": version}, "one")


def test_a_file_that_is_not_as_its_version_wrote_it_is_named() -> None:
    with pytest.raises(UserError, match=r"manifest.yaml of toy cannot be upgraded from version 2: .*KeyError: 'name'"):
        LATER_MANIFEST.upgrade({"parents": []}, "toy")


def test_an_old_home_is_upgraded_once_with_a_backup_that_is_named(root: Path) -> None:
    before = contents(root)
    (said,) = upgrade_later(root)
    (backup,) = (root / BACKUPS).iterdir()
    assert str(backup) in said and f"{len(manifests(root))} files" in said
    found = manifests(root)
    assert {one["format"] for one in found.values()} == {3} and not any("parents" in one for one in found.values())
    assert [parent["name"] for parent in found["taught"]["made_from"]] == ["toy", "talks"]
    copies = contents(backup)
    assert len(copies) == len(found) and all(before[path] == content for path, content in copies.items())
    after = contents(root)
    assert {path for path in before if before[path] != after[path]} == set(copies)
    assert load_yaml((root / VERSION_FILE).read_text())["manifest.yaml"] == 3
    assert upgrade_later(root) == [] and contents(root) == after
    assert not list(root.glob(".upgrade-*"))


def test_todays_version_opens_an_old_home_without_changing_a_file(root: Path) -> None:
    before = contents(root)
    Home.at(root, pytest.fail)
    assert contents(root) == before
    recorded = load_yaml((root / VERSION_FILE).read_text())
    assert recorded == {one.file_name: one.version for one in FORMAT_VERSIONS}


def test_a_home_left_half_way_is_finished(root: Path) -> None:
    one = root / "models" / "toy" / "manifest.yaml"
    half = dump_yaml(LATER_MANIFEST.stamp(LATER_MANIFEST.upgrade(load_yaml(one.read_text()))))
    one.write_text(half)
    (root / ".upgrade-dead" / "after").mkdir(parents=True)
    upgrade_later(root)
    assert one.read_text() == half and {found["format"] for found in manifests(root).values()} == {3}
    assert not list(root.glob(".upgrade-*"))


def test_damaged_and_newer_files_stay_as_they_are_and_the_others_are_upgraded(root: Path) -> None:
    odd = {"blend": "format: [", "other": "format: 17\nname: other\n", "toy": "- a list\n", "imported": "parents: []\n"}
    for name, text in odd.items():
        (root / "models" / name / "manifest.yaml").write_text(text)
    upgrade_later(root)
    for name, text in odd.items():
        assert (root / "models" / name / "manifest.yaml").read_text() == text
    assert load_yaml((root / "models" / "taught" / "manifest.yaml").read_text())["format"] == 3


def test_a_home_of_a_newer_version_is_refused_and_not_touched(root: Path) -> None:
    upgrade_later(root)
    before = contents(root)
    with pytest.raises(UserError, match=r"newer LLM Workbench: version.yaml tells version 3 of manifest.yaml.*Update"):
        Home.at(root)
    (root / VERSION_FILE).write_text("evaluation.yaml: 1\n")
    with pytest.raises(NewerVersion, match=r"evaluation.yaml, this program reads no such files"):
        Home.at(root)
    assert contents(root) == before


@pytest.mark.parametrize("text", ["manifest.yaml: [", "- 1", "manifest.yaml: one", "manifest.yaml: 0", "", "\0", "1"])
def test_a_damaged_version_file_is_named_with_its_remedy(root: Path, text: str) -> None:
    (root / VERSION_FILE).write_text(text)
    with pytest.raises(UserError, match=r"(?s)version.yaml is damaged: .*Delete it; it is made anew"):
        Home.at(root)
    (root / VERSION_FILE).unlink()
    Home.at(root)
    assert (root / VERSION_FILE).is_file()


def _open(root: Path, barrier: Any, said: Any) -> None:
    barrier.wait()
    upgrade_home(root, said.put, LATER)


def test_two_processes_that_open_it_at_once_upgrade_it_once(root: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, said = context.Barrier(3), context.SimpleQueue()
    processes = [context.Process(target=_open, args=(root, barrier, said)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    said.get()
    assert said.empty() and len(list((root / BACKUPS).iterdir())) == 1


def test_a_lock_that_is_never_given_back_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_upgrade, "LOCK_SECONDS", 0.05)
    with home_upgrade.filelock.FileLock(root / home_upgrade.LOCK_FILE), pytest.raises(UserError, match="Another proc"):
        upgrade_later(root)


def test_a_full_disk_changes_nothing_and_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        root = unpack(disk.path / "old")
        before = contents(root)
        disk.fill()
        with pytest.raises(UserError, match="cannot be upgraded: The disk is full"):
            upgrade_later(root)
        assert contents(root) == before and not (root / VERSION_FILE).exists()
        assert not list(root.glob(".upgrade-*")) and not (root / BACKUPS).exists()
        disk.free()
        assert len(upgrade_later(root)) == 1


def test_a_read_only_home_is_refused_where_it_needs_an_upgrade_and_else_opened(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        root = unpack(disk.path / "old")
        (root / "cache").mkdir()
        before = contents(root)
        disk.read_only()
        with pytest.raises(UserError, match="cannot be upgraded: The disk can only be read"):
            upgrade_later(root)
        assert Home.at(root, pytest.fail).root == root and not os.path.lexists(root / VERSION_FILE)
        assert contents(root) == before
