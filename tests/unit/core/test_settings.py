"""The operator's settings: typed, told together when wrong, secret where they are secret, and read in one place."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import SecretStr

from workbench.cli.settings_listing import HIDDEN, settings, settings_page
from workbench.cli.shared import Invocation
from workbench.core.assets import ROOT
from workbench.core.errors import SpecError
from workbench.core.home import Home
from workbench.core.settings import Settings, setting_detail, unknown_variables, variable_names, variable_of

READS = {
    "workbench/core/settings.py": "the settings themselves",
    "workbench/core/children.py": "passes the environment on to child processes, without what is secret",
    "workbench/core/logs.py": "the id of the job that started this process",
    "workbench/core/os_user.py": "who became this user by sudo",
    "workbench/cli/terminal_votes.py": "which editor somebody writes with",
    "workbench/cli/settings_listing.py": "shows whether a variable is set",
    "workbench/doctor/privacy.py": "finds what is secret, so that no report shows it",
    "workbench/doctor/checks/hub_access.py": "says which variable of the hub's library keeps it offline",
    "workbench/training/settings/watching.py": "whether the tracker's own variables let it log in",
}
"""Who may read the environment, and what for."""
WRITES = ("update", "setdefault")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variable_names():
        monkeypatch.delenv(name, raising=False)


def test_without_any_variable_every_setting_has_its_default() -> None:
    now = Settings.current()
    assert (now.home, now.port, now.upload_gb, now.light_jobs) == (Path("~/.llm-workbench"), 7860, 20.0, None)
    assert not (now.hosts or now.folders or now.plugins or now.password or now.allow_python or now.cache)


def test_values_are_read_as_their_types_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "PORT": " 80 ",
        "HOSTS": "a.example, b.example:1",
        "FOLDERS": "/a: /b b:",
        "ALLOW_PYTHON": "1",
        "CACHE": "/c",
    }
    for name, text in texts.items():
        monkeypatch.setenv(f"WORKBENCH_{name}", text)
    now = Settings.current()
    assert (now.port, now.allow_python, now.cache) == (80, True, Path("/c"))
    assert (now.hosts, now.folders) == (("a.example", "b.example:1"), ("/a", "/b b"))
    monkeypatch.setenv("WORKBENCH_PORT", "81")
    assert Settings.current().port == 81


@pytest.mark.parametrize("field", Settings.model_fields)
@pytest.mark.parametrize("text", ["", "  "])
def test_a_variable_that_is_set_to_nothing_is_not_set(field: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings.current()
    monkeypatch.setenv(variable_of(field), text)
    if field != "password" or not text:
        assert Settings.current() == before
    else:
        assert Settings.current().password.get_secret_value() == text, "blanks may be somebody's password"


def test_all_that_is_wrong_is_told_together_with_variable_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"WORKBENCH_PORT": "70000", "WORKBENCH_UPLOAD_GB": "nan", "WORKBENCH_ALLOW_PYTHON": "perhaps"}
    for name, text in wrong.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SpecError) as caught:
        Settings.current()
    assert [(problem.field, problem.remedy) for problem in caught.value.problems] == [
        ("WORKBENCH_PORT", "Give a number such as 7860."),
        ("WORKBENCH_UPLOAD_GB", "Give a number of GB such as 20."),
        ("WORKBENCH_ALLOW_PYTHON", "Give 1 or 0."),
    ]
    assert all(text in str(caught.value) for text in wrong.values())


def test_a_misspelt_variable_is_told_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = unknown_variables()  # of whoever runs the tests
    monkeypatch.setenv("WORKBENCH_FOLDER", "/secret")
    monkeypatch.setenv("WORKBENCH_TEST_SOMETHING", "x")
    (sentence,) = [sentence for sentence in unknown_variables() if sentence not in before]
    assert "WORKBENCH_FOLDER is no setting. Did you mean WORKBENCH_FOLDERS" in sentence and "/secret" not in sentence


def test_every_setting_has_a_name_a_sentence_and_what_it_takes() -> None:
    assert len(Settings.model_fields) == len(set(variable_names()))
    for name, field in Settings.model_fields.items():
        assert field.title and str(field.description).endswith("."), name
        assert setting_detail(field, "takes") and setting_detail(field, "group"), name
        numeric = {int, float} & {field.annotation, *get_args(field.annotation)}
        assert not numeric or name == "port" or setting_detail(field, "unit"), name


def secrets() -> list[str]:
    return [name for name, field in Settings.model_fields.items() if field.annotation is SecretStr]


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert {"password", "endpoint_key", "labels_url"} <= set(secrets())
    for name in secrets():
        monkeypatch.setenv(variable_of(name), "hush-hush")
    settings(invoked=Invocation(Home.at(tmp_path), json=True))
    shown = capsys.readouterr()
    assert shown.out.count(HIDDEN) == len(secrets())
    assert "hush" not in shown.out + shown.err + repr(Settings.current())
    monkeypatch.setenv("WORKBENCH_PORT", "x")
    with pytest.raises(SpecError) as caught:
        Settings.current()
    assert "hush" not in str(caught.value)


def test_the_page_of_settings_is_what_the_model_says() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert page == settings_page(), "llm-workbench settings --markdown > docs/settings.md"
    assert all(page.count(f"| `{name}` |") == 1 for name in variable_names())


def test_the_command_line_tells_a_wrong_setting_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PORT", "seven")
    ended = subprocess.run(
        [sys.executable, "-m", "workbench", "list", "models"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.strip() == "error: WORKBENCH_PORT: 'seven' cannot be used. Give a number such as 7860."


def environment_reads() -> Iterator[tuple[str, int]]:
    """Every place that reads the environment: (file, line). Setting a variable for a library is none."""
    for path in sorted([*(ROOT / "workbench").rglob("*.py"), *(ROOT / "tabs").rglob("*.py"), ROOT / "app.py"]):
        text = path.read_text("utf-8")
        if not re.search("environ|getenv", text):
            continue
        tree = ast.parse(text)
        written = {id(node.value) for node in ast.walk(tree) if is_write(node)}  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            named = isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "getenvb")
            imported = isinstance(node, ast.ImportFrom) and node.module == "os" and "env" in ast.unparse(node)
            if (named and id(node) not in written) or imported:
                yield path.relative_to(ROOT).as_posix(), node.lineno


def is_write(node: ast.AST) -> bool:
    stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
    return stored or (isinstance(node, ast.Attribute) and node.attr in WRITES)


def test_nobody_else_reads_the_environment() -> None:
    places = list(environment_reads())
    assert {file for file, _ in places} == set(READS), places
