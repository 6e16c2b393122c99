"""What the running page offers to call, and who may: nothing new goes unlooked at."""

from pathlib import Path

import gradio as gr
import pytest

import app
from tabs.serving.callers import EVENTS, SERVER_FUNCTIONS, events, server_functions
from tabs.shell.context import Context
from workbench.chat.service import ChatService
from workbench.core.home import Home
from workbench.core.paths import PathGate
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

ADD = "new: say in tabs/serving/callers.py who may call it"
REMOVE = "offered no more: take it out of tabs/serving/callers.py"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    """The whole page, with everything that depends on how it is served."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    queue = Queue(home)
    ctx = Context(home, queue, Runner(home, queue), ChatService(home), PathGate(unrestricted=True), asks_login=True)
    return app.compose(ctx)


def test_every_event_of_the_page_has_an_entry(page: gr.Blocks) -> None:
    assert set(events(page)) - set(EVENTS) == set(), ADD
    assert set(EVENTS) - set(events(page)) == set(), REMOVE


def test_every_server_function_of_the_page_has_an_entry(page: gr.Blocks) -> None:
    assert set(server_functions(page)) - set(SERVER_FUNCTIONS) == set(), ADD
    assert set(SERVER_FUNCTIONS) - set(server_functions(page)) == set(), REMOVE


def test_no_event_is_offered_as_an_api_by_a_name(page: gr.Blocks) -> None:
    assert {event.api_name for event in page.fns.values() if event.api_visibility != "private"} == set()
    assert page.get_api_info()["named_endpoints"] == {}


def test_where_no_paths_may_be_named_the_fields_for_them_are_not_there(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    queue = Queue(home)
    closed = app.compose(Context(home, queue, Runner(home, queue), ChatService(home)))
    names = {getattr(block, "elem_id", None) for block in closed.blocks.values()}
    assert "start-import-gguf" not in names and "start-parity" in names
    assert "models._add_folder.<lambda> _import" not in set(events(closed))
    ways = next(block for block in closed.blocks.values() if getattr(block, "elem_id", None) == "import-way")
    assert [value for _, value in ways.choices] == ["Files", "Paste", "Hub"]  # type: ignore[attr-defined]
