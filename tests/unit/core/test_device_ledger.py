"""Who holds memory of the device: living processes are seen, dead ones and other files are not."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.core.device_ledger import DeviceLedger, Holder
from workbench.core.home import Home

HOLD = """
import sys
from workbench.core.device_ledger import DeviceLedger
from workbench.core.home import Home
ledger = DeviceLedger(Home.at(sys.argv[1]))
ledger.hold("job", "SFT poet", sys.argv[2], "job-1", 5_000_000)
print("holds", flush=True)
for line in sys.stdin:
    {"ask": ledger.ask_for_room, "release": ledger.release}[line.strip()]()
    print("did", flush=True)
"""


@contextmanager
def holding(home: Home, device: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root), device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def tell(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdin and process.stdout
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "did\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def test_a_living_process_is_seen_until_it_releases_or_dies(home: Home) -> None:
    ledger = DeviceLedger(home)
    with holding(home, "cuda") as process:
        assert ledger.holders() == [Holder("job", "SFT poet", "job-1", "cuda", 5_000_000, process.pid)]
        tell(process, "release")
        assert ledger.holders() == []
    with holding(home, "cuda"):
        assert len(ledger.holders()) == 1
    assert ledger.holders() == [] and not list(ledger.folder.glob("*.json"))


def test_on_a_cpu_the_memory_is_what_the_process_really_has(home: Home) -> None:
    with holding(home, "cpu"):
        (holder,) = DeviceLedger(home).holders()
        assert 8e6 < holder.memory < 1e9


def test_this_process_is_not_among_the_others(home: Home) -> None:
    ledger = DeviceLedger(home)
    ledger.hold("chat", "Chat", "cpu")
    assert ledger.holders() == []
    ledger.release()


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "job"}', '{"kind": "job", "started": "x"}', "{" * 5000])
def test_a_file_that_tells_of_no_living_process_is_removed(text: str, home: Home) -> None:
    ledger = DeviceLedger(home)
    ledger.folder.mkdir()
    (ledger.folder / "999999.json").write_text(text)
    assert ledger.holders() == [] and not list(ledger.folder.iterdir())


def test_room_is_wanted_as_long_as_who_asked_lives(home: Home) -> None:
    ledger = DeviceLedger(home)
    assert not ledger.room_is_wanted()
    with holding(home, "cuda") as process:
        tell(process, "ask")
        assert ledger.room_is_wanted()
    assert not ledger.room_is_wanted()
    (ledger.folder / "wanted").write_text("")
    assert not ledger.room_is_wanted()
