"""generated.jsonl: everything a job asked and was told, and what was decided, a line each; what a resume goes on from.

Lines are of three types. start: the job, its templates and the digests of what it reads. reply: a request (key,
purpose, seed rows, messages), the model, the sampling, and the text or the failure. verdict: what became of an item.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.synthesis.replies import Reply, Request

GENERATION_LOG_FILE = "generated.jsonl"

RequestId = tuple[str, str]  # a request's key and digest


class MakingLog:
    """The log of one job: read when it is opened, appended to after that; every line reaches the disk."""

    def __init__(self, path: Path):
        self.path = path
        self.start: dict[str, Any] = {}
        self._replies: dict[RequestId, Reply] = {}
        self._verdicts: set[str] = set()
        self._last_reply = -1
        failures: dict[RequestId, int] = {}
        for number, line in enumerate(_lines(path)):
            self._take(line, number, failures)
        for request_id, number in failures.items():
            if number > self._last_reply:
                del self._replies[request_id]  # what the job ended with is tried again

    def reply_to(self, request: Request, model: str) -> Reply | None:
        """What this model replied to exactly this request, if it has been asked already.

        An endpoint's troubles after its last reply are forgotten: a job that gave up asks those again.
        """
        return self._replies.get((request.key, request.digest(model)))

    def begin(self, **settings: Any) -> None:
        self.start = settings
        self._append([{"type": "start", **settings}])

    def add(self, exchanges: list[tuple[Request, Reply]], model: str) -> None:
        """Writes replies, all of them in one go."""
        lines = []
        for request, reply in exchanges:
            digest = request.digest(model)
            self._replies[request.key, digest] = reply
            asked = {"key": request.key, "digest": digest, "purpose": request.purpose, "model": model}
            content = {"seeds": list(request.seeds), "messages": request.messages}
            lines.append({"type": "reply", **asked, **content, **reply.to_dict()})
        self._append(lines)

    def decide(self, item: str, verdict: str, **why: Any) -> None:
        """Writes what became of an item: 'kept', 'failed' or 'dropped'; nothing if the log says so already."""
        line = {"type": "verdict", "item": item, "verdict": verdict, **why}
        if _text(line) not in self._verdicts:
            self._append([line])

    def _take(self, line: dict[str, Any], number: int, failures: dict[RequestId, int]) -> None:
        if line.get("type") == "start":
            self.start = self.start or {key: value for key, value in line.items() if key != "type"}
        elif line.get("type") == "verdict":
            self._verdicts.add(_text(line))
        elif line.get("type") == "reply":
            request_id = (line["key"], line["digest"])
            self._replies[request_id] = Reply(**{name: line[name] for name in Reply.__dataclass_fields__})
            failures.pop(request_id, None)
            if line["trouble"]:
                failures[request_id] = number
            else:
                self._last_reply = number

    def _append(self, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        self._verdicts |= {_text(line) for line in lines if line["type"] == "verdict"}
        block = "".join(_text(line) + "\n" for line in lines).encode("utf-8", "replace")
        with self.path.open("ab") as file:
            if file.tell() and not _ends_with_newline(self.path):
                block = b"\n" + block  # the line of a writer that was killed stays torn
            file.write(block)
            file.flush()
            os.fsync(file.fileno())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines; what is torn or no object is passed over."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if line.endswith(b"\n") and isinstance(record, dict):
                yield record


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, sort_keys=True)
