"""The page's shelves: read and drawn once a change, whatever the number of browsers, and sent as what differs."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tabs.shell import shelves
from tabs.shell.context import Context
from tabs.shell.offers import MOST_JOBS
from tabs.shell.shelves import Look, Updates
from tabs.shell.table import ROWS, Column, ShelfTable, TableRow
from tests.bench.home_of_many import add_dataset, add_job, add_model, many
from tests.voting import make_session
from workbench.chat.service import ChatService
from workbench.core.home import Home
from workbench.core.notes import UserNotes
from workbench.data.store.dataset_reference import DatasetRef
from workbench.inventory.item_notes import change_notes
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


def context(home: Home) -> Context:
    queue = Queue(home)
    return Context(home, queue, Runner(home, queue), ChatService(home))


def reply(updates: Updates, mark: str = "") -> dict[str, Any]:
    return json.loads(bytes(updates.since(mark).body))


class Counted:
    """A page of two pickers of one list, one of another, and a line; counts how often it is drawn."""

    def __init__(self) -> None:
        self.version, self.models, self.line, self.drawn = 1, ["a", "b"], "quiet", 0

    def make(self) -> list[Any]:
        self.drawn += 1
        return [{"choices": self.models}, {"choices": self.models}, {"choices": ["x"]}, self.line]


def test_a_change_is_drawn_once_for_all_browsers() -> None:
    page = Counted()
    updates = Updates(lambda: page.version, page.make)
    for _ in range(20):
        reply(updates)
    assert page.drawn == 1
    page.version = 2
    marks = {reply(updates, "")["mark"] for _ in range(20)}
    assert page.drawn == 2 and len(marks) == 1


def test_votes_are_followed_a_tenth_of_the_time_and_other_changes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    page, clock, votes = Counted(), [100.0], [0]

    def make() -> list[Any]:
        clock[0] += 0.1  # what the making takes
        return page.make()

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    updates = Updates(lambda: page.version, make, lambda: votes[0])
    reply(updates)
    votes[0] += 1
    clock[0] += 0.8
    reply(updates)
    assert page.drawn == 1
    clock[0] += 0.2
    reply(updates)
    assert page.drawn == 2
    votes[0], page.version = 2, 2
    reply(updates)
    assert page.drawn == 3


def test_equal_states_are_sent_once_and_only_what_differs_is_sent_again() -> None:
    page = Counted()
    updates = Updates(lambda: page.version, page.make)
    first = reply(updates)
    assert len(first["parts"]) == 3 and set(first["places"]) == {"0", "1", "2", "3"}
    assert first["parts"][first["places"]["1"]] == {"choices": ["a", "b"]}
    page.version, page.line = 2, "busy"
    then = reply(updates, first["mark"])
    assert list(then["parts"].values()) == ["busy"] and set(then["places"]) == {"3"}
    assert reply(updates, then["mark"]) == {"mark": then["mark"], "parts": {}, "places": {}}


@pytest.mark.parametrize("mark", ["", "of another server", "\x00" * 1000])
def test_a_browser_whose_mark_is_not_known_is_sent_everything(mark: str) -> None:
    page = Counted()
    assert len(reply(Updates(lambda: page.version, page.make), mark)["places"]) == 4


def test_marks_are_remembered_in_bounded_number() -> None:
    page = Counted()
    updates = Updates(lambda: page.version, page.make)
    old = reply(updates)["mark"]
    for page.version in range(2, shelves.MARKS + 10):
        reply(updates, old)
    assert len(updates._tags) == shelves.MARKS and len(reply(updates, old)["places"]) == 4


def test_replies_to_unknown_marks_do_not_pile_up() -> None:
    page = Counted()
    updates = Updates(lambda: page.version, page.make)
    for number in range(1000):
        reply(updates, f"invented-{number}")
    assert len(updates._replies) <= shelves.MARKS


def test_a_look_reads_again_when_the_shelf_changed_or_some_time_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    state = {"outside": 1, "value": "a"}

    def value() -> str:
        read.append(1)
        return str(state["value"])

    look = Look(value, lambda: state["outside"])
    assert [look.look() for _ in range(5)] == [(1, "a")] * 5 and len(read) == 1
    state["outside"] = 2
    assert look.look() == (1, "a") and len(read) == 2  # looked again, and nothing is new
    state["value"] = "b"
    assert look.look() == (1, "a")
    at = time.monotonic() + shelves.SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: at)
    assert look.look() == (2, "b") and len(read) == 3


def test_one_part_that_cannot_be_drawn_keeps_no_other_from_it(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    import gradio as gr

    ctx = context(home)
    with gr.Blocks() as demo:
        for update in (lambda: 1 / 0, lambda: "fine"):
            ctx.follow(gr.HTML(), update)
        ctx.wire(demo)
    pulse = next(block for block in demo.blocks.values() if hasattr(block, "changes"))
    found = json.loads(bytes(pulse.changes({}, None).body))  # type: ignore[attr-defined]
    assert list(found["parts"].values()) == [{"__type__": "update"}, "fine"]
    assert "ZeroDivisionError" in caplog.text


def test_names_that_are_no_utf8_are_sent_too() -> None:
    odd = os.fsdecode(b"caf\xe9")
    updates = Updates(lambda: 1, lambda: [{"choices": [[odd, odd]]}])
    assert reply(updates)["parts"][reply(updates)["places"]["0"]] == {"choices": [[odd, odd]]}


# ---- what the context makes of them ----------------------------------------------------------------------------


def test_lists_are_made_once_a_change_of_their_own_shelf(home: Home) -> None:
    ctx = context(many(home, 3, 3, 3))
    before = (ctx.models(), ctx.datasets(), ctx.jobs(), ctx.jobs(("train",)), ctx.pairs(DatasetRef("conversation")))
    again = (ctx.models(), ctx.datasets(), ctx.jobs(), ctx.jobs(("train",)), ctx.pairs(DatasetRef("conversation")))
    assert all(one is other for one, other in zip(before, again, strict=True))
    add_job(home, 3)
    assert len(ctx.jobs()) == 4 and ctx.models() is before[0] and ctx.datasets() is before[1]
    add_model(home, 3)
    assert len(ctx.models()) == 4 and ctx.datasets() is before[1]
    add_dataset(home, 3)
    assert len(ctx.datasets()) == len(ctx.pairs(DatasetRef("conversation"))) == 4


def test_the_version_changes_with_each_shelf_and_only_then(home: Home) -> None:
    ctx = context(many(home, 1, 1, 1))
    seen = [ctx.shelves.version()]
    assert ctx.shelves.version() == seen[0]
    for add in (add_model, add_dataset, add_job):
        add(home, 7)
        seen.append(ctx.shelves.version())
        assert ctx.shelves.version() == seen[-1]
    assert len(set(seen)) == 4


def test_a_note_changes_the_version_and_is_found_at_once(home: Home) -> None:
    ctx = context(many(home, 2, 1, 1))
    make_session(home, "round", 1)
    job = Queue(home).all()[0].id
    for kind, name in (("model", "model-00000"), ("dataset", "set-00000"), ("job", job), ("session", "round")):
        before = ctx.shelves.version()
        change_notes(home, kind, name, lambda _: UserNotes(("keep",)))
        assert ctx.shelves.version() != before
        assert ctx.shelves.notes_of(kind, name).tags == ("keep",) and ctx.shelves.notes_of(kind, "other").tags == ()
    items = ctx.shelves.items()
    assert sorted(item.key for item in items if item.notes.tags) == sorted(["model-00000", "set-00000", job, "round"])
    assert ctx.shelves.items() is items


def test_pickers_of_jobs_offer_the_newest(home: Home) -> None:
    ctx = context(many(home, jobs=MOST_JOBS + 5))
    offered = ctx.jobs()
    assert len(offered) == MOST_JOBS and offered[0][0] == f"SFT made-{MOST_JOBS + 4:05} · done"


def test_a_home_that_cannot_be_written_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context(home)
    before = ctx.shelves.version()
    assert ctx.shelves.problem() == ("", "")
    monkeypatch.setattr(shelves.shutil, "disk_usage", lambda _: SimpleNamespace(free=12_000))
    assert "is full (12 kB free)" in ctx.shelves.problem()[0] and ctx.shelves.version() != before
    monkeypatch.setattr(shelves.os, "access", lambda *_: False)
    assert "can only be read" in ctx.shelves.problem()[0]


# ---- tables --------------------------------------------------------------------------------------------------


def table(rows: list[str], **options: Any) -> Any:
    """The server function of a table of these words."""
    made = ShelfTable(
        (Column("Name", len), Column("Other")),
        lambda: rows,
        lambda row: TableRow(row, (row,), **options),
        str,
        ("", "", ""),
    )
    return made.rows_of


def answered(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else json.loads(bytes(found.body))


def test_a_table_sends_one_page_and_draws_only_that(home: Home) -> None:
    rows_of = table([f"row {number}" for number in range(10_000)])
    first = answered(rows_of({}, None))
    assert (first["total"], first["pages"], len(first["rows"])) == (10_000, 10_000 // ROWS, ROWS)
    last = answered(rows_of({"page": 10**9}, None))
    assert last["rows"][-1]["key"] == "row 9999"
    assert answered(rows_of({"page": -3}, None))["page"] == 0


def test_a_table_is_searched_as_a_whole(home: Home) -> None:
    rows_of = table([f"row {number}" for number in range(10_000)])
    found = answered(rows_of({"search": "  9999 ROW", "page": 40}, None))
    assert [row["key"] for row in found["rows"]] == ["row 9999"] and found["page"] == 0
    assert answered(rows_of({"search": "nothing"}, None))["total"] == 0


def test_a_table_is_sorted_as_a_whole_and_only_by_what_it_is_sorted_by(home: Home) -> None:
    rows_of = table([*(["ccc"] * ROWS), "a", "bb"])

    def first(**query: Any) -> list[str]:
        return [row["key"] for row in answered(rows_of(query, None))["rows"]][:2]

    assert first() == ["ccc", "ccc"]
    assert first(sort=0) == ["a", "bb"] and first(sort=0, descending=True) == ["ccc", "ccc"]
    assert first(sort=0, search="b") == ["bb"]
    for odd in (1, 2, -1, True, "0", None, [0]):
        assert first(sort=odd) == ["ccc", "ccc"]


def test_tags_are_sent_with_their_rows_and_a_search_finds_tags_and_notes(home: Home) -> None:
    notes = {"row 1": UserNotes(("keep",), "a wren"), "row 2": UserNotes(("keeper",))}
    made = ShelfTable(
        (Column("Name"),), lambda: ["row 1", "row 2", "row 3"], lambda row: TableRow(row, (row,)), str, ("", "", ""),
        notes=lambda row: notes.get(row, UserNotes()),
    )  # fmt: skip
    found = {text: answered(made.rows_of({"search": text}, None))["rows"] for text in ("", "wren", "#keep", "keep")}  # type: ignore[attr-defined]
    assert [row["tags"] for row in found[""]] == [["keep"], ["keeper"], []]
    assert [[row["key"] for row in found[text]] for text in ("wren", "#keep")] == [["row 1"], ["row 1"]]
    assert len(found["keep"]) == 2


def test_a_page_that_is_as_it_was_is_not_sent_again(home: Home) -> None:
    rows = ["one"]
    rows_of = table(rows, moving=True)
    first = answered(rows_of({}, None))
    assert answered(rows_of({"have": first["have"]}, None)) == {"have": first["have"], "moving": True}
    rows.append("two")
    assert answered(rows_of({"have": first["have"]}, None))["total"] == 2


@pytest.mark.parametrize("query", [{"page": "x"}, {"page": None, "search": None}, {"page": [1], "search": {"a": 1}}])
def test_an_odd_query_is_no_internal_error(query: dict[str, Any], home: Home) -> None:
    found = answered(table(["one"])(query, None))
    assert found.get("total") in (0, 1)


def test_the_page_carries_no_choices_of_the_shelf(home: Home) -> None:
    """A dropdown's choices come with the pulse: the page would carry them once for each of some thirty."""
    import app

    page = json.dumps(app.compose(context(many(home, 3, 3, 3))).get_config_file(), default=str)
    assert [name for name in ("model-00001", "set-00001", "made-00001") if name in page] == []


def test_what_is_made_of_a_shelf_is_made_once_however_many_ask_at_once(home: Home) -> None:
    shelves, calls = context(home).shelves, []

    def make(_: object) -> str:
        calls.append(1)
        time.sleep(0.05)  # long enough for the others to ask meanwhile
        return "made"

    with ThreadPoolExecutor(5) as pool:
        results = [pool.submit(shelves.made, "slow", lambda: (1, None), make) for _ in range(5)]
    assert {one.result() for one in results} == {"made"} and len(calls) == 1
