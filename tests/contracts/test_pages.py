"""A kind of job with its form is one file, a tab is one folder: the page draws what lies outside the package too."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import app
import tabs
from tabs.forms.fields import refs_in
from tabs.forms.job_tab import plain_result
from tabs.serving.callers import EVENTS, events
from tabs.shell.context import Context
from tabs.shell.tab_registry import all_tabs
from workbench.chat.service import ChatService
from workbench.core.described import describe
from workbench.core.home import Home
from workbench.jobs.events import JobState
from workbench.jobs.job import JOBS, Job
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.jobs.view import JobRecord

KIND = '''
from typing import ClassVar

from pydantic import Field

from workbench.jobs.job import JOBS, Job
from workbench.jobs.page import JobPage


@JOBS.register
class CountWords(Job):
    """Counts the words of a text."""

    method: ClassVar[str] = "count-words"
    title: ClassVar[str] = "Count words"
    page: ClassVar[JobPage | None] = JobPage(
        "merge", title="Words", button="Count them", order=45
    )

    text: str = Field("two words", description="What to count.")

    def run(self, ctx):
        return {"words": len(self.text.split())}
'''
TAB = """
import gradio as gr

from tabs.shell.tab_registry import Tab


def build(ctx):
    gr.Markdown("Hello", elem_id="greeting")


TAB = Tab("greeting", "Greeting", 35, build)
"""


def load_kind(path: Path) -> type[Job]:
    """The kind of job a file outside the package registers."""
    path.write_text(KIND)
    spec = importlib.util.spec_from_file_location("count_words", path)
    assert spec and spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return JOBS.get("count-words")


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Context:
    home = Home.at(tmp_path_factory.mktemp("home"))
    queue = Queue(home)
    return Context(home, queue, Runner(home, queue), ChatService(home))


@pytest.fixture(scope="module")
def page(ctx: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    """The page composed while a kind of job and a tab lie in folders of their own."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "greeting").mkdir()
    (folder / "greeting" / "__init__.py").write_text("")
    (folder / "greeting" / "tab.py").write_text(TAB)
    JOBS.all()
    load_kind(folder / "count_words.py")
    tabs.__path__.append(str(folder))
    yield app.compose(ctx)
    tabs.__path__.remove(str(folder))
    del JOBS._methods["count-words"]
    for name in ("tabs.greeting.tab", "tabs.greeting"):
        sys.modules.pop(name, None)


def block(page: gr.Blocks, elem_id: str) -> Any:
    return next(block for block in page.blocks.values() if getattr(block, "elem_id", None) == elem_id)


def titles(page: gr.Blocks, elem_id: str) -> list[Any]:
    """The titles of the tabs that lie directly in a group of tabs."""
    return [child.label for child in block(page, elem_id).children]


def test_the_form_of_a_kind_from_outside_stands_in_its_order(page: gr.Blocks) -> None:
    names = titles(page, "merge-tabs")
    assert names[names.index("Checkpoints") + 1 : names.index("MoE")] == ["Words"]
    assert block(page, "start-count-words").value == "Count them"
    assert block(page, "form-count-words") is not None


def test_its_button_queues_the_job_without_a_new_entry_for_callers(page: gr.Blocks, ctx: Context) -> None:
    start = block(page, "start-count-words")
    submit = next(event for event in page.fns.values() if event.fn and (start._id, "click") in event.targets)
    assert submit.fn is not None
    submit.fn({"text": "one two three"})
    [row] = ctx.queue.all()
    job = ctx.queue.get(row.id).job
    assert job and job.to_dict() == {"method": "count-words", "text": "one two three"}
    assert set(events(page)) <= set(EVENTS)


def test_the_tab_of_a_folder_outside_stands_in_its_order(page: gr.Blocks) -> None:
    names = titles(page, "tabs")
    assert names[names.index("Train") + 1 : names.index("Merge")] == ["Greeting"]
    assert block(page, "greeting").value == "Hello"


def test_its_result_is_shown_as_values_sentences_and_a_table(ctx: Context) -> None:
    result = {"words": 3, "sentences": ["Three <words>."], "table": [{"word": "one", "count": 1}, {"word": "two"}]}
    view = JobRecord("id", Path(), None, JobState(status="done", result=result, has_status=True))
    found = plain_result(ctx.home, view)
    html = found.html
    assert (found.figures, found.models) == ([], [])
    for text in ("<dt>Words</dt><dd>3</dd>", "<li>Three &lt;words&gt;.</li>", "<th>Word</th>", ">two</td>", "—"):
        assert text in html, html


def placed() -> list[type[Job]]:
    return [kind for kind in JOBS if kind.page]


@pytest.mark.parametrize("kind", placed(), ids=lambda kind: kind.method)
def test_what_a_page_names_is_there(kind: type[Job], ctx: Context) -> None:
    assert kind.page
    assert kind.page.tab in {tab.id for tab in all_tabs()}
    if kind.page.needs:
        ctx.pairs(kind.page.needs[0])


@pytest.mark.parametrize("kind", JOBS.all().values(), ids=lambda kind: kind.method)
def test_the_page_has_a_list_for_whatever_a_setting_names(kind: type[Job], ctx: Context) -> None:
    for ref in refs_in(describe(kind).fields).values():
        ctx.choices(ref)()


def test_every_form_placed_is_drawn_by_its_tab(page: gr.Blocks) -> None:
    drawn = {getattr(block, "elem_id", None) for block in page.blocks.values()}
    for kind in placed():
        if kind.page and not kind.page.by_hand and not kind.page.takes_paths:
            assert f"start-{kind.method}" in drawn, kind.method
