"""The chat process: the page's models live here, so that the server never holds weights and survives their end.

Speaks JSON lines: requests on standard input, events on standard output.
"""

import json
import logging
import os
import queue
import sys
import threading
from dataclasses import dataclass
from typing import Any

from workbench.core.device_ledger import DeviceLedger
from workbench.core.errors import UserError, explain
from workbench.core.home import Home
from workbench.core.logs import configure_logging
from workbench.core.memory_limits import load_without_threads
from workbench.inference.decoding import Decoding

log = logging.getLogger("workbench.chat.worker")  # it runs as __main__


@dataclass
class Active:
    """One pane's answer under way."""

    chat: str
    pane: int
    stream: Any
    engine: Any
    note: str = ""


class Worker:
    """Takes requests as they come and gives every active answer its turn."""

    def __init__(self, home: Home, out: Any):
        from workbench.ensembles.engine import EnsembleEngine

        self.home, self._out = home, out
        self.engine = EnsembleEngine(home)
        self._engines = {self.engine.hardware.device: self.engine}
        self._ledger = DeviceLedger(home)
        self.requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.active: list[Active] = []

    def say(self, **event: Any) -> None:
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()

    def run(self) -> None:
        """Until standard input ends."""
        self.say(event="ready", device=self.engine.hardware.describe())
        while True:
            try:
                request = self.requests.get(block=not self.active)
            except queue.Empty:
                self._turn()
                continue
            if request is None:
                return
            getattr(self, f"_{request.pop('op')}")(**request)

    def _engine_on(self, device: str) -> Any:
        """The engine of a device: 'cpu', or '' for the machine's own."""
        from workbench.ensembles.engine import EnsembleEngine

        device = device or self.engine.hardware.device
        if device not in self._engines:
            self._engines[device] = EnsembleEngine(self.home, self.engine.hardware.on_cpu())
        return self._engines[device]

    def _chat(self, chat: str, panes: list[dict[str, Any]], decoding: dict[str, Any], device: str = "") -> None:
        settings, engine = Decoding.parse(decoding), self._engine_on(device)
        names = {pane["model"] for pane in panes} | {a.stream.name for a in self.active if a.engine is engine}
        try:
            for doing in engine.load([*names]):
                self.say(event="loading", chat=chat, text=doing)
        except BaseException as error:
            for pane in panes:
                self._fail(chat, pane["pane"], error)
            return
        self._hold(engine)
        for pane in panes:
            try:
                model = engine.answering(pane["model"])
                stream = model.open(pane["messages"], settings)
                self.say(event="start", chat=chat, pane=pane["pane"], weights=model.weights())
                self.active.append(Active(chat, pane["pane"], stream, engine))
            except BaseException as error:
                self._fail(chat, pane["pane"], error)

    def _hold(self, engine: Any) -> None:
        device = engine.hardware.device
        memory = 0
        if device == "cuda":
            import torch

            memory = torch.cuda.memory_reserved()
        self._ledger.hold("chat", "Chat", device, memory=memory)

    def _stop(self, chat: str) -> None:
        for answer in [answer for answer in self.active if answer.chat == chat]:
            self._end(answer, "stopped")

    def _turn(self) -> None:
        for answer in list(self.active):
            try:
                new = answer.stream.advance()
            except BaseException as error:
                self.active.remove(answer)
                self._fail(answer.chat, answer.pane, error)
                continue
            if answer.stream.note != answer.note and not answer.stream.finish:
                answer.note = answer.stream.note
                self.say(event="note", chat=answer.chat, pane=answer.pane, text=answer.note)
            if new:
                self.say(event="text", chat=answer.chat, pane=answer.pane, text=new, **self._pace(answer))
            if answer.stream.finish:
                self._end(answer, answer.stream.finish)

    def _end(self, answer: Active, finish: str) -> None:
        self.active.remove(answer)
        note = answer.stream.note if answer.stream.finish else ""
        self.say(event="done", chat=answer.chat, pane=answer.pane, finish=finish, note=note, **self._pace(answer))

    @staticmethod
    def _pace(answer: Active) -> dict[str, Any]:
        tokens, seconds = len(answer.stream.generated_ids), answer.stream.seconds
        return {"tokens": tokens, "tokens_per_second": round(tokens / seconds, 1) if seconds else 0.0}

    def _fail(self, chat: str, pane: int, error: BaseException) -> None:
        if not isinstance(error, UserError):
            log.error("an answer failed", exc_info=error)
        explained = explain(error, "cache/chat.log in the workbench's folder has the whole story.")
        self.say(event="error", chat=chat, pane=pane, error=explained.message, remedy=explained.remedy)


def main() -> None:
    """Answers the requests that come as JSON lines on standard input, until it ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the events
    configure_logging()
    load_without_threads()
    worker = Worker(Home.default(), out)

    def listen() -> None:
        for line in sys.stdin:
            worker.requests.put(json.loads(line))
        worker.requests.put(None)

    threading.Thread(target=listen, daemon=True).start()
    worker.run()
    DeviceLedger(worker.home).release()
    os._exit(0)


if __name__ == "__main__":
    main()
