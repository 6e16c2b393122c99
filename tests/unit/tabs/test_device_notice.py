"""What is said above the answers when others use the device, and what the buttons there do."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tabs.compare.device_notice import act_on_device, device_notice
from tests.toy_training import job
from tests.toys import toy_home
from workbench.chat.service import ChatService
from workbench.core import device_ledger
from workbench.core.device_ledger import DeviceLedger, Holder
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.home import write_text
from workbench.jobs.events import EventLog
from workbench.jobs.queue import Queue


@pytest.fixture
def ctx(tmp_path: Path) -> Any:
    home = toy_home(tmp_path)
    queue = Queue(home)
    return SimpleNamespace(
        home=home, queue=queue, chats=ChatService(home), shelves=SimpleNamespace(jobs=lambda: ("", queue.all()))
    )


def on_gpu(ctx: Any) -> None:
    write_text(ctx.home.cache / "hardware.json", Hardware(device="cuda", name="GPU").model_dump_json())


def training(ctx: Any, monkeypatch: pytest.MonkeyPatch, device: str) -> str:
    """A training that runs, as its ledger tells."""
    job_id = ctx.queue.submit(job(output="poet"), here=True)
    held = [Holder("job", "SFT poet", job_id, device, 11_000_000_000, 1)]
    monkeypatch.setattr(device_ledger.DeviceLedger, "holders", lambda self: held)
    return job_id


def test_with_the_device_alone_nothing_is_said(ctx: Any) -> None:
    assert device_notice(ctx, "c") == {"text": "", "can": []}
    assert DeviceLedger(ctx.home).holders() == []


def test_a_training_on_the_gpu_can_be_paused_or_left_alone(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu(ctx)
    job_id = training(ctx, monkeypatch, "cuda")
    notice = device_notice(ctx, "c")
    assert "SFT poet is running and holds 11 GB of the GPU" in notice["text"]
    assert notice["can"] == [["pause", "Pause SFT poet", job_id], ["cpu", "Answer on the CPU", ""]]
    assert "Pausing" in act_on_device(ctx, {"how": "pause", "job": job_id, "chat": "c"})["text"]
    assert (ctx.queue.get(job_id).folder / "stop").read_text() == "pause"
    act_on_device(ctx, {"how": "cpu", "chat": "c"})
    assert ctx.chats.chat("c").device == "cpu" and ctx.chats.chat("other").device == ""
    notice = device_notice(ctx, "c")
    assert "Answers are made on the CPU." in notice["text"]
    assert ["device", "Answer on the GPU", ""] in notice["can"]
    act_on_device(ctx, {"how": "device", "chat": "c"})
    assert ctx.chats.chat("c").device == ""


def test_on_a_machine_without_a_gpu_there_is_no_other_device(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = training(ctx, monkeypatch, "cpu")
    notice = device_notice(ctx, "c")
    assert "slow each other down" in notice["text"] and notice["can"] == [["pause", "Pause SFT poet", job_id]]


def test_a_paused_run_can_be_resumed_from_there(ctx: Any) -> None:
    job_id = ctx.queue.submit(job(output="poet"))
    EventLog(ctx.queue.get(job_id).folder / "events.jsonl").status("paused")
    notice = device_notice(ctx, "c")
    assert notice == {"text": "SFT poet is paused.", "can": [["resume", "Resume SFT poet", job_id]]}
    act_on_device(ctx, {"how": "resume", "job": job_id})
    assert ctx.queue.get(job_id).status == "queued"


def test_what_cannot_be_done_is_refused(ctx: Any) -> None:
    with pytest.raises(UserError):
        act_on_device(ctx, {"how": "explode", "chat": "c"})
