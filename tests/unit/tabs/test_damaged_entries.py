"""Whatever lies on a shelf, the page comes up, says what is damaged beside the entry, and the entry can be deleted."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests import damaged
from tests.naps.jobs import Nap
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store.datasets import delete_dataset, list_datasets
from workbench.jobs.events import EventLog, JobState
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.models.model_import import import_folder
from workbench.models.shelf import delete_model, list_models


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


@pytest.fixture(scope="module", autouse=True)
def naps_registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JOBS, "_methods", {**JOBS.all(), "nap": Nap})
        yield


# ---- models --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"architectures": []}, "?"),
        ({"architectures": None}, "?"),
        ({}, "?"),
        ({"architectures": ["L" * 3_000_000]}, "L" * 99 + "…"),
    ],
)
def test_an_odd_architecture_is_shown_shortly(config: object, shown: str, home: Home) -> None:
    damaged.model(home, "odd", config)
    damaged.model(home, "good")
    found = {info.name: info for info in list_models(home)}
    assert found["odd"].architecture == shown and not found["odd"].error and not found["good"].error


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
        ('{"architectures": ["' + "L" * 60_000_000 + '"]}', "larger than 4 MB"),
        ("[1]", "no JSON object"),
        ('{"architectures": 5}', "no list of names"),
        ('{"architectures": {"a": 1}}', "no list of names"),
        ('{"architectures": [5]}', "no list of names"),
    ],
)
def test_a_config_that_cannot_be_read_is_said_beside_its_entry(config: str, says: str, home: Home) -> None:
    damaged.model(home, "odd", config)
    start = time.monotonic()
    (found,) = list_models(home)
    assert time.monotonic() - start < 10  # seconds; what it guards against takes minutes
    assert found.kind == "damaged" and says in found.error and len(found.error) < 600
    delete_model(home, "odd")
    assert list_models(home) == []


@pytest.mark.parametrize("architectures", [5, {"a": 1}, ["A", 5], "LlamaForCausalLM"])
def test_a_model_of_odd_architectures_is_refused_at_import(architectures: object, home: Home, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    damaged.weights(tmp_path / "m", {"model_type": "llama", "architectures": architectures})
    with pytest.raises(UserError, match="no list of names"):
        import_folder(home, tmp_path / "m", "odd")
    assert list(home.models.iterdir()) == []


def test_a_tokenizer_of_absurd_size_is_refused_at_import(home: Home, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    damaged.weights(tmp_path / "m")
    with (tmp_path / "m" / "tokenizer.json").open("wb") as file:
        file.truncate(65 * 1024**2)  # a hole takes no room on the disk
    with pytest.raises(UserError, match=r"tokenizer\.json is larger than 64 MB"):
        import_folder(home, tmp_path / "m", "odd")


def test_a_header_of_very_many_tensors_is_refused_in_bounded_time(home: Home) -> None:
    tensor = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    damaged.model(home, "many", header={f"t{n}": tensor for n in range(150_000)})
    start = time.monotonic()
    (found,) = list_models(home)
    assert time.monotonic() - start < 10  # seconds; what it guards against takes minutes
    assert "150,000 tensors, more than 100,000" in found.error


def test_a_header_of_a_hundred_megabytes_is_refused_before_it_is_read(home: Home) -> None:
    folder = damaged.model(home, "long")
    with (folder / "model.safetensors").open("wb") as file:
        file.write((100 * 1024**2).to_bytes(8, "little") + b"{")
        file.truncate(8 + 100 * 1024**2)  # takes no room on the disk
    (found,) = list_models(home)
    assert "is over 32 MB" in found.error


def test_a_manifest_of_a_dataset_is_no_model(home: Home) -> None:
    folder = damaged.model(home, "odd")
    (folder / "manifest.yaml").write_text("kind: dataset\nname: odd\n")
    assert "'dataset', no kind of model" in list_models(home)[0].error


@pytest.mark.parametrize("name", ["my model", "modèle", "-x", "a" * 200, "a\nb"])
def test_a_model_of_an_odd_name_is_listed_and_deleted(name: str, home: Home) -> None:
    damaged.model(home, "good")
    (home.models / "good").rename(home.models / name)
    (found,) = list_models(home)
    assert found.name == name and "cannot be a name" in found.error
    delete_model(home, name)
    assert list(home.models.glob("[!.]*")) == []


def test_a_file_and_a_link_in_place_of_a_model_are_listed_and_deleted(home: Home, tmp_path: Path) -> None:
    (home.models / "file").write_text("x")
    (home.models / "link").symlink_to(tmp_path / "gone")
    assert {info.name: info.kind for info in list_models(home)} == {"file": "damaged", "link": "damaged"}
    for name in ("file", "link"):
        delete_model(home, name)
    assert list(home.models.glob("[!.]*")) == []


# ---- datasets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("kind: dataset\nname: a\n", "info.kind"),
        ("kind: dataset\nname: a\ninfo: {kind: model}\n", "info.kind"),
        ("kind: model\nname: a\ninfo: {kind: text}\n", "'model', not dataset"),
        ("kind: dataset\nname: a\ninfo: {kind: text, rows: {train: many}}\n", "info.rows.train"),
        ("kind: dataset\nname: a\ninfo: {kind: text, source: [1]}\n", "info.source"),
        ("kind: dataset\nname: a\ninfo: {kind: [text]}\n", "info.kind"),
        ("[", "not valid YAML"),
        ("", "damaged"),
    ],
)
def test_an_odd_manifest_of_a_dataset_is_said_beside_it(manifest: str, says: str, home: Home) -> None:
    damaged.import_dataset(home, damaged.ROWS, "a")
    damaged.import_dataset(home, damaged.ROWS, "b")
    (home.datasets / "a" / "manifest.yaml").write_text(manifest)
    errors = {found.name: found.info.get("error", "") for found in list_datasets(home)}
    assert says in errors["a"] and not errors["b"]
    delete_dataset(home, "a")
    assert [found.name for found in list_datasets(home)] == ["b"]


# ---- jobs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in damaged.CONTENTS if name not in ("events", "a line")])
def test_a_job_that_cannot_be_read_is_listed_never_started_and_deleted(name: str, home: Home) -> None:
    queue = Queue(home)
    job = queue.submit(Nap())
    (home.jobs / job / "job.yaml").write_bytes(damaged.CONTENTS[name])
    runner = Runner(home, warm=False)
    runner.step()
    (view,) = Queue(home).all()
    assert view.status == "failed" and view.error.startswith("This job cannot be read") and not runner._children
    assert len(view.error) < 600
    Queue(home).delete(job)
    assert Queue(home).all() == []


@pytest.mark.parametrize("how", ["missing", "empty", "folder"])
def test_a_job_without_events_is_not_run_again(how: str, home: Home) -> None:
    job = damaged.ended_job(home)
    (job / "events.jsonl").unlink()
    if how == "empty":
        (job / "events.jsonl").write_text("")
    elif how == "folder":
        (job / "events.jsonl").mkdir()
    runner = Runner(home, warm=False)
    runner.step()
    (view,) = Queue(home).all()
    assert view.status == "failed" and "events.jsonl is missing" in view.error and not runner._children
    Queue(home).delete(view.id)
    assert Queue(home).all() == []


@pytest.mark.parametrize("name", ["my job", "é", "-"])
def test_jobs_of_odd_names_files_and_folders_without_a_job_are_listed_and_deleted(name: str, home: Home) -> None:
    damaged.ended_job(home).rename(home.jobs / name)
    (home.jobs / "file").write_text("x")
    (home.jobs / "nothing in it").mkdir()
    found = {view.id: view for view in Queue(home).all()}
    assert set(found) == {name, "file", "nothing in it"} and found[name].status == "done"
    assert "a file lies" in found["file"].error and "job.yaml is missing" in found["nothing in it"].error
    for view in found.values():
        Queue(home).delete(view.id)
    assert Queue(home).all() == []


ODD_EVENTS = [
    {"type": "status"},
    {"type": "status", "status": ["done"]},
    {"type": "status", "status": "flying", "t": 5},
    {"type": "status", "status": "running", "pid": "x", "process_started": {}},
    {"type": "status", "status": "running", "pid": 10**30, "process_started": 1e400},
    {"type": "status", "status": "done", "result": "x", "t": "noon"},
    {"type": "status", "status": "failed", "error": ["x"], "remedy": 5, "t": 1e300},
    {"type": "status", "status": "queued", "resume": "yes", "t": -5},
    {"type": "metrics"},
    {"type": "metrics", "step": "x", "loss": {}},
    {"type": "metrics", "step": 1, "loss": "low"},
    {"type": "rewind"},
    {"type": "rewind", "step": []},
    {"type": "progress", "done": "half", "total": [], "text": {}},
    {"type": "progress", "done": float("nan"), "total": float("inf")},
    {"type": "note"},
    {"type": "note", "text": 5},
    {"type": "_on_status", "status": "done"},
    {"type": "add"},
    {"type": ["status"]},
    {"type": None},
]


@pytest.mark.parametrize("event", ODD_EVENTS, ids=str)
def test_an_odd_event_costs_only_itself(event: object, home: Home) -> None:
    job = damaged.ended_job(home)
    with (job / "events.jsonl").open("ab") as file:
        file.write(damaged.json_line(event) + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"\n5\n\xff\n")
    EventLog(job / "events.jsonl").status("done", result={"model": "toy"})
    view = Queue(home).get(job.name)
    assert view.status == "done" and view.state.result == {"model": "toy"} and view.state.points[0]["loss"] == 0.5


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("t", "status", "pid", "process_started", "result", "error", "done", "total", "text", "step", "loss", "resume")
odd_events = st.fixed_dictionaries(
    {"type": st.sampled_from(["status", "metrics", "progress", "rewind", "note", "x"])},
    optional={
        **dict.fromkeys(FIELDS, json_values),
        "status": st.sampled_from(["queued", "running", "done", "failed", "stopped", "interrupted"]) | json_values,
    },
)


@settings(max_examples=80, deadline=None)
@given(st.lists(odd_events, max_size=6))
def test_no_events_break_a_story(events: list[dict[str, object]]) -> None:
    state = JobState()
    for event in events:
        state.add(json.loads(json.dumps(event)))
    assert state.eta() is None or state.eta() >= 0  # type: ignore[operator]
    assert all(isinstance(value, float | int | None) for point in state.points for value in point.values())
    time.localtime(state.queued_at + state.started_at)


# ---- the page ------------------------------------------------------------------------------------------------


class Page:
    """The page composed once; `refresh` builds what every browser is sent when something on the shelves changes."""

    def __init__(self, root: Path):
        import app
        from tabs.shell.context import Context
        from workbench.chat.service import ChatService

        self.pristine = damaged.home_with_everything(root / "pristine").root
        self.home = Home(root / "home")
        self.restore()
        queue = Queue(self.home)
        self.ctx = Context(self.home, queue, Runner(self.home, queue, warm=False), ChatService(self.home))
        self._compose = app.compose
        app.compose(self.ctx)

    def restore(self) -> None:
        if self.home.root.exists():
            shutil.rmtree(self.home.root)
        shutil.copytree(self.pristine, self.home.root)

    def compose(self) -> None:
        from tabs.shell.context import Context

        ctx = Context(self.home, Queue(self.home), self.ctx.runner, self.ctx.chats)
        self._compose(ctx)

    def refresh(self) -> None:
        from tabs.shell.shelves import Shelves, json_bytes

        self.ctx.queue = Queue(self.home)
        self.ctx.shelves = Shelves(self.home, self.ctx.queue)
        self.ctx.shelves.version()
        for _, update in self.ctx._followers:
            json_bytes(update())

    def files(self) -> list[Path]:
        """Every file and folder of the shelves, in a fixed order; labels.sqlite has tests of its own."""
        return sorted(path for path in self.home.root.rglob("*") if path not in self.roots)

    @property
    def roots(self) -> set[Path]:
        home = self.home
        return {home.models, home.datasets, home.jobs, home.cache, home.labels}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(tmp_path_factory.mktemp("page"))


accidents = st.tuples(
    st.integers(0, 10_000),
    st.sampled_from(["delete", "truncate", "file", "folder", "link"]),
    st.sampled_from(list(damaged.CONTENTS.values())) | st.binary(max_size=200),
    st.integers(0, 400),
)


@settings(max_examples=30, deadline=None, phases=[Phase.reuse, Phase.generate])  # an example takes too long to shrink
@given(st.lists(accidents, min_size=1, max_size=6))
def test_whatever_happens_to_its_files_the_page_is_built(
    page: Page, happened: list[tuple[int, str, bytes, int]]
) -> None:
    page.restore()
    for which, how, content, cut in happened:
        if files := page.files():
            damaged.damage(files[which % len(files)], how, content, cut)
    page.refresh()
    for info in list_models(page.home):
        if info.error:
            delete_model(page.home, info.name)
    for found in list_datasets(page.home):
        if "error" in found.info:
            delete_dataset(page.home, found.name)
    for view in Queue(page.home).all():
        if view.title == "?":
            Queue(page.home).delete(view.id)
    assert not [info for info in list_models(page.home) if info.kind == "damaged"]
    assert not [found for found in list_datasets(page.home) if "error" in found.info]


@pytest.mark.parametrize("name", list(damaged.CONTENTS))
def test_the_page_is_built_with_this_in_place_of_every_settings_file(page: Page, name: str) -> None:
    page.restore()
    for path in page.files():
        if path.suffix in (".yaml", ".json", ".jsonl"):
            path.write_bytes(damaged.CONTENTS[name])
    page.refresh()


def test_the_page_starts_on_a_home_where_everything_is_damaged(page: Page) -> None:
    page.restore()
    for number, path in enumerate(page.files()):
        if path.is_file():
            path.write_bytes(list(damaged.CONTENTS.values())[number % len(damaged.CONTENTS)])
    page.compose()


def test_a_folder_that_may_not_be_read_is_said_beside_its_entry(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged.home_with_everything(home.root)
    closed = home.models / "toy", home.datasets / "talks"
    real = os.stat

    def stat(path: object, *rest: object, **more: object) -> os.stat_result:
        if any(str(path).startswith(f"{folder}{os.sep}") for folder in closed):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    assert {info.name for info in list_models(home) if info.error} == {"toy"}
    assert {found.name for found in list_datasets(home) if "error" in found.info} == {"talks"}
