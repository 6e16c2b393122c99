"""The examples of docs/plugins.md, one of each kind, do what they say; and they come by each of the three roads."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tabs.forms.fields import fields_of
from tests.outside import examples, loaded, write_plugins
from tests.running import carry, checked
from tests.toy_training import job as training
from tests.toys import EXACT, toy_home, toy_model
from tests.waiting import end_processes_of
from workbench.cli.shared import families
from workbench.core import limited
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.plugins import ALLOW, GROUP, PACKAGE, VARIABLE
from workbench.data.jobs.prepare import Prepare
from workbench.data.reading.format import FORMATS
from workbench.data.recipes.brief_preview import brief_preview
from workbench.data.sources.source import SOURCES
from workbench.data.store import datasets
from workbench.models.loading import load_base

METHODS = {
    "step": "every_other", "format": "riddles", "objective": "imitate", "tuner": "norms", "job": "count-models"
}  # fmt: skip
SETTINGS = {"step": "offset", "objective": "tutor", "job": "extra", "format": "solution"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugins(tmp_path_factory.mktemp("plugins"), examples())


@pytest.fixture(scope="module", autouse=True)
def imported(folder: Path) -> Iterator[None]:
    """In this process the methods of the folder are there while these tests run."""
    with loaded(**{VARIABLE: str(folder)}) as plugins:
        assert [plugin.error for plugin in plugins] == [""] * 6
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    home = toy_home(tmp_path_factory.mktemp("outside"))
    toy_model(home, "teacher", seed=1)
    return home


def commands(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=ROOT, env={**os.environ, VARIABLE: str(folder)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("family", METHODS)
def test_a_method_from_outside_is_drawn_as_those_of_its_family_are(family: str) -> None:
    method = families()[family].get(METHODS[family])
    names = [field["name"] for field in fields_of(method)]
    assert names[-1:] == ([SETTINGS[family]] if family in SETTINGS else [])


def test_methods_from_outside_are_commands_and_options_and_can_be_begun_with_new(folder: Path) -> None:
    shown = commands(folder, "list", "methods")
    assert shown.returncode == 0 and all(f" {method} " in shown.stdout for method in METHODS.values()), shown.stderr
    assert "--objective.tutor" in commands(folder, "train", "--help").stdout
    assert "--extra" in commands(folder, "count-models", "--help").stdout
    begun = commands(folder, "new", "count-models")
    assert begun.returncode == 0 and "extra: 0" in begun.stdout, begun.stderr


def test_a_step_from_outside_cleans_a_dataset(home: Home) -> None:
    datasets_before = datasets.count(home, "talks", "train") + datasets.count(home, "talks", "eval")
    recipe = {"name": "talks", "steps": [{"method": "every_other"}]}
    view = carry(home, Prepare.parse({"recipe": recipe}))
    assert sum(view.state.result["rows"].values()) * 2 == datasets_before
    carry(home, Prepare.parse({"recipe": {"name": "talks", "steps": []}}))


def test_an_objective_from_outside_gets_its_teacher_and_names_it_among_the_parents(home: Home) -> None:
    job = training(output="pupil", objective={"method": "imitate", "tutor": "teacher"})
    assert ["Tutor", "teacher"] in job.facts(home)
    losses = [point["loss"] for point in carry(home, job).state.points if "loss" in point]
    assert len(losses) == 2 and losses[0] > 0
    parents = {(parent.role, parent.name, parent.digest) for parent in read_manifest(home.models / "pupil").parents}
    assert parents == {
        ("base", "toy", read_manifest(home.models / "toy").digest),
        ("dataset", "talks", read_manifest(home.datasets / "talks").digest),
        ("tutor", "teacher", read_manifest(home.models / "teacher").digest),
    }


def test_what_an_objective_from_outside_lacks_is_said_before_the_start(home: Home) -> None:
    with pytest.raises(UserError, match="There is no model 'nobody'"):
        checked(home, training(output="orphan", objective={"method": "imitate", "tutor": "nobody"}))


def test_a_tuner_from_outside_saves_a_whole_model(home: Home) -> None:
    carry(home, training(output="normed", tuner="norms"))
    manifest = read_manifest(home.models / "normed")
    assert manifest.kind == "model"
    assert {(parent.role, parent.name) for parent in manifest.parents} == {("start", "toy"), ("dataset", "talks")}
    before, after = (load_base(home.models / name, EXACT).state_dict() for name in ("toy", "normed"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("norm" in name for name in changed)


def test_a_tuner_of_whole_models_from_outside_refuses_what_every_such_tuner_does(home: Home) -> None:
    with pytest.raises(UserError, match="only adapters' checkpoints are kept"):
        checked(home, training(output="kept", tuner="norms", keep_checkpoints=2))


def test_a_format_from_outside_is_detected_and_read_in_the_process_for_large_sources(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(folder))
    path = tmp_path / "riddles.jsonl"
    path.write_text('{"riddle": "What has keys?", "solution": "A piano."}\n' * 3, "utf-8")
    source = SOURCES.parse({"method": "files", "paths": [str(path)]})
    preview = limited.call(brief_preview, source)
    assert preview.rows[0]["messages"][1]["content"] == "A piano."
    assert FORMATS.get("riddles")(riddle="riddle", solution="solution") in vars(preview).values()


SERVED = """
import json
import app
from tabs.shell.context import Context
from tests.waiting import until
from workbench.chat.service import ChatService
from workbench.core.home import Home
from workbench.core.plugins import load_plugins
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner

home = Home.default()
queue = Queue(home)
runner = Runner(home, queue, warm=False)
page = app.compose(Context(home, queue, runner, ChatService(home)))
blocks = {block.elem_id: block for block in page.blocks.values() if getattr(block, "elem_id", None)}
view = queue.get(queue.submit(JOBS.parse({"method": "count-models", "extra": 10})))
runner.start()
until(lambda: view.refresh().status in ("done", "failed"), what="the job's end")
runner.halt()
print(json.dumps({
    "errors": {plugin.name: plugin.error for plugin in load_plugins()},
    "page errors": {plugin.name: plugin.page_error for plugin in load_plugins() if plugin.page_error},
    "tabs": [tab.label for tab in blocks["tabs"].children],
    "greeting": blocks["greeting"].value,
    "button": blocks["start-count-models"].value,
    "notice": [blocks["plugin-problem"].visible, blocks["plugin-problem"].value],
    "result": view.state.result,
    "log": (view.folder / "log.txt").read_text("utf-8"),
}))
"""
BROKEN = {
    "broken.py": "1 / 0",
    "crooked.py": 'TAB_MODULES = ("workbench_plugins._crooked_tab",)',
    "_crooked_tab.py": """
import gradio as gr
from tabs.shell.tab_registry import Tab

def build(ctx):
    with gr.Column():
        ctx.there_is_no_such_thing()

TAB = Tab("crooked", "Crooked", 36, build)
""",
    "loose.py": 'TAB_MODULES = ("workbench_plugins._loose_tab",)',
    "_loose_tab.py": """
import gradio as gr
from tabs.shell.tab_registry import Tab

def build(ctx):
    ctx.links.on(gr.Button("Go").click, "nowhere", lambda: None, [])

TAB = Tab("loose", "Loose", 37, build)
""",
}


def in_a_folder(tmp_path: Path, files: dict[str, str]) -> dict[str, str]:
    return {VARIABLE: str(write_plugins(tmp_path / "own", files))}


def in_the_home(tmp_path: Path, files: dict[str, str]) -> dict[str, str]:
    write_plugins(tmp_path / "home" / "plugins", files)
    return {ALLOW: "1"}


def in_a_package(tmp_path: Path, files: dict[str, str]) -> dict[str, str]:
    """A package as pip would leave it, with an entry point for each of its modules."""
    site = tmp_path / "site"
    write_plugins(site / "own_methods", {name: text.replace(PACKAGE, "own_methods") for name, text in files.items()})
    (site / "own_methods" / "__init__.py").touch()
    stems = [name.removesuffix(".py") for name in files if not name.startswith("_")]
    lines = [f"[{GROUP}]", *(f"{stem} = own_methods.{stem}" for stem in stems)]
    metadata = "Metadata-Version: 2.1\nName: own-methods\nVersion: 1.0\n"
    write_plugins(
        site / "own_methods-1.0.dist-info", {"METADATA": metadata, "entry_points.txt": "\n".join(lines) + "\n"}
    )
    return {ALLOW: "1", "PYTHONPATH": str(site)}


@pytest.mark.parametrize("road", [in_a_folder, in_the_home, in_a_package])
def test_by_every_road_plug_ins_reach_page_and_worker_and_broken_ones_stop_neither(
    tmp_path: Path, road: Callable[[Path, dict[str, str]], dict[str, str]]
) -> None:
    home = tmp_path / "home"
    others = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment = {**others, **road(tmp_path, examples() | BROKEN), "WORKBENCH_HOME": str(home)}
    ended = subprocess.run(
        [sys.executable, "-c", SERVED], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    end_processes_of(home)
    assert ended.returncode == 0, ended.stderr
    shown = json.loads(ended.stdout.splitlines()[-1])
    broken = {name: error for name, error in shown["errors"].items() if error}
    assert broken == {"broken": "ZeroDivisionError: division by zero (broken.py, line 1)"}
    assert set(shown["errors"]) == {name[:-3] for name in examples() | BROKEN if not name.startswith("_")}
    assert set(shown["page errors"]) == {"crooked", "loose"}
    names = shown["tabs"]
    assert names[names.index("Train") + 1 : names.index("Merge")] == ["Greeting", "Crooked", "Loose"]
    assert shown["greeting"] == "Hello"
    assert shown["button"] == "Count" and shown["result"] == {"models": 10}
    visible, notice = shown["notice"]
    assert visible and all(f"The plug-in {name} " in notice for name in ("broken", "crooked", "loose"))
    assert "The plug-in broken " in shown["log"] and "The plug-in greeting " not in shown["log"]
