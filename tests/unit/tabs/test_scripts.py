"""The page's scripts: addresses that change with them, and what they may not do."""

import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tabs.shell.scripts import DIGEST, MAIN, mount_call, page_call, script_route, script_url
from workbench.core.assets import ASSETS, ROOT

SCRIPTS = sorted((ASSETS / "js").rglob("*.js"))


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[script_route()])) as client:
        yield client


@pytest.mark.parametrize("packed", ["gzip", "identity"])
def test_a_script_is_kept_by_browsers_for_ever(client: TestClient, packed: str) -> None:
    answer = client.get(f"/{MAIN}", headers={"accept-encoding": packed})
    assert answer.text == (ASSETS / "js" / "main.js").read_text("utf-8")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers.get("content-encoding", "identity") == packed


@pytest.mark.parametrize("name", [f"{'0' * 16}/js/main.js", f"{DIGEST}/js/none.js", f"{DIGEST}/js/%2e%2e/login.css"])
def test_a_script_there_is_not_is_not_remembered(client: TestClient, name: str) -> None:
    answer = client.get(f"/scripts/{name}")
    assert answer.status_code == 404 and "no-store" in answer.headers["cache-control"]


def test_an_address_is_given_only_for_what_there_is() -> None:
    with pytest.raises(KeyError):
        script_url("js/none.js")


def test_python_and_the_page_know_the_same_components() -> None:
    main = (ASSETS / "js" / "main.js").read_text("utf-8")
    known = set(re.findall(r'^  (\w+): \(\) => import\("\.', main, re.MULTILINE))
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "tabs").rglob("*.py"))
    assert known == set(re.findall(r'component\(\s*"(\w+)"', sources))


def test_calls_from_gradio_import_the_module_the_page_has_loaded() -> None:
    assert f'import(new URL("{MAIN}", document.baseURI).href)' in mount_call("form", {})
    assert page_call("takeStates", "3", "values").endswith(".takeStates(3, values)")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ASSETS).as_posix())
def test_no_script_of_ours_compiles_text_or_writes_markup(path: object) -> None:
    text = (ASSETS / str(path)).read_text("utf-8")
    assert not re.findall(r"\bnew Function\b|\beval\(|\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ASSETS).as_posix())
def test_the_types_of_every_script_are_checked(path: object) -> None:
    text = (ASSETS / str(path)).read_text("utf-8")
    assert not re.findall(r"@ts-(?:nocheck|ignore|expect-error)", text)


def test_every_kind_of_trace_is_in_the_part_of_plotly_the_page_has() -> None:
    sources = [*(ROOT / "tabs" / "figures").glob("*.py"), ROOT / "tabs" / "label" / "report.py"]
    named = set(re.findall(r'"type": "(\w+)"', "\n".join(path.read_text("utf-8") for path in sources)))
    traces = named - {"category", "log", "line", "data"}  # of axes, shapes and error bars
    bundle = (ASSETS / "vendor" / "plotly-cartesian.min.js").read_text("utf-8")
    known = set(re.findall(r'moduleType:"trace",name:"(\w+)"', bundle))
    assert {"scatter", "bar", "heatmap"} <= traces <= known
