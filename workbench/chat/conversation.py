"""A conversation held with several models at once, and what of it a page has not drawn yet."""

import secrets
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Pane:
    """One model's side of a conversation; `stats` are by the index of the message."""

    model: str
    messages: list[dict[str, str]] = field(default_factory=list)
    stats: dict[int, str] = field(default_factory=dict)
    weights: str = ""
    state: str = "idle"
    error: str = ""
    note: str = ""
    _last_head: dict[str, Any] = field(default_factory=dict)
    _head_version: int = 0

    def head(self, color: str) -> dict[str, Any]:
        """All that is shown of it besides the messages."""
        return {
            "title": self.model, "weights": self.weights, "note": self.note, "color": color, "state": self.state,
            "error": self.error,
        }  # fmt: skip

    def shown(self) -> list[dict[str, Any]]:
        """The messages a page shows: {"role", "text", "stats"}."""
        return [
            {"role": message["role"], "text": message["content"], "stats": self.stats.get(index, "")}
            for index, message in enumerate(self.messages)
            if message["role"] != "system"
        ]

    def whole(self, color: str, now: int) -> dict[str, Any]:
        """All that is shown of it, at version `now`."""
        head = self.head(color)
        self._head_since(head, now)
        return {**head, "messages": self.shown()}

    def _head_since(self, head: dict[str, Any], now: int) -> int:
        """The first version at which somebody was shown this head."""
        if head != self._last_head:
            self._last_head, self._head_version = head, now
        return self._head_version

    def changes(self, color: str, version: int, now: int, count: int, end: int) -> dict[str, Any]:
        """What a page that drew `version` has not, of which `now` is the newest; {} if it has all.

        The page has `count` messages, the last of them of `end` characters. {"head"} as `head` gives it; {"tail"} is to
        be added to that last message, whose "stats" are new with it or the head; {"more"} are further messages.
        """
        head, messages = self.head(color), self.shown()
        changes: dict[str, Any] = {"head": head} if self._head_since(head, now) > version else {}
        last = messages[count - 1] if 0 < count <= len(messages) else None
        if last and len(last["text"]) > end:
            changes["tail"] = last["text"][end:]
        if last and changes:
            changes["stats"] = last["stats"]
        if more := messages[count:]:
            changes["more"] = more
        return changes


@dataclass
class Chat:
    """A conversation. `version` counts all changes; `edition` is another one whenever messages went away: as long as it
    stays, panes only grow. `device` is 'cpu' when it is to be answered there, '' for the machine's own."""

    id: str
    panes: list[Pane] = field(default_factory=list)
    system: str = ""
    version: int = 0
    attempt: int = 0
    turn: int = 0
    device: str = ""
    edition: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def key(self) -> str:
        """What the chat process calls this turn, so that words of an earlier one are told apart."""
        return f"{self.turn}:{self.id}"

    @property
    def busy(self) -> bool:
        return any(pane.state in ("waiting", "streaming") for pane in self.panes)

    def begin(self, models: list[str], system: str) -> None:
        """A new conversation with these models."""
        self.panes, self.system, self.edition = [Pane(model) for model in models], system, secrets.token_hex(4)

    def take_back(self, pane: Pane, role: str) -> None:
        """Drops the pane's last message if it is of this role."""
        if pane.messages and pane.messages[-1]["role"] == role:
            pane.stats.pop(len(pane.messages) - 1, None)
            pane.messages.pop()
            self.edition = secrets.token_hex(4)

    def reply(self, query: dict[str, Any]) -> dict[str, Any]:
        """{"edition", "version", "busy"} and what to draw.

        query: the "edition" and "version" the page drew and, by pane, its "ends": how many messages it has and how many
        characters of the last. A page of another edition gets "panes" whole; else "changes" of `Pane.changes` with the
        "pane" they are of, so that a streamed answer is sent once and not again with every word.
        """
        now = {"version": self.version, "busy": self.busy}
        colored = list(zip(self.panes, "abcd", strict=False))
        ends = query.get("ends")
        if query.get("edition") != self.edition or not isinstance(ends, list) or len(ends) != len(self.panes):
            panes = [pane.whole(color, self.version) for pane, color in colored]
            return {"edition": self.edition, **now, "panes": panes}
        version = int(query.get("version") or 0)
        if version == self.version:
            return now
        changes = [
            {"pane": index, **changed}
            for index, ((pane, color), (count, end)) in enumerate(zip(colored, ends, strict=True))
            if (changed := pane.changes(color, version, self.version, int(count), int(end)))
        ]
        return {**now, "changes": changes}
