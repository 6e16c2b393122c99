"""Paths that somebody names: which the page may name, and that nothing but regular files is opened."""

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.core.paths import (
    SERVER_PATH,
    PathGate,
    ServerPath,
    ServerPaths,
    regular_file,
    regular_files,
    server_paths,
)
from workbench.core.spec import Spec
from workbench.data.recipes.step import STEPS
from workbench.data.sources.source import SOURCES
from workbench.jobs.job import JOBS
from workbench.models.model_import import import_folder

LOOKS_LIKE_A_PATH = re.compile(r"path|folder|directory|\bfile")
NO_PATHS = {
    "custom_python.file": "the name of a file in the home's folder steps",
    "decontaminate.file": "the name of a file in the home's folder benchmarks",
}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with a file, a pipe, a socket, links to a device, out of it, to nothing and to themselves."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "plain.json").write_text("{}")
    (tmp_path / "secret.json").write_text("{}")
    os.mkfifo(folder / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.json"))
    targets = {"device": "/dev/zero", "out": tmp_path / "secret.json", "nothing": "gone", "loop": folder / "loop.json"}
    for name, target in targets.items():
        (folder / f"{name}.json").symlink_to(target)
    (folder / "in.json").symlink_to("plain.json")
    return folder


@pytest.mark.parametrize("name", ["pipe", "socket", "device", "nothing", "loop", "not-there"])
def test_what_is_no_regular_file_is_refused_before_it_is_opened(odd: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        regular_file(odd / f"{name}.json", "Folder")
    assert caught.value.remedy and caught.value.field == "Folder"


@pytest.mark.parametrize("name", ["plain", "in", "out"])
def test_a_file_named_itself_may_be_a_link(odd: Path, name: str) -> None:
    assert regular_file(odd / f"{name}.json") == odd / f"{name}.json"


@pytest.mark.parametrize("name", ["pipe", "socket", "device", "out", "nothing", "loop"])
def test_a_folder_with_something_odd_that_is_wanted_is_refused(odd: Path, name: str) -> None:
    wanted = {f"{name}.json", "plain.json"}
    with pytest.raises(UserError, match=f"{name}.json"):
        regular_files(odd, lambda path: path.name in wanted)


def test_what_is_not_wanted_is_not_looked_at(odd: Path) -> None:
    names = [path.name for path in regular_files(odd, lambda path: path.name in ("plain.json", "in.json"))]
    assert names == ["in.json", "plain.json"]


def test_a_snapshot_of_the_hubs_cache_may_link_to_its_blobs_alone(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "abc", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True), blobs.mkdir()
    (blobs / "123").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/123")
    assert regular_files(snapshot, lambda path: True) == [snapshot / "config.json"]
    (tmp_path / "secret").write_text("")
    (snapshot / "other.json").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"other\.json"):
        regular_files(snapshot, lambda path: True)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_model_with_a_pipe_in_it_is_refused_and_nothing_waits(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        (folder / file).write_text("{}")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match="named pipe"):
        import_folder(Home.at(tmp_path / "home"), folder, "m")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_data_and_gguf_files_that_are_none_are_refused_and_nothing_waits(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "rows.jsonl"
    make(path)
    for paths in ([str(path)], [str(tmp_path)]):
        with pytest.raises(UserError, match=r"rows\.jsonl is a"):
            SOURCES.parse({"method": "files", "paths": paths}).files()  # type: ignore[attr-defined]
    job = JOBS.parse({"method": "import-gguf", "path": str(path), "name": "x"})
    assert "not a regular file" in str(job.facts(Home.at(tmp_path / "home")))


# ---- what may be named in the page ---------------------------------------------------------------------------


class Inner(Spec):
    files: ServerPaths = Field(default_factory=list)


class Outer(Spec):
    path: ServerPath = ""
    name: str = ""
    inner: Inner = Inner()
    many: list[Inner] = Field(default_factory=list)


def test_paths_are_found_at_any_depth() -> None:
    spec = Outer(path="/a", name="/b", inner=Inner(files=["/c", "/d"]), many=[Inner(files=["/e"])])
    expected = [
        (("path",), "/a"), (("inner", "files", 0), "/c"), (("inner", "files", 1), "/d"),
        (("many", 0, "files", 0), "/e"),
    ]  # fmt: skip
    assert list(server_paths(spec)) == expected


def test_a_closed_gate_lets_uploads_through_and_nothing_else(tmp_path: Path) -> None:
    gate = PathGate(uploads=(tmp_path / "uploads",))
    assert not gate.is_open
    assert gate.path(f"{tmp_path}/uploads/rows.jsonl", "Files") == tmp_path / "uploads" / "rows.jsonl"
    for path in ("/etc/passwd", "/not/there", f"{tmp_path}/uploads/../x", f"{tmp_path}/uploads2/x", "~/x", "x"):
        with pytest.raises(UserError, match="may not be named") as caught:
            gate.path(path, "Folder")
        assert "WORKBENCH_FOLDERS" in caught.value.remedy


def test_what_lies_below_the_operators_folders_may_be_named_and_links_out_may_not(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(), (tmp_path / "private").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "private")
    gate = PathGate(folders=(tmp_path / "data",))
    assert gate.is_open and gate.path(str(tmp_path / "data" / "a"), "Folder") == tmp_path / "data" / "a"
    for path in (tmp_path / "data" / "link" / "a", tmp_path / "private", tmp_path, Path("/")):
        with pytest.raises(UserError, match="may not be named") as caught:
            gate.path(str(path), "Folder")
        assert str(tmp_path / "data") in caught.value.remedy


def test_an_unrestricted_gate_lets_every_path_through(tmp_path: Path) -> None:
    assert PathGate(unrestricted=True).path(f" {tmp_path}/x ", "Folder") == tmp_path / "x"


@pytest.mark.parametrize("text", ["", "   ", "a\0b", "~nobody-of-that-name/x"])
def test_what_is_no_path_says_so(text: str) -> None:
    with pytest.raises(UserError) as caught:
        PathGate(unrestricted=True).path(text, "Folder")
    assert caught.value.field == "Folder"


def test_every_wrong_path_of_a_job_is_reported_together() -> None:
    source = {"method": "files", "paths": ["/etc/passwd", "/etc/shadow"]}
    with pytest.raises(SpecError) as caught:
        PathGate().check(JOBS.parse({"method": "import-data", "name": "x", "source": source}))
    assert [problem.field for problem in caught.value.problems] == ["source.paths[0]", "source.paths[1]"]


@pytest.mark.parametrize("registry", [JOBS, SOURCES, STEPS], ids=lambda registry: registry.family)
def test_every_setting_that_names_a_path_is_marked_as_one(registry: Any) -> None:
    for method in registry:
        for name, info in method.model_fields.items():
            if LOOKS_LIKE_A_PATH.search(name) and f"{method.method}.{name}" not in NO_PATHS:
                assert SERVER_PATH in info.metadata, f"{method.method}.{name} looks like a path: type it ServerPath"
