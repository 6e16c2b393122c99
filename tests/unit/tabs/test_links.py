"""A click that leads to one of several parts of the page fills that one and shows the tabs it lies in."""

from typing import Any

import gradio as gr
import pytest

from tabs.shell.links import LinkChoice, Links, chooser


def page(links: Links) -> tuple[gr.Tabs, dict[str, gr.Textbox]]:
    with gr.Tabs() as tabs:
        boxes = {}
        for name in ("one", "two"):
            with links.tab(tabs, name, name):
                boxes[name] = gr.Textbox()
                links.offer(name, boxes[name], lambda value, data: f"{value}+{data}")
    return tabs, boxes


def test_only_the_target_that_is_picked_is_filled_and_shown() -> None:
    links = Links()
    with gr.Blocks():
        tabs, _ = page(links)
    choice = LinkChoice(lambda *_, **__: None, ("one", "two"), lambda clicked: (clicked, "data"), [])
    fill = chooser(choice, links._targets, [tabs])
    first, second, row = fill("before one", "before two", "two")
    assert first == gr.skip() and second == "before two+data" and row.selected == "two"


def test_a_choice_that_leads_nowhere_is_an_error_when_the_page_is_built() -> None:
    links, fired = Links(), list[Any]()
    with gr.Blocks():
        page(links)
    links.on_choice(lambda *given, **_: fired.append(given), ("one", "three"), lambda clicked: (clicked, ""), [])
    with pytest.raises(LookupError, match="no tab offers 'three'"):
        links.wire(lambda function: function)
    assert not fired
