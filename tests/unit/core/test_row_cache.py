"""Rows of a shelf are read again when a file they are made from changed, and only then."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.toys import conversations
from workbench.core import row_cache
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest, write_manifest
from workbench.core.row_cache import RowCache
from workbench.data.store.datasets import list_datasets, write_rows
from workbench.models import shelf


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written a moment ago count as if they had been written long ago."""
    monkeypatch.setattr(row_cache, "RACY_NS", -1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shelf" / "one"
    made.mkdir(parents=True)
    (made / "text").write_text("first")
    return made


class Reader:
    """Reads the file 'text' of a folder, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> str:
        self.count += 1
        return (folder / "text").read_text()


def replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("secnd")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)


def rewritten_at_the_same_time(file: Path) -> None:
    times = file.stat()
    file.write_text("secnd")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def put_in_the_place_of_its_folder(file: Path) -> None:
    old = file.parent.rename(file.parent.with_name("old"))
    file.parent.mkdir()
    file.write_text("secnd")
    os.utime(file, ns=(file.stat().st_atime_ns, (old / file.name).stat().st_mtime_ns))


def test_a_row_is_read_once_for_any_number_of_looks(folder: Path, settled: None) -> None:
    cache = RowCache(read := Reader())
    assert [cache.row(folder) for _ in range(5)] == ["first"] * 5 and read.count == 1


@pytest.mark.parametrize("change", [replaced, rewritten_at_the_same_time, put_in_the_place_of_its_folder])
def test_a_change_that_keeps_size_and_time_is_seen(change: object, folder: Path, settled: None) -> None:
    cache = RowCache(Reader())
    assert cache.row(folder) == "first"
    change(folder / "text")  # type: ignore[operator]
    assert cache.row(folder) == "secnd"


def test_a_file_written_a_moment_ago_is_not_trusted_yet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cache, "RACY_NS", 3600 * 10**9)
    cache = RowCache(read := Reader())
    cache.row(folder), cache.row(folder)
    assert read.count == 2


def test_times_in_the_future_do_not_keep_rows_from_being_kept(folder: Path) -> None:
    """The clock was set back an hour: what is written from now on has other times."""
    ahead = time.time_ns() + 3600 * 10**9
    assert row_cache.settled([(ahead, ahead, 5, 7)])


def test_what_changes_while_it_is_read_is_not_kept(folder: Path, settled: None) -> None:
    def read(at: Path) -> str:
        text = (at / "text").read_text()
        (at / "text").write_text(f"{text}+")
        return text

    cache = RowCache(read)
    assert [cache.row(folder) for _ in range(3)] == ["first", "first+", "first++"]


def test_an_error_is_read_again_after_a_while(folder: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = RowCache(read := Reader(), lasting=lambda row: row != "first")
    cache.row(folder), cache.row(folder)
    assert read.count == 1
    at = time.monotonic() + RowCache.SOON
    monkeypatch.setattr(time, "monotonic", lambda: at)
    cache.row(folder)
    assert read.count == 2


def test_rows_of_deleted_folders_are_let_go(folder: Path, settled: None) -> None:
    other = folder.with_name("two")
    other.mkdir()
    (other / "text").write_text("x")
    cache = RowCache(Reader())
    cache.rows([folder, other], lambda *_: "")
    cache.rows([folder], lambda *_: "")
    assert list(cache._shelves[str(folder.parent)]) == ["one"]
    assert cache.rows([folder, folder.with_name("gone")], lambda at, _: f"no {at.name}") == ["first", "no gone"]


def test_threads_see_every_write_that_ended_before_their_look(folder: Path) -> None:
    cache, wrong, halt = RowCache(Reader()), [], threading.Event()
    latest = [0]

    def look() -> None:
        while not halt.is_set():
            before = latest[0]
            found = cache.row(folder)
            if found.isdigit() and int(found) < before:
                wrong.append((found, before))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(100, 400):
        partial = folder / ".partial"
        partial.write_text(str(number))
        partial.replace(folder / "text")
        latest[0] = number
    halt.set()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- the shelves -----------------------------------------------------------------------------------------------


def bare_model(home: Home, name: str, architecture: str = "LlamaForCausalLM") -> Path:
    folder = home.models / name
    folder.mkdir()
    (folder / "config.json").write_text(f'{{"architectures": ["{architecture}"]}}')
    write_manifest(folder, Manifest(kind="model", name=name))
    return folder


def test_a_list_of_models_opens_no_file_twice(own_home: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.at(own_home)
    for number in range(20):
        bare_model(home, f"model-{number:02}")
    first = shelf.list_models(home)
    monkeypatch.setattr(shelf, "read_manifest", lambda folder: pytest.fail(f"{folder} was read again"))
    assert [one is other for one, other in zip(shelf.list_models(home), first, strict=True)] == [True] * 20


def test_a_model_changed_beside_the_program_is_listed_as_it_is(own_home: Path, settled: None) -> None:
    home = Home.at(own_home)
    folder = bare_model(home, "one")
    assert [info.architecture for info in shelf.list_models(home)] == ["LlamaForCausalLM"]
    (folder / "config.json").write_text('{"architectures": ["QwenForCausalLM"]}')
    assert [info.architecture for info in shelf.list_models(home)] == ["QwenForCausalLM"]
    (folder / "manifest.yaml").unlink()
    assert [info.kind for info in shelf.list_models(home)] == ["damaged"]
    with pytest.raises(UserError, match="manifest"):
        shelf.model_info(home, "one")


def test_a_list_of_datasets_opens_no_file_twice(own_home: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.at(own_home)
    for name in ("a", "b"):
        write_rows(home, name, "conversation", conversations(3))
    first = list_datasets(home)
    monkeypatch.setattr(
        "workbench.data.store.datasets.read_manifest", lambda folder: pytest.fail(f"{folder} was read again")
    )
    assert list_datasets(home) == first and [one.name for one in first] == ["a", "b"]
    monkeypatch.undo()
    write_rows(home, "a", "conversation", conversations(4), replace=True)
    assert [one.info["rows"]["train"] for one in list_datasets(home)] == [4, 3]
