"""events.jsonl: the append-only record of a job, written by its worker and read by everybody."""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from workbench.jobs.process import alive, boot, identity, uptime


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
        """Writes that this process carries the job out."""
        started = psutil.Process().create_time()
        self.status("running", pid=os.getpid(), process_started=started, process=identity(os.getpid()))

    def _ends_with_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def read(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The complete events after a byte offset, and the offset to go on from."""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                block = file.read()
        except FileNotFoundError:
            return [], 0
        end = block.rfind(b"\n") + 1
        return list(_parse(block[:end])), offset + end


def _parse(block: bytes) -> Iterator[dict[str, Any]]:
    for line in block.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the torn line of a writer that was killed
        if isinstance(event, dict) and "type" in event:
            yield event


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data


FINAL = frozenset({"done", "failed", "stopped", "interrupted"})


@dataclass
class Story:
    """What the events say so far, folded. `points` are the metrics by step; `generation` counts rewinds.

    A resumed job goes on from its checkpoint: a 'rewind' event drops the points after that step. `turn` is its place
    in the queue. Times are seconds since the epoch; those named `uptime` count within one `boot` and are 0 where an
    older version wrote the events.
    """

    status: str = "queued"
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
    result: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    remedy: str = ""
    resume: bool = False

    def add(self, event: dict[str, Any]) -> None:
        handler = getattr(self, f"_on_{event['type']}", None)
        if handler:
            handler(event)

    def _on_status(self, event: dict[str, Any]) -> None:
        self.status = event["status"]
        if self.status == "queued":
            self.queued_at, self.ended_at, self.ended_uptime = event["t"], 0.0, 0.0
            self.turn = int(event.get("turn") or event["t"] * 1000)
            self.resume, self.error, self.remedy = bool(event.get("resume")), "", ""
        elif self.status == "running":
            self.started_at = event["t"]
            self.progress_history.clear()
            self.pid, self.process_started = event.get("pid", 0), event.get("process_started", 0.0)
            self.process, self.boot = event.get("process", ""), event.get("boot", "")
            self.started_uptime = event.get("m", 0.0) if self.boot else 0.0
        elif self.status in FINAL:
            self.ended_at = event["t"]
            self.ended_uptime = event.get("m", 0.0) if event.get("boot") == self.boot else 0.0
            self.result = event.get("result", {})
            self.error, self.remedy = event.get("error", ""), event.get("remedy", "")

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.progress = {key: event.get(key) for key in ("done", "total", "text")}
        if event.get("done") is not None:
            at = event.get("m", 0.0) if self.started_uptime else event["t"]
            done = float(event["done"])
            if self.progress_history and done < self.progress_history[-1][1]:
                self.progress_history = []  # another piece of work begins
            self.progress_history = [*self.progress_history[-29:], (at, done)]

    def _on_metrics(self, event: dict[str, Any]) -> None:
        self.points.append({key: value for key, value in event.items() if key not in ("t", "type")})

    def _on_rewind(self, event: dict[str, Any]) -> None:
        kept = [point for point in self.points if point["step"] <= event["step"]]
        if len(kept) < len(self.points):
            self.points = kept
            self.generation += 1

    def _on_note(self, event: dict[str, Any]) -> None:
        self.notes.append(event["text"])

    def eta(self) -> float | None:
        """Seconds left by the pace of the last progress events, or None when it cannot be told."""
        total, done = self.progress.get("total"), self.progress.get("done")
        if self.status != "running" or not total or done is None or len(self.progress_history) < 2:
            return None
        (first, start), (last, end) = self.progress_history[0], self.progress_history[-1]
        if end <= start or last <= first:
            return None
        pace = (last - first) / (end - start)
        now = uptime() if self.started_uptime else time.time()
        return max(0.0, (total - done) * pace - (now - last))

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
