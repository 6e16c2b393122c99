"""What the operator allows to be loaded from outside, and what is left out with its reason."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.outside import loaded, write_plugins
from workbench.cli.plugin_listing import list_plugins
from workbench.cli.shared import Invocation
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.plugins import ALLOW, PACKAGE, VARIABLE, is_plugin_module, load_plugins
from workbench.data.recipes.step import STEPS

STEP = """
from typing import ClassVar
from workbench.data.recipes.step import STEPS, Outcome, Step

@STEPS.register
class Mine(Step):
    {doc}
    method: ClassVar[str] = {name!r}
    title: ClassVar[str] = "Mine"

    def apply(self, rows, work):
        return Outcome()
{more}
"""


UNAVAILABLE = """
    @classmethod
    def unavailable(cls):
        return missing
"""


def a_step(name: str, more: str = "", doc: str = '"""Does nothing."""') -> str:
    return STEP.format(name=name, more=more, doc=doc)


def a_folder(tmp_path: Path, name: str = "own", **modules: str) -> str:
    return str(write_plugins(tmp_path / name, {f"{stem}.py": text for stem, text in modules.items()}))


def errors_of(variable: str) -> dict[str, str]:
    with loaded(**{VARIABLE: variable}) as plugins:
        return {plugin.name: plugin.error for plugin in plugins}


def test_every_module_of_a_folder_is_imported_once_but_those_that_begin_with_an_underscore(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, second="from workbench_plugins._shared import X", first="", _shared="X = 1")
    with loaded(**{VARIABLE: folder}) as plugins:
        assert [(plugin.module, plugin.error) for plugin in plugins] == [
            (f"{PACKAGE}.first", ""),
            (f"{PACKAGE}.second", ""),
        ]
        assert sys.modules[f"{PACKAGE}.second"].X == 1 and load_plugins() is plugins
        assert is_plugin_module(f"{PACKAGE}.first") and not is_plugin_module(f"{PACKAGE}._shared")


def test_a_module_is_named_as_it_is_imported() -> None:
    assert errors_of("json.tool") == {"json.tool": ""}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n1 / 0", "ZeroDivisionError: division by zero (broken.py, line 2)"),
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing' (broken.py, line 1)"),
        ("def", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3 (broken.py, line 1)"),
        (a_step("mine", "1 / 0"), "ZeroDivisionError"),
        (a_step("mine", "    title = 3"), "Mine needs texts for method and title"),
        (a_step("mine", UNAVAILABLE), "NameError: name 'missing'"),
    ],
)  # fmt: skip
def test_a_broken_one_is_left_out_with_its_reason_and_the_others_go_on(tmp_path: Path, text: str, reason: str) -> None:
    with loaded(**{VARIABLE: a_folder(tmp_path, broken=text, whole=a_step("whole"))}) as plugins:
        names = set(STEPS.all())
        errors = {plugin.name: plugin.error for plugin in plugins}
        assert errors["broken"].startswith(reason) and errors["whole"] == ""
        assert "mine" not in names and {"whole", "split"} <= names
        with pytest.raises(UserError, match="There is no step 'mine'") as caught:
            STEPS.get("mine")
        assert f"The plug-in broken ({tmp_path / 'own'}) is left out: {reason}" in str(caught.value)


def test_a_module_that_is_not_there_is_named() -> None:
    assert errors_of("no_such_module") == {"no_such_module": "ModuleNotFoundError: No module named 'no_such_module'"}


def test_a_plug_in_gives_way_to_a_method_of_our_own_whichever_is_read_first(tmp_path: Path) -> None:
    taken = a_step("split", doc='"""Foreign."""')
    assert "step 'split' is registered twice" in errors_of(a_folder(tmp_path, taken=taken))["taken"]
    code = """
from workbench.core.plugins import load_plugins
(plugin,) = load_plugins()
assert not plugin.error
from workbench.data.recipes.step import STEPS
assert STEPS.get("split").summary() != "Foreign."
print(plugin.error)
"""
    environment = {**os.environ, VARIABLE: str(tmp_path / "own")}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.stdout.strip() == (
        "its step 'split' has the name of one of the workbench's own. Rename it."
    ), ended.stderr  # fmt: skip


def test_of_two_plug_ins_with_one_method_the_first_has_it(tmp_path: Path) -> None:
    with loaded(**{VARIABLE: a_folder(tmp_path, first=a_step("mine"), second=a_step("mine"))}) as plugins:
        first, second = plugins
        assert STEPS.of_plugin(first) == ["mine"] and STEPS.of_plugin(second) == []
        assert not first.error and "registered twice" in second.error


def test_a_folder_that_is_not_there_or_not_written_whole_is_told(tmp_path: Path) -> None:
    assert "no such folder" in errors_of(str(tmp_path / "gone"))[str(tmp_path / "gone")]
    assert f"Write {Path('mine').resolve()}" in errors_of("./mine")["./mine"]


def test_of_two_folders_with_a_module_of_one_name_the_first_has_it(tmp_path: Path) -> None:
    folders = [a_folder(tmp_path, "one", same=""), a_folder(tmp_path, "two", same="", other="")]
    with loaded(**{VARIABLE: os.pathsep.join(folders)}) as plugins:
        assert [(plugin.name, bool(plugin.error)) for plugin in plugins] == [
            ("same", False), ("other", False), ("same", True)
        ] or [(plugin.name, bool(plugin.error)) for plugin in plugins] == [
            ("same", False), ("same", True), ("other", False)
        ]  # fmt: skip


def test_what_a_plug_in_prints_stays_off_standard_output(tmp_path: Path, capsys: Any) -> None:
    assert errors_of(a_folder(tmp_path, loud="print('hello')")) == {"loud": ""}
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "hello\n"


def test_what_lies_in_the_home_is_loaded_only_if_the_operator_allows_it(own_home: Path, capsys: Any) -> None:
    write_plugins(own_home / "plugins", {"mine.py": a_step("mine")})
    with loaded() as plugins:
        assert plugins == [] and "mine" not in STEPS.all()
        list_plugins(invoked=Invocation(Home.at(own_home), json=True))
        assert f"not allowed: start the workbench with {ALLOW}=1" in capsys.readouterr().out
    with loaded(**{ALLOW: "1"}) as plugins:
        assert [(plugin.name, plugin.origin, plugin.error) for plugin in plugins] == [
            ("mine", str(own_home / "plugins"), "")
        ]
        list_plugins(invoked=Invocation(Home.at(own_home), json=True))
        assert '"adds": "step mine"' in capsys.readouterr().out


def test_the_command_line_starts_and_warns_of_a_broken_one(tmp_path: Path) -> None:
    home = tmp_path / "else"
    write_plugins(home / "plugins", {"broken.py": "import nothing_such"})
    ended = subprocess.run(
        [sys.executable, "-m", "workbench", "--home", str(home), "plugins", "--json"],
        cwd=ROOT, env={**os.environ, ALLOW: "1"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.startswith("warning: The plug-in broken") and "Traceback" not in ended.stderr
    assert '"plugin": "broken"' in ended.stdout and "No module named 'nothing_such'" in ended.stdout
