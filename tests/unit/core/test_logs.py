"""Log lines: configured once, written to what standard error is, and about the job they are about."""

import ast
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.core.assets import ROOT
from workbench.core.children import child_environment
from workbench.core.logs import JOB_VARIABLE, JobFilter, configure_logging, current_job, logged_job

PRINTS = {
    "workbench/compression/scripts/llm_compressor.py": "what the process that started it reads",
    "workbench/gguf/_convert.py": "what the process that started it reads",
    "workbench/gguf/_tokenize.py": "what the process that started it reads",
    "workbench/models/inspection.py": "what the process that started it reads",
    "workbench/jobs/worker.py": "the spare worker says that it is ready",
    "tabs/serving/serve.py": "where the page is and how to log in, for whoever started it",
    "workbench/__main__.py": "the command line's own words",
}
"""Who prints, and what for; the commands of the command line besides."""


@pytest.fixture(autouse=True)
def own_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The root logger's handlers and level are given back."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = [handler for handler in before if not any(isinstance(f, JobFilter) for f in handler.filters)]
    yield
    root.handlers, root.level = before, level


def record() -> logging.LogRecord:
    record = logging.LogRecord("x", logging.INFO, "", 0, "hello", None, None)
    JobFilter().filter(record)
    return record


def test_a_record_carries_the_job_that_is_worked_on() -> None:
    assert (record().__dict__["job"], record().__dict__["about"]) == ("", "")
    with logged_job("train-1"):
        with logged_job("train-2"):
            assert record().__dict__["job"] == "train-2"
        assert record().__dict__["about"] == " [train-1]"
    assert current_job() == ""


def test_child_processes_know_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert JOB_VARIABLE not in child_environment()
    with logged_job("merge-1"):
        assert child_environment()[JOB_VARIABLE] == "merge-1" == child_environment(only=("PATH",))[JOB_VARIABLE]
    monkeypatch.setenv(JOB_VARIABLE, "merge-2")
    assert current_job() == "merge-2"


def test_lines_go_to_what_standard_error_is_when_they_come(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging()
    configure_logging()
    with logged_job("train-1"):
        logging.getLogger("workbench.jobs.worker").info("first")
    logging.getLogger("some.library").info("not shown")
    logging.getLogger("some.library").warning("shown")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == [
        "INFO workbench.jobs.worker [train-1]: first",
        "WARNING some.library: shown",
    ]
    monkeypatch.setattr(sys, "stderr", open(os.devnull, "w"))  # noqa: SIM115
    logging.getLogger("workbench").error("elsewhere")
    sys.stderr.close()
    assert "elsewhere" not in capsys.readouterr().err


def test_what_a_worker_and_its_children_log_carries_the_job(tmp_path: Path) -> None:
    code = """
import logging, subprocess, sys, threading
from workbench.core.children import child_environment
from workbench.core.logs import configure_logging
from workbench.jobs import worker

def run(home, folder):
    worker.log.info("in the process")
    thread = threading.Thread(target=lambda: worker.log.info("in a thread"))
    thread.start(); thread.join()
    child = "from workbench.core.logs import *; configure_logging(); logging.getLogger('workbench').info('in a child')"
    subprocess.run([sys.executable, "-c", child], env=child_environment(), check=True)
    return "done"

worker.execute_job = run
from pathlib import Path
worker.main(Path(sys.argv[1]))
"""
    folder = tmp_path / "home" / "jobs" / "nap-7"
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, timeout=120)
    lines = (folder / "log.txt").read_text("utf-8").splitlines()
    assert " workbench.jobs.worker [nap-7]: process " in lines[0]
    assert [line.rpartition(": ")[2] for line in lines[1:]] == ["in the process", "in a thread", "in a child"]
    assert all(" [nap-7]: " in line for line in lines), lines


@pytest.mark.parametrize(
    "module",
    [
        "workbench.jobs.worker",
        "workbench.chat.worker",
        "workbench.compression.evaluation.child",
        "workbench.core.limited",
    ],
)
def test_a_module_that_runs_as_main_logs_by_its_own_name(module: str) -> None:
    assert importlib.import_module(module).log.name == module
    text = (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
    assert f'getLogger("{module}")' in text, "as __main__ its lines would count as a library's"


def printing(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("print", "traceback.print"))
        and not any(keyword.arg == "file" for keyword in node.keywords)
        for node in ast.walk(tree)
    )  # fmt: skip


def test_engines_and_page_log_and_do_not_print() -> None:
    files = [path for room in ("workbench", "tabs") for path in (ROOT / room).rglob("*.py")]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files}
    prints = {
        name for name, text in texts.items()
        if "print" in text and not name.startswith("workbench/cli/") and printing(ast.parse(text))
    }  # fmt: skip
    assert prints == set(PRINTS) - {"workbench/__main__.py"}


def test_logging_is_configured_in_one_place() -> None:
    files = [path for room in ("workbench", "tabs") for path in (ROOT / room).rglob("*.py")]
    places = [path.name for path in files if "basicConfig" in path.read_text("utf-8")]
    assert places == []
    starters = {path.name for path in files if "configure_logging()" in path.read_text("utf-8")}
    assert {"worker.py", "serve.py", "__main__.py", "child.py", "limited.py"} <= starters
