"""What a result view does when it cannot be drawn: expected failures are told, programming errors too, and logged."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tabs import application
from tabs.compress.tab import COMPRESS
from tabs.merge.tab import MERGE
from tabs.shell.context import Context
from tabs.shell.result_panel import drawn_or_explained
from workbench.chat.service import ChatService
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.jobs.events import JobState
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.jobs.view import JobRecord
from workbench.merging.jobs.merge import Merge
from workbench.training.jobs.train import Train

RECIPE = {"merge_method": "linear", "models": [{"model": "toy", "parameters": {"weight": 1}}]}


def failing(error: Exception) -> Callable[[], str]:
    def draw() -> str:
        raise error

    return draw


def damaged_json() -> str:
    return str(json.loads("{"))


def test_a_file_that_is_not_there_yet_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert drawn_or_explained(failing(FileNotFoundError("cost.json")), str) == ""
    assert not caplog.records


@pytest.mark.parametrize("draw", [failing(UserError("There is no <model>.", "Choose another.")), damaged_json])
def test_what_cannot_be_read_is_told_without_a_log(draw: Any, caplog: pytest.LogCaptureFixture) -> None:
    html = drawn_or_explained(draw, str)
    assert "This result cannot be read" in html and "<model>" not in html
    assert not caplog.records


@pytest.mark.parametrize("error", [KeyError("loss"), TypeError("no number"), AttributeError("x"), ValueError("y")])
def test_a_programming_error_is_told_and_logged(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    html = drawn_or_explained(failing(error), str)
    assert f"This result could not be drawn ({type(error).__name__})" in html
    assert [record.levelno for record in caplog.records] == [logging.ERROR] and caplog.records[0].exc_info


def record(folder: Path, job: Any, **result: Any) -> JobRecord:
    return JobRecord("id", folder, job, JobState(status="done", result=result, has_status=True))


def test_a_damaged_proof_and_a_result_without_its_figures_are_told(own_home: Path, tmp_path: Path) -> None:
    home = Home.at(own_home)
    merge = Merge.parse({"recipe": RECIPE, "output": "child"})
    (tmp_path / "proof.json").write_text("{")
    assert "cannot be read" in MERGE.result_of(home, record(tmp_path, merge)).html
    (tmp_path / "proof.json").write_text('{"samples": [{}]}')
    assert "could not be drawn" in MERGE.result_of(home, record(tmp_path, merge)).html
    other = record(tmp_path, Train.parse({"model": "toy", "dataset": "talks"}), sentences=5)
    assert "could not be drawn (TypeError)" in COMPRESS.result_of(home, other).html


def test_the_page_says_that_a_part_of_it_could_not_be_drawn(own_home: Path) -> None:
    home = Home.at(own_home)
    queue = Queue(home)
    ctx = Context(home, queue, Runner(home, queue), ChatService(home))
    page = application.compose(ctx)
    pulse = next(block for block in page.blocks.values() if hasattr(block, "changes"))
    assert "could not be drawn" not in bytes(pulse.changes({}, None).body).decode()
    ctx.follow(next(iter(page.blocks.values())), lambda: 1 / 0)
    ctx._followers.insert(0, ctx._followers.pop())
    assert "could not be drawn" in str(ctx._states())
