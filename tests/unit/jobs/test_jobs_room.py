"""A job for the GPU has the chat give back what it only keeps at hand there."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import context
from workbench.core.device_ledger import DeviceLedger
from workbench.core.home import Home
from workbench.jobs import worker
from workbench.jobs.job import JobStopped
from workbench.jobs.worker import _have_room_made

CHAT = """
import sys, time
from workbench.core.device_ledger import DeviceLedger
from workbench.core.home import Home
ledger = DeviceLedger(Home.at(sys.argv[1]))
ledger.hold("chat", "Chat", "cuda", memory=3_100_000_000)
print("holds", flush=True)
while not (sys.argv[2] == "idle" and ledger.room_is_wanted()):
    time.sleep(0.02)
ledger.release()
sys.stdin.read()
"""


def room_made(home: Home, kind: str) -> list[str]:
    """The notes of a job that asks for room beside an idle or a busy chat."""
    ctx, ledger = context(home), DeviceLedger(home)
    ledger.hold("job", "SFT poet", "cuda", ctx.folder.name)
    command = [sys.executable, "-c", CHAT, str(home.root), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as chat:
        assert chat.stdout and chat.stdout.readline() == "holds\n"
        try:
            _have_room_made(ctx, ledger, "cuda")
        finally:
            chat.kill()
            ledger.release()
    assert not ledger.room_is_wanted() and not (ledger.folder / "wanted").exists()
    return [event["text"] for event in ctx.events.read()[0] if event["type"] == "note"]


def test_an_idle_chat_gives_back_its_memory(tmp_path: Path) -> None:
    assert room_made(Home.at(tmp_path), "idle") == ["The chat gave back 3.1 GB of the device."]


def test_a_chat_that_answers_keeps_it_and_the_job_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ROOM_PATIENCE_SECONDS", 0.3)
    assert room_made(Home.at(tmp_path), "busy") == []


def test_a_stop_is_heeded_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.at(tmp_path)
    monkeypatch.setattr(worker, "DEVICE_POLL_SECONDS", 0.01)
    (context(home).folder / "stop").write_text("keep")
    with pytest.raises(JobStopped):
        room_made(home, "busy")
