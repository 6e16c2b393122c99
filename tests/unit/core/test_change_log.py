"""The record of changes: every event is on the disk when its change is acknowledged, whoever dies."""

import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from workbench.core import change_log
from workbench.core.change_log import EVENTS_FILE, LOCAL, acting_as, current_person, read_changes, record_change
from workbench.core.home import Home, atomic_dir

WRITER = """
import sys
from pathlib import Path
from workbench.core.change_log import record_change
for number in range(100000):
    record_change(Path(sys.argv[1]), "created", "model", f"m{number}")
    print(number, flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def test_a_change_is_recorded_with_who_acts(home: Home) -> None:
    record_change(home.root, "deleted", "model", "smol", bytes=3)
    with acting_as("Anna"):
        record_change(home.root, "deleted", "dataset", "talks")
    assert current_person() == LOCAL
    changes = read_changes(home.root)
    assert [(each.person, each.kind, each.object_kind, each.object_name) for each in changes] == [
        ("local", "deleted", "model", "smol"), ("Anna", "deleted", "dataset", "talks"),
    ]  # fmt: skip
    assert changes[0].facts == {"bytes": 3} and changes[0].time.endswith("+00:00")


def test_whoever_acts_in_one_thread_acts_in_no_other(home: Home) -> None:
    seen: list[str] = []
    with acting_as("Anna"):
        thread = threading.Thread(target=lambda: seen.append(current_person()))
        thread.start()
        thread.join()
    assert seen == [LOCAL]


def test_what_takes_its_name_on_a_shelf_is_recorded_and_nothing_else(home: Home, tmp_path: Path) -> None:
    with atomic_dir(home.models / "smol") as folder:
        (folder / "config.json").write_text("{}")
    with atomic_dir(home.models / "smol", replace=True) as folder:
        (folder / "config.json").write_text("[]")
    with atomic_dir(tmp_path / "elsewhere" / "models" / "x"):
        pass
    with pytest.raises(ZeroDivisionError), atomic_dir(home.datasets / "talks"):
        1 / 0  # noqa: B018
    assert [(each.kind, each.object_name) for each in read_changes(home.root)] == [
        ("created", "smol"), ("changed", "smol"),
    ]  # fmt: skip
    assert not (tmp_path / "elsewhere" / EVENTS_FILE).exists()


def test_a_writer_that_is_killed_loses_nothing_it_acknowledged(home: Home) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home.root)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    assert process.stdout
    said = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split()]
    process.wait()
    names = [each.object_name for each in read_changes(home.root)]
    assert names[: len(said)] == [f"m{number}" for number in said]
    assert len(names) <= len(said) + 1  # one may be written that was not said yet


def test_a_torn_or_strange_line_is_left_out_and_the_next_stands_on_its_own(home: Home) -> None:
    record_change(home.root, "created", "model", "a")
    with (home.root / EVENTS_FILE).open("ab") as file:
        file.write(b'[]\n{"kind": 3}\n\xff\xfe\n{"time": "x", "kind": "created", "facts": [1]}\n{"time": "2026')
    record_change(home.root, "created", "model", "b")
    assert [each.object_name for each in read_changes(home.root)] == ["a", "b"]
    with (home.root / EVENTS_FILE).open("ab") as file:
        file.write(b"9" * 200_000 + b"\n")
    record_change(home.root, "created", "model", "c")
    assert read_changes(home.root)[-1].object_name == "c"


def test_many_writers_at_once_lose_no_event(home: Home) -> None:
    def write(number: int) -> None:
        for turn in range(20):
            record_change(home.root, "created", "model", f"{number}-{turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.object_name for each in read_changes(home.root)}) == 100


def test_on_a_full_disk_the_event_is_written_with_the_next_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    append = change_log._append

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(change_log, "_append", full)
    record_change(home.root, "deleted", "model", "big")
    assert read_changes(home.root) == []
    monkeypatch.setattr(change_log, "_append", append)
    record_change(home.root, "deleted", "model", "small")
    assert [each.object_name for each in read_changes(home.root)] == ["big", "small"]


def test_facts_are_short_texts_and_numbers(home: Home) -> None:
    record_change(home.root, "queued", "job", "j" * 500, text="t" * 500, rows=["what people wrote"], nested={"a": 1})
    change = read_changes(home.root)[0]
    assert len(change.object_name) <= 200 and len(str(change.facts["text"])) <= 200 and set(change.facts) == {"text"}


def test_a_file_that_was_replaced_is_read_anew(home: Home) -> None:
    record_change(home.root, "created", "model", "a")
    assert len(read_changes(home.root)) == 1
    (home.root / EVENTS_FILE).rename(home.root / "old")
    record_change(home.root, "created", "model", "b")
    assert [each.object_name for each in read_changes(home.root)] == ["b"]
