"""What the operator names in WORKBENCH_PLUGINS, read and refused."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.core import plugins
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.plugins import PACKAGE, VARIABLE, import_plugins


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Modules of this test's folders are none of the next one's."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def a_folder(tmp_path: Path, name: str, **modules: str) -> str:
    folder = tmp_path / name
    folder.mkdir()
    for stem, text in modules.items():
        (folder / f"{stem}.py").write_text(text, "utf-8")
    return str(folder)


def test_every_module_of_a_folder_is_imported_once_but_those_that_begin_with_an_underscore(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, "own", second="from workbench_plugins._shared import X", first="", _shared="X = 1")
    modules = import_plugins([folder])
    assert [module.__name__ for module in modules] == [f"{PACKAGE}.first", f"{PACKAGE}.second"]
    assert modules[1].X == 1 and import_plugins([folder]) == modules


def test_a_module_is_named_as_it_is_imported() -> None:
    assert [module.__name__ for module in import_plugins(["json.tool"])] == ["json.tool"]


def test_what_cannot_be_imported_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The plugin broken cannot be imported: ZeroDivisionError") as caught:
        import_plugins([a_folder(tmp_path, "own", broken="1 / 0")])
    assert caught.value.field == VARIABLE
    with pytest.raises(UserError, match="The plugin no_such_module cannot be imported: ModuleNotFoundError"):
        import_plugins(["no_such_module"])


def test_a_folder_that_is_not_there_or_not_written_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        import_plugins([str(tmp_path / "gone")])
    with pytest.raises(UserError, match="is no whole path") as caught:
        import_plugins(["./mine"])
    assert str(Path("mine").resolve()) in caught.value.remedy


def test_two_folders_with_a_module_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [a_folder(tmp_path, name, same="") for name in ("one", "two")]
    with pytest.raises(UserError, match="has a same as a folder before it has"):
        import_plugins(folders)


def test_the_variable_is_read_once_and_a_failure_is_told_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins._Loading, "begun", False)
    monkeypatch.setattr(plugins._Loading, "failure", None)
    monkeypatch.setenv(VARIABLE, a_folder(tmp_path, "own", broken="1 / 0"))
    for _ in range(2):
        with pytest.raises(UserError, match="The plugin broken"):
            plugins.load_plugins()
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(UserError, match="The plugin broken"):
        plugins.load_plugins()


def test_the_command_line_says_which_plugin_is_broken(tmp_path: Path) -> None:
    environment = {**os.environ, VARIABLE: a_folder(tmp_path, "own", broken="import nothing_such")}
    ended = subprocess.run(
        [sys.executable, "-m", "workbench", "--help"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ") and "The plugin broken cannot be imported" in ended.stderr
    assert "Traceback" not in ended.stderr
