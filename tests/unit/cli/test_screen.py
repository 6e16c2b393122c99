"""What commands show: their own words, while what libraries print is in a log that an error names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toys import toy_home
from workbench.core.assets import ROOT
from workbench.core.home import Home
from workbench.jobs.queue import Queue

NOISE = """
import logging, os, sys, warnings
def noise():
    warnings.warn("a warning")
    logging.getLogger("library").error("an error of a library")
    os.system("echo of a child >&2")
    os.write(2, b"of C code\\n")
"""
HEARD = ("a warning", "an error of a library", "of a child", "of C code")
COMMAND = f"""
{NOISE}
from workbench import __main__
from workbench.cli import shelves
from workbench.cli.screen import tell
def listed(home):
    noise()
    tell("a word of our own")
    {{end}}
    return ["name"], [("one",)]
shelves.LISTS["models"] = listed
sys.exit(__main__.main(sys.argv[1:]))
"""
JOB = f"""
{NOISE}
from workbench import __main__
from tests.naps.jobs import Nap
from workbench.jobs.job import JOBS
class Noisy(Nap):
    method = "noisy"
    def run(self, ctx):
        noise()
        print("printed by a library")
        ctx.note("a word of the job")
        ctx.task.update(0, 1, "The same")
        ctx.task.update(0, 1, "The same")
        return super().run(ctx)
JOBS.register(Noisy)
sys.exit(__main__.main(sys.argv[1:]))
"""


def python(code: str, *arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=environment, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("verbose", [False, True])
def test_libraries_are_heard_only_when_asked_for(verbose: bool, own_home: Path) -> None:
    Home.at(own_home)
    done = python(COMMAND.format(end=""), "list", "models", *["--verbose"] * verbose, home=own_home)
    assert (done.returncode, done.stdout) == (0, "name  tags\none\n")
    assert [text in done.stderr for text in HEARD] == [verbose] * len(HEARD)
    assert "a word of our own\n" in done.stderr and not list(own_home.glob("llm-workbench-*.log"))


def test_an_unknown_error_names_the_log_that_has_its_traceback(own_home: Path) -> None:
    Home.at(own_home)
    done = python(COMMAND.format(end="1 / 0"), "list", "models", home=own_home)
    (log,) = own_home.glob("llm-workbench-*.log")
    error = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert error == f"error: ZeroDivisionError: division by zero. The log has the whole story. It is {log}."
    assert "Traceback" in log.read_text() and all(text in log.read_text() for text in HEARD)
    shown = python(COMMAND.format(end="1 / 0"), "--verbose", "list", "models", home=own_home)
    assert shown.stderr.splitlines()[-1] == "error: ZeroDivisionError: division by zero."
    assert "Traceback" in shown.stderr and list(own_home.glob("llm-workbench-*.log")) == [log]


@pytest.mark.parametrize(("crash", "code"), [("", 0), ("code", 1)])
@pytest.mark.parametrize("verbose", [False, True])
def test_a_job_here_shows_its_progress_and_its_log_holds_the_rest(
    verbose: bool, crash: str, code: int, own_home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps({"method": "noisy", "steps": 1, "crash": crash}))
    done = python(JOB, "run", path, *["--verbose"] * verbose, home=own_home)
    (row,) = Queue(Home.at(own_home)).all()
    log = (own_home / "jobs" / row.id / "log.txt").read_text()
    assert done.returncode == code, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == ["a word of the job", "[0/1] The same", "step 1  loss 1", "[1/1] Step 1"]
    assert lines[4:] == ([] if crash else [f"job: {row.id}", "status: done", "slept: 1"])
    hidden = [*HEARD, "printed by a library", "slept 1", *["Traceback"] * bool(crash)]
    assert all(text in log for text in hidden) and [text in done.stderr for text in hidden] == [verbose] * len(hidden)
    if crash:
        told = f"error: ZeroDivisionError. `job log {row.id}` prints the whole story.\n"
        assert done.stderr.endswith(told)


def test_training_here_says_nothing_but_its_own_words(own_home: Path, tmp_path: Path) -> None:
    toy_home(own_home)
    path = tmp_path / "job.yaml"
    path.write_text(
        "{method: train, model: toy, dataset: talks, output: taught, max_steps: 2, batch_size: 2, eval_every: 1}"
    )
    done = python("import sys; from workbench.__main__ import main; sys.exit(main())", "run", path, home=own_home)
    assert (done.returncode, done.stderr) == (0, "")
    assert "step 2  loss" in done.stdout and "status: done" in done.stdout and "Writing" not in done.stdout
