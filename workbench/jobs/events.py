"""events.jsonl: the append-only record of a job, written by its worker and read by everybody."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from workbench.core.errors import SettingPath
from workbench.core.limits import bounded_integer, number, text_up_to, too_deep
from workbench.core.oom_kills import kill_counters
from workbench.core.process import alive, boot, identity, uptime
from workbench.core.tasks import seconds_left

MOST_LINE_BYTES = 4 * 1024**2  # bytes of an event
MOST_TEXT_CHARACTERS, MOST_NAME_CHARACTERS = 10_000, 200  # characters of a text and of a name in an event
LAST_EPOCH_SECONDS = 4e9  # of the times an event may have: the year 2096


class EventLog:
    """Appends events to a file, one JSON object a line. Safe against a torn last line of a killed writer.

    Every event has its time 't' in seconds since the epoch; those of status and progress have 'm' too, the seconds of
    a clock that nobody sets, which counts within one 'boot' of the machine.
    """

    def __init__(self, path: Path):
        self.path = path

    def append(self, type_: str, **data: Any) -> None:
        """Writes one event; `data` must be JSON types, non-finite floats become None."""
        clock = {"m": round(uptime(), 3)} if type_ in ("status", "progress") else {}
        line = json.dumps({"t": round(time.time(), 3), "type": type_, **clock, **_finite(data)}, ensure_ascii=False)
        with self.path.open("ab") as file:
            if file.tell() and not self._ends_with_newline():
                file.write(b"\n")
            file.write(line.encode() + b"\n")

    def status(self, status: str, **data: Any) -> None:
        self.append("status", status=status, boot=boot(), **data)

    def running(self) -> None:
        """Writes that this process carries the job out, and what tells later whether the kernel ended it."""
        started, pid = psutil.Process().create_time(), os.getpid()
        self.status(
            "running", pid=pid, process_started=started, process=identity(pid), kill_counters=kill_counters()
        )  # fmt: skip

    def kill_asked(self) -> None:
        """Writes that somebody asked for its process to be killed."""
        self.append("kill")

    def _ends_with_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def read(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The complete events after a byte offset, and the offset to go on from; lines that are no events are left out.

        No events come of what is no regular file.
        """
        events = []
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                for size, line in _lines(file):
                    offset += size
                    event = _parsed(line)
                    if event is not None:
                        events.append(event)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return [], 0
        return events, offset


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(bytes of the file, line) of every complete line; one that is too long to be an event comes empty."""
    while line := file.readline(MOST_LINE_BYTES):
        size, torn = len(line), not line.endswith(b"\n")
        while torn and (more := file.readline(MOST_LINE_BYTES)):
            line, size, torn = b"", size + len(more), not more.endswith(b"\n")
        if torn:
            return  # its writer is at it, or was killed
        yield size, line


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None for the torn line of a writer that was killed, or whatever else is none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(event, dict) and isinstance(event.get("type"), str) and not too_deep(event)
    return event if known else None


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data


FINAL = frozenset({"done", "failed", "stopped", "paused", "interrupted"})
"""A paused job has ended as a process: it holds no memory, and waits until somebody resumes it."""
STATUSES = FINAL | {"queued", "running"}


@dataclass
class JobState:
    """What the events say so far, folded. `points` are the metrics by step; `generation` counts rewinds.

    A resumed job goes on from its checkpoint: a 'rewind' event drops the points, alarms {step, kind, text} and samples
    {step, index, prompt, text} after that step. `turn` is its place
    in the queue. Times are seconds since the epoch; those named `uptime` count within one `boot` and are 0 where an
    older version wrote the events.
    """

    status: str = "queued"
    has_status: bool = False  # whether any event told it
    pid: int = 0
    process_started: float = 0.0
    process: str = ""
    boot: str = ""
    queued_at: float = 0.0
    turn: int = 0
    started_at: float = 0.0
    started_uptime: float = 0.0
    ended_at: float = 0.0
    ended_uptime: float = 0.0
    progress: dict[str, Any] = field(default_factory=dict)
    progress_history: list[tuple[float, float]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    generation: int = 0
    notes: list[str] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    used: dict[str, Any] = field(default_factory=dict)  # settings, where the run had to use others than job.yaml's
    result: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    remedy: str = ""
    cause: str = ""  # of an end that no worker told, see `deaths`
    path: SettingPath = ()
    resume: bool = False
    kill_counters: dict[str, Any] = field(default_factory=dict)  # when it began, see `oom_kills`
    is_kill_asked: bool = False

    def add(self, event: dict[str, Any]) -> None:
        """Folds one event in. Whatever its values are: what is of another type than its writer writes is left out."""
        if handler := HANDLERS.get(event["type"]):
            handler(self, event)

    def _on_status(self, event: dict[str, Any]) -> None:
        status = text_up_to(event.get("status"), MOST_TEXT_CHARACTERS)
        if status not in STATUSES:
            return
        self.status, self.has_status = status, True
        if self.status == "queued":
            self.queued_at, self.ended_at, self.ended_uptime = _time(event, "t"), 0.0, 0.0
            self.turn = bounded_integer(event.get("turn")) or int(self.queued_at * 1000)
            self.resume, self.error, self.remedy, self.path = event.get("resume") is True, "", "", ()
            self.cause, self.is_kill_asked = "", False
            self.progress = {**self.progress, "text": ""} if self.progress else {}  # an earlier run's words
        elif self.status == "running":
            self.started_at, self.is_kill_asked = _time(event, "t"), False
            self.kill_counters = event["kill_counters"] if isinstance(event.get("kill_counters"), dict) else {}
            self.progress_history.clear()
            self.pid, self.process_started = bounded_integer(event.get("pid")) or 0, _time(event, "process_started")
            self.process, self.boot = (
                text_up_to(event.get("process"), MOST_NAME_CHARACTERS),
                text_up_to(event.get("boot"), MOST_NAME_CHARACTERS),
            )
            self.started_uptime = _time(event, "m") if self.boot else 0.0
        else:
            self.ended_at = _time(event, "t")
            self.ended_uptime = _time(event, "m") if event.get("boot") == self.boot else 0.0
            self.result = event["result"] if isinstance(event.get("result"), dict) else {}
            self.error, self.remedy = (
                text_up_to(event.get("error"), MOST_TEXT_CHARACTERS),
                text_up_to(event.get("remedy"), MOST_TEXT_CHARACTERS),
            )
            self.cause = text_up_to(event.get("cause"), MOST_NAME_CHARACTERS)
            path = event.get("path")
            self.path = tuple(step for step in path if isinstance(step, str | int)) if isinstance(path, list) else ()

    def _on_progress(self, event: dict[str, Any]) -> None:
        done, total = number(event.get("done")), number(event.get("total"))
        self.progress = {"done": done, "total": total, "text": text_up_to(event.get("text"), MOST_TEXT_CHARACTERS)}
        if done is not None:
            at = _time(event, "m" if self.started_uptime else "t")
            if self.progress_history and done < self.progress_history[-1][1]:
                self.progress_history = []  # another piece of work begins
            self.progress_history = [*self.progress_history[-29:], (at, float(done))]

    def _on_metrics(self, event: dict[str, Any]) -> None:
        values = {key: number(value) for key, value in event.items() if key not in ("t", "type")}
        if values.get("step") is not None:
            self.points.append(values)

    def _on_rewind(self, event: dict[str, Any]) -> None:
        step = number(event.get("step"))
        kept = [point for point in self.points if step is None or point["step"] <= step]
        if len(kept) < len(self.points):
            self.generation += 1
        self.points = kept
        self.alarms = [alarm for alarm in self.alarms if step is None or alarm["step"] <= step]
        self.samples = [sample for sample in self.samples if step is None or sample["step"] <= step]

    def _on_kill(self, event: dict[str, Any]) -> None:
        self.is_kill_asked = True

    def _on_note(self, event: dict[str, Any]) -> None:
        self.notes.append(text_up_to(event.get("text"), MOST_TEXT_CHARACTERS))

    def _on_alarm(self, event: dict[str, Any]) -> None:
        step = bounded_integer(event.get("step"))
        if step is not None:
            kind, text = text_up_to(event.get("kind"), MOST_NAME_CHARACTERS), event.get("text")
            self.alarms.append({"step": step, "kind": kind, "text": text_up_to(text, MOST_TEXT_CHARACTERS)})

    def _on_sample(self, event: dict[str, Any]) -> None:
        step, index = bounded_integer(event.get("step")), bounded_integer(event.get("index"))
        if step is not None and index is not None:
            texts = {name: text_up_to(event.get(name), MOST_TEXT_CHARACTERS) for name in ("prompt", "text")}
            self.samples.append({"step": step, "index": index, **texts})

    def _on_used(self, event: dict[str, Any]) -> None:
        settings = event.get("settings")
        self.used = settings if isinstance(settings, dict) else {}

    def eta(self) -> float | None:
        """Seconds left by the pace of the last progress events, or None when it cannot be told."""
        total, done = self.progress.get("total"), self.progress.get("done")
        if self.status != "running" or not total or done is None:
            return None
        return seconds_left(self.progress_history, float(total), uptime() if self.started_uptime else time.time())

    def elapsed(self) -> float:
        """Seconds it has run, or ran, since it was started last; no step of the clock changes them."""
        if not self.started_at:
            return 0.0
        if self.ended_at:
            steady = self.started_uptime and self.ended_uptime
            return max(0.0, self.ended_uptime - self.started_uptime if steady else self.ended_at - self.started_at)
        steady = self.started_uptime and self.boot == boot()
        return max(0.0, uptime() - self.started_uptime if steady else time.time() - self.started_at)

    def alive(self) -> bool:
        """Whether the process that carries it out lives."""
        return alive(self.pid, self.process_started, self.process)


HANDLERS: dict[str, Callable[[JobState, dict[str, Any]], None]] = {
    "status": JobState._on_status,
    "progress": JobState._on_progress,
    "metrics": JobState._on_metrics,
    "rewind": JobState._on_rewind,
    "kill": JobState._on_kill,
    "note": JobState._on_note,
    "alarm": JobState._on_alarm,
    "sample": JobState._on_sample,
    "used": JobState._on_used,
}


def _time(event: dict[str, Any], name: str) -> float:
    """Seconds since 1970 (or since boot); 0 where the event has no such time."""
    found = number(event.get(name))
    return float(found) if found is not None and 0 <= found < LAST_EPOCH_SECONDS else 0.0
