"""What of a conversation is sent to a page that has drawn some of it."""

import json
from typing import Any

from workbench.chat.conversation import Chat, Pane


class Drawn:
    """A page's side: it keeps what it was sent, and asks for the rest."""

    def __init__(self, chat: Chat) -> None:
        self.chat, self.query, self.panes, self.bytes = chat, {}, [], 0

    def poll(self) -> dict[str, Any]:
        reply = self.chat.reply(self.query)
        self.bytes += len(json.dumps(reply).encode())
        if "panes" in reply:
            self.panes = json.loads(json.dumps(reply["panes"]))
        for change in reply.get("changes", ()):
            pane = self.panes[change["pane"]]
            pane |= change.get("head", {})
            messages = pane["messages"]
            if "stats" in change:
                messages[-1]["stats"] = change["stats"]
            if "tail" in change:
                messages[-1]["text"] += change["tail"]
            messages += change.get("more", [])
        ends = [[len(pane["messages"]), len((pane["messages"] or [{"text": ""}])[-1]["text"])] for pane in self.panes]
        edition = reply.get("edition", self.query.get("edition"))
        self.query = {"edition": edition, "version": reply["version"], "ends": ends}
        return reply

    def whole(self) -> Any:
        return self.chat.reply({})["panes"]


def asked(*models: str) -> Chat:
    chat = Chat("c")
    chat.begin(list(models), "")
    for pane in chat.panes:
        pane.messages.append({"role": "user", "content": "Hello"})
        pane.state = "waiting"
    chat.version += 1
    return chat


def write(chat: Chat, pane: Pane, word: str) -> None:
    pane.messages[-1]["content"] += word
    pane.stats[len(pane.messages) - 1] = f"{len(pane.messages[-1]['content'].split())} tokens · 20 tokens/s"
    chat.version += 1


def start(chat: Chat, pane: Pane) -> None:
    pane.state, pane.weights = "streaming", "weights of it"
    pane.messages.append({"role": "assistant", "content": ""})
    chat.version += 1


def test_only_what_is_new_is_sent_and_it_adds_up_to_the_whole() -> None:
    chat = asked("a", "b")
    page = Drawn(chat)
    assert "panes" in page.poll() and page.panes == page.whole()
    for pane in chat.panes:
        start(chat, pane)
    first = page.poll()
    assert [set(change) for change in first["changes"]] == [{"pane", "head", "stats", "more"}] * 2
    write(chat, chat.panes[1], " one 🙂")
    assert page.poll()["changes"] == [{"pane": 1, "tail": " one 🙂", "stats": "2 tokens · 20 tokens/s"}]
    write(chat, chat.panes[0], "zero")
    write(chat, chat.panes[1], " two")
    chat.panes[1].state = "done"
    chat.panes[1].stats[1] = "finished"
    assert page.poll()["changes"][1]["tail"] == " two"
    assert page.panes == page.whole()
    assert page.poll() == {"version": chat.version, "busy": True}


def test_an_answer_of_two_thousand_tokens_costs_less_than_a_hundred_kilobytes() -> None:
    chat = asked("a")
    page = Drawn(chat)
    page.poll()
    start(chat, chat.panes[0])
    for token in range(2000):
        write(chat, chat.panes[0], " word")
        if token % 3 == 0:
            page.poll()
    page.poll()
    assert page.panes == page.whole()
    assert page.bytes < 100_000


def test_whoever_drew_another_edition_gets_it_whole() -> None:
    chat = asked("a")
    page = Drawn(chat)
    page.poll()
    start(chat, chat.panes[0])
    write(chat, chat.panes[0], "first")
    page.poll()
    chat.take_back(chat.panes[0], "assistant")
    start(chat, chat.panes[0])
    write(chat, chat.panes[0], "second answer")
    assert "panes" in page.poll() and page.panes == page.whole()
    chat.begin([], "")
    assert page.poll()["panes"] == []
    other = asked("a")  # another server, whose counters happen to be the same
    other.version = page.query["version"]
    page.chat = other
    assert "panes" in page.poll()


def test_a_head_that_changed_back_is_sent_to_who_saw_it_changed() -> None:
    chat = asked("a")
    one, other = Drawn(chat), Drawn(chat)
    one.poll()
    chat.panes[0].note, chat.version = "Loading", chat.version + 1
    other.poll()
    chat.panes[0].note, chat.version = "", chat.version + 1
    other.poll()
    assert other.panes == other.whole()
