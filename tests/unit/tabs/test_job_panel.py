"""The view of a job: what may be done with it as it is, and that it is done."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tabs.shell.job_panel import act, actions, kept_facts, points_of
from tests.running import carried
from tests.toys import toy_home
from tests.voting import close
from workbench.core.errors import UserError
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue


@pytest.fixture
def queue(tmp_path: Any) -> Queue:
    return Queue(toy_home(tmp_path))


@pytest.fixture
def job(queue: Queue) -> str:
    return queue.submit(JOBS.parse({"method": "train", "model": "toy", "dataset": "talks", "output": "made"}))


def ways(queue: Queue, job: str) -> list[str]:
    return [how for how, _ in actions(queue.get(job))]


@pytest.mark.parametrize(
    ("status", "offered"),
    [("queued", ["keep"]), ("stopped", ["resume"]), ("paused", ["resume"]), ("failed", ["resume"]), ("done", [])],
)
def test_what_may_be_done_follows_from_the_status(queue: Queue, job: str, status: str, offered: list[str]) -> None:
    EventLog(queue.get(job).folder / "events.jsonl").status(status)
    assert ways(queue, job) == offered


@pytest.mark.parametrize(
    ("batch", "passes", "offered", "expected"),
    [
        (8, 2, "Resume with half the batch", (4, 4)),
        (9, 1, "Resume with a smaller batch", (3, 3)),
        (1, 4, "", (1, 4)),
        (2, 1024, "", (2, 1024)),
    ],
)
def test_a_training_whose_memory_ran_out_goes_on_with_half_the_batch(
    batch: int, passes: int, offered: str, expected: tuple[int, int], queue: Queue
) -> None:
    settings = {"method": "train", "model": "toy", "dataset": "talks", "output": "made", "batch_size": batch}
    job = queue.submit(JOBS.parse({**settings, "gradient_accumulation": passes}))
    EventLog(queue.get(job).folder / "events.jsonl").status("interrupted", error="Memory ran out.", cause="memory")
    labels = dict(actions(queue.get(job)))
    assert labels == {**({"resume-smaller": offered} if offered else {}), "resume": "Resume"}
    ctx: Any = SimpleNamespace(queue=queue, home=queue.home)
    remedy = points_of(ctx, {"job": job})["remedy"]
    if offered:
        assert f"{offered}: fewer rows at a time" in remedy
        assert "Resumed" in act(ctx, {"job": job, "how": "resume-smaller"})["text"]
        assert f"{expected[0]} rows at a time instead of {batch}" in points_of(ctx, {"job": job})["notes"][0]
    else:
        with pytest.raises(UserError, match="cannot be made smaller"):
            act(ctx, {"job": job, "how": "resume-smaller"})
    resumed: Any = Queue(queue.home).get(job).job
    assert (resumed.batch_size, resumed.gradient_accumulation) == expected


def test_a_running_job_can_be_stopped_in_three_ways_and_a_training_paused(queue: Queue, job: str) -> None:
    running: Any = SimpleNamespace(status="running", can_resume=False, job=SimpleNamespace(pausable=False))
    assert [how for how, _ in actions(running)] == ["keep", "discard", "kill"]
    running.job = queue.get(job).job
    assert [how for how, _ in actions(running)] == ["pause", "keep", "discard", "kill"]


def test_the_notes_of_a_job_that_answers_blind_are_told_when_its_session_is_closed(queue: Queue) -> None:
    home = queue.home
    settings = {
        "method": "generate",
        "session": "round",
        "models": ["toy"],
        "samples": 2,
        "prompts": "talks",
        "limit": 2,
    }
    answers = carried(home, JOBS.parse({**settings, "decoding": {"max_new_tokens": 4}}))
    assert answers.status == "done", answers.error
    ctx: Any = SimpleNamespace(queue=queue, home=home)
    assert points_of(ctx, {"job": answers.id})["notes"] == []
    close(home, "round")
    (note,) = points_of(ctx, {"job": answers.id})["notes"]
    assert re.fullmatch(r"toy: \d+ tokens by transformers, \w+ on cpu, [\d.]+ tokens/s\.", note), note


def test_warnings_notes_and_new_samples_are_told(queue: Queue, job: str) -> None:
    events = EventLog(queue.get(job).folder / "events.jsonl")
    for step in (0, 10, 20):
        events.append("sample", step=step, index=0, prompt="Who?", text=f"At {step}.")
    events.append("alarm", step=12, kind="spike", text="It jumps.")
    events.append("note", text="Going on.")
    ctx: Any = SimpleNamespace(queue=queue, home=queue.home)
    reply = points_of(ctx, {"job": job})
    assert reply["alarms"] == [{"step": 12, "kind": "spike", "text": "It jumps."}] and reply["notes"] == ["Going on."]
    assert [sample["text"] for sample in reply["samples"]] == ["At 0.", "At 10.", "At 20."]
    assert [one["step"] for one in points_of(ctx, {"job": job, "samples": 2, "generation": 0})["samples"]] == [20]
    events.append("rewind", step=10)
    reply = points_of(ctx, {"job": job})
    assert [sample["step"] for sample in reply["samples"]] == [0, 10] and reply["alarms"] == []


@pytest.mark.parametrize(
    ("status", "chip", "text"),
    [
        ("done", "Done", "Finished"), ("failed", "Failed", "Last: Saving the adapter"),
        ("stopped", "Stopped", "Last: Saving the adapter"), ("interrupted", "Interrupted", "Last: Saving the adapter"),
        ("queued", "Waiting for its turn", "Waiting"),
    ],
)  # fmt: skip
def test_an_ended_job_does_not_say_what_it_did_last_as_if_it_still_did(
    queue: Queue, job: str, status: str, chip: str, text: str
) -> None:
    events = EventLog(queue.get(job).folder / "events.jsonl")
    events.append("progress", done=3, total=3, text="Saving the adapter")
    events.status(status)
    ctx: Any = SimpleNamespace(queue=queue, home=queue.home)
    reply = points_of(ctx, {"job": job})
    assert (reply["status_text"], reply["progress"]["text"]) == (chip, text)


def test_a_job_that_is_done_says_what_it_made(queue: Queue, job: str) -> None:
    events = EventLog(queue.get(job).folder / "events.jsonl")
    events.append("progress", done=3, total=3, text="Saving the adapter")
    events.status("done", result={"model": "made"})
    reply = points_of(SimpleNamespace(queue=queue, home=queue.home), {"job": job})  # type: ignore[arg-type]
    assert reply["progress"]["text"] == "Finished: it made made"


def test_a_job_taken_out_of_the_queue_can_go_back(queue: Queue, job: str) -> None:
    ctx: Any = SimpleNamespace(queue=queue)
    assert act(ctx, {"job": job, "how": "keep"})["text"] == "Taken out of the queue."
    assert queue.get(job).status == "stopped" and ways(queue, job) == ["resume"]
    assert "Resumed" in act(ctx, {"job": job, "how": "resume"})["text"]
    assert queue.get(job).status == "queued"


@pytest.mark.parametrize("query", [{}, {"job": "../x", "how": "keep"}, {"how": "explode"}, {"how": "resume"}])
def test_what_cannot_be_done_is_said(queue: Queue, job: str, query: dict[str, str]) -> None:
    EventLog(queue.get(job).folder / "events.jsonl").status("done")
    ctx: Any = SimpleNamespace(queue=queue)
    with pytest.raises(UserError):
        act(ctx, {"job": job, **query})


KEPT = {"metric": "eval loss", "step": 40, "best": 1.31, "last_step": 60, "last": 1.38, "stopped_early": True}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "the weights of step 40, eval loss 1.31; step 60 had 1.38, stopped early"),
        ({"stopped_early": False}, "the weights of step 40, eval loss 1.31; step 60 had 1.38"),
        ({"last_step": 40, "last": 1.31, "stopped_early": False}, "the weights of step 40, eval loss 1.31"),
    ],
)
def test_the_facts_say_which_weights_were_kept(changed: dict[str, Any], expected: str) -> None:
    assert kept_facts({**KEPT, **changed}) == [["Kept", expected]]


@pytest.mark.parametrize("kept", [None, "step 40", [], {}, {**KEPT, "best": "low"}, {**KEPT, "step": None}])
def test_what_says_nothing_of_what_was_kept_is_left_out(kept: Any) -> None:
    assert kept_facts(kept) == []
