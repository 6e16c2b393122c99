"""The server's side of chatting: conversations, and the chat process that answers. Never imports torch."""

import json
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from workbench.chat.conversation import Chat, Pane
from workbench.core.child_process import ChildProcess, exit_reason
from workbench.core.device_ledger import DeviceLedger
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.inference.decoding import Decoding
from workbench.models.model_references import ANSWERS

IDLE_SECONDS = 600
REST_SECONDS = 5.0  # between looks at whether the process is idle
MOST_CHATS = 200
MOST_PANES = 4
FINISHED = {"eos": "finished", "length": "cut at the token limit", "stopped": "stopped"}


class ChatService:
    """Conversations by id, answered by one chat process that starts when needed and ends when idle."""

    def __init__(self, home: Home):
        self.home, self._ledger = home, DeviceLedger(home)
        self._chats: OrderedDict[str, Chat] = OrderedDict()
        self._process: ChildProcess | None = None
        self._used = 0.0
        self._lock = threading.RLock()

    def chat(self, chat_id: str) -> Chat:
        with self._lock:
            chat = self._chats.setdefault(chat_id, Chat(chat_id))
            self._chats.move_to_end(chat_id)
            while len(self._chats) > MOST_CHATS:
                self._chats.popitem(last=False)
            return chat

    def send(self, chat_id: str, models: list[str], text: str, system: str, decoding: Decoding) -> None:
        """Adds the message to every pane and starts the answers.

        Another choice of models or another system prompt begins a new conversation. Raises `SpecError`.
        """
        chat = self.chat(chat_id)
        self._check(chat, models, text)
        with self._lock:
            if [pane.model for pane in chat.panes] != models or chat.system != system:
                chat.begin(models, system)
            for pane in chat.panes:
                if system and not pane.messages:
                    pane.messages.append({"role": "system", "content": system})
                # an answer that failed leaves two user turns in a row, which break many templates
                chat.take_back(pane, "user")
                pane.messages.append({"role": "user", "content": text.strip()})
        chat.attempt = 0
        self._ask(chat, decoding)

    def _check(self, chat: Chat, models: list[str], text: str) -> None:
        problems = Problems()
        if chat.busy:
            problems.add("message", "the last answer is still being written.", "Wait for it, or press Stop.")
        if not text.strip():
            problems.add("message", "is empty.", "Write something to send.")
        if not 1 <= len(models) <= MOST_PANES:
            problems.add("models", f"{len(models)} are chosen.", f"Choose 1 to {MOST_PANES}.")
        ANSWERS.resolve_all(self.home, models, "models", problems, twice="")
        problems.check()

    def regenerate(self, chat_id: str, decoding: Decoding) -> None:
        """Answers the last message again, with the next seed; raises `UserError` if there is none."""
        chat = self.chat(chat_id)
        if chat.busy:
            raise UserError("The last answer is still being written.", "Press Stop first.")
        with self._lock:
            for pane in chat.panes:
                chat.take_back(pane, "assistant")
        if not any(pane.messages and pane.messages[-1]["role"] == "user" for pane in chat.panes):
            raise UserError("There is nothing to answer again.", "Send a message first.")
        chat.attempt += 1
        self._ask(chat, decoding.model_copy(update={"seed": decoding.seed + chat.attempt}))

    def stop(self, chat_id: str) -> None:
        if self._process and self.chat(chat_id).busy:
            self._write({"op": "stop", "chat": self.chat(chat_id).key})

    def answer_on(self, chat_id: str, device: str) -> None:
        """Has the next answers of a conversation made on the CPU, or with '' on the machine's own device."""
        if device not in ("", "cpu"):
            raise UserError(f"{device!r} is no device to answer on.", "Use cpu, or nothing for the machine's own.")
        with self._lock:
            self.chat(chat_id).device = device

    def clear(self, chat_id: str) -> None:
        """Forgets the conversation."""
        self.stop(chat_id)
        with self._lock:
            chat = self.chat(chat_id)
            chat.begin([], "")
            chat.turn += 1
            chat.version += 1

    def poll(self, query: dict[str, Any]) -> dict[str, Any]:
        """What changed since the page drew this chat; see `Chat.reply`."""
        with self._lock:
            self._died()
            return self.chat(str(query.get("chat") or "")).reply(query)

    def _ask(self, chat: Chat, decoding: Decoding) -> None:
        with self._lock:
            self._died()
            chat.turn += 1
            for pane in chat.panes:
                pane.state, pane.error = "waiting", ""
                pane.note = "" if self._process else "Starting the chat process"
            panes = [
                {"pane": index, "model": pane.model, "messages": pane.messages} for index, pane in enumerate(chat.panes)
            ]
            chat.version += 1
            self._write(
                {"op": "chat", "chat": chat.key, "panes": panes, "decoding": decoding.to_dict(), "device": chat.device}
            )

    def _write(self, request: dict[str, Any]) -> None:
        with self._lock:
            self._used = time.monotonic()
            try:
                self._running().write(json.dumps(request) + "\n")
            except OSError:
                self._died()

    def _running(self) -> ChildProcess:
        if self._process is None or not self._process.is_alive:
            extra = {"WORKBENCH_HOME": str(self.home.root), "TOKENIZERS_PARALLELISM": "false"}
            command = [sys.executable, "-m", "workbench.chat.worker"]
            with (self.home.cache / "chat.log").open("ab") as log:
                self._process = ChildProcess(command, extra=extra, errors=log, own_session=True)
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: ChildProcess) -> None:
        with process:
            for line in process.lines(self._rest, REST_SECONDS):
                self._hear(json.loads(line))
        with self._lock:
            self._died()

    def _rest(self) -> None:
        """Ends the process after a while without use, giving its memory back."""
        with self._lock:
            if any(chat.busy for chat in self._chats.values()):
                self._used = time.monotonic()
            elif time.monotonic() - self._used > IDLE_SECONDS or self._ledger.room_is_wanted():
                self.close()

    def _hear(self, event: dict[str, Any]) -> None:
        with self._lock:
            key = str(event.get("chat", ""))
            chat = self._chats.get(key.partition(":")[2])
            if chat and chat.key == key:
                getattr(self, f"_on_{event['event']}")(chat, event)
                chat.version += 1

    def _on_loading(self, chat: Chat, event: dict[str, Any]) -> None:
        for pane in chat.panes:
            if pane.state == "waiting":
                pane.note = event["text"]

    def _on_start(self, chat: Chat, event: dict[str, Any]) -> None:
        pane = self._pane(chat, event)
        if pane:
            pane.weights, pane.note, pane.state = event["weights"], "", "streaming"
            pane.messages.append({"role": "assistant", "content": ""})

    def _on_text(self, chat: Chat, event: dict[str, Any]) -> None:
        pane = self._pane(chat, event)
        if pane and pane.messages and pane.messages[-1]["role"] == "assistant":
            pane.messages[-1]["content"] += event["text"]
            pane.stats[len(pane.messages) - 1] = _stats(event)

    def _on_done(self, chat: Chat, event: dict[str, Any]) -> None:
        pane = self._pane(chat, event)
        if pane:
            pane.state, pane.note = "stopped" if event["finish"] == "stopped" else "done", ""
            remarks = [_stats(event), FINISHED[event["finish"]], event["note"]]
            pane.stats[len(pane.messages) - 1] = " · ".join(remark for remark in remarks if remark)

    def _on_note(self, chat: Chat, event: dict[str, Any]) -> None:
        pane = self._pane(chat, event)
        if pane:
            pane.note = event["text"]

    def _on_error(self, chat: Chat, event: dict[str, Any]) -> None:
        pane = self._pane(chat, event)
        if pane:
            pane.state, pane.note = "error", ""
            pane.error = f"{event['error']} {event['remedy']}".strip()

    @staticmethod
    def _pane(chat: Chat, event: dict[str, Any]) -> Pane | None:
        index = event["pane"]
        return chat.panes[index] if index < len(chat.panes) else None

    def _died(self) -> bool:
        """Tells every waiting pane when the chat process has ended; True if it told somebody."""
        if self._process is not None and self._process.is_alive:
            return False
        reason = exit_reason(self._process.returncode if self._process else None)
        changed = False
        for chat in self._chats.values():
            for pane in chat.panes:
                if pane.state in ("waiting", "streaming"):
                    pane.state, pane.note, changed = "error", "", True
                    pane.error = f"The chat process {reason}. Send again, or choose fewer or smaller models."
            chat.version += changed
        return changed

    def close(self) -> None:
        """Ends the chat process."""
        with self._lock:
            if self._process:
                self._process.end()
            self._process = None


def _stats(event: dict[str, Any]) -> str:
    return f"{event['tokens']} tokens · {event['tokens_per_second']:.0f} tokens/s"
