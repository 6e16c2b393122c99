"""What the server remembers of an open page: what events changed there, and nothing else."""

import tracemalloc
from typing import Any

import gradio as gr
import pytest
from starlette.testclient import TestClient

from tabs.serving.page import Page
from tabs.serving.page_states import PageStates
from tests.serving import SmallPage


class PickerPage(SmallPage):
    """A page with a picker whose choices come by an event, as every picker's of ours do."""

    def add_parts(self) -> None:
        self.picker = gr.Dropdown(choices=[])
        fill, show = gr.Button(), gr.Button()
        fill.click(lambda: gr.update(choices=["a model"]), None, self.picker, api_name="fill", queue=False)
        show.click(lambda name: f"{name}!", self.picker, gr.Textbox(), api_name="show", queue=False)


def call(client: TestClient, name: str, page: str, *values: Any) -> Any:
    """What an event answers the page of that session hash."""
    return client.post(f"/gradio_api/run/{name}", json={"data": values, "session_hash": page}).json()


def test_what_an_event_changed_holds_in_that_page_alone() -> None:
    with PickerPage().client() as client:
        assert "not in the list of choices" in call(client, "show", "first", "a model")["error"]
        call(client, "fill", "first")
        assert call(client, "show", "first", "a model")["data"] == ["a model!"]
        assert "not in the list of choices" in call(client, "show", "second", "a model")["error"]


def test_events_and_server_functions_of_a_page_are_remembered_as_one_page() -> None:
    page = SmallPage()
    with page.client() as client:
        page.call(client)
        call(client, "who", "s")
        assert list(page.demo.state_holder.session_data) == ["s"]
        assert isinstance(page.demo.state_holder, PageStates)


def test_an_event_lays_the_parts_it_changed_over_the_composed_page() -> None:
    page = PickerPage()
    with page.client() as client:
        call(client, "fill", "first")
    mine = page.demo.state_holder["first"].blocks_config.blocks
    assert mine[page.picker._id] is not page.picker
    assert [block for key, block in mine.items() if block is not page.demo.blocks[key]] == [mine[page.picker._id]]
    assert not list(page.demo.state_holder["first"].components)


def test_the_pages_that_asked_last_are_remembered() -> None:
    states = PageStates(SmallPage().demo, 2)
    for name in ("first", "second", "first", "third"):
        assert states[name] is states[name]
    assert list(states.session_data) == ["first", "third"]


@pytest.mark.parametrize("parts", [10, 300])
def test_a_page_takes_the_same_little_room_however_much_is_on_it(parts: int) -> None:
    with Page() as demo:
        for _ in range(parts):
            gr.Textbox()
    states = PageStates(demo)
    states["warm-up"]
    tracemalloc.start()
    for number in range(100):
        states[str(number)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 100 < 5000
