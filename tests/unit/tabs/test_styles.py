"""The style sheets: each in its layer, and what only one of them may say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import pytest
from fastapi import FastAPI
from gradio.route_utils import BUILD_PATH_LIB
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tabs.serving.gradio_files import asset_route
from tabs.shell.styles import CSS, FILES, GRADIO_LAYER, LAYERS, STYLE_DIGEST, STYLE_SHEET, theme_routes
from tabs.shell.theme import theme
from workbench.core.assets import ASSETS

LAYERS_OF = {
    "tokens.css": {"tokens"},
    "base.css": {"base", "states"},
    "gradio.css": {"overrides"},
    "controls.css": {"controls"},
}
"""Every other file's rules stand in `components`."""
IMPORTANT = {"overflow", "flex", "min-width"}
"""What Gradio writes into `style` attributes, which nothing else can override."""
OUTLINED = {".wb-token.is-special": "the edge of a special token", ".wb-merge-bar:hover": "the layer pointed at"}
"""Outlines that are no rings of the focus."""
GRADIO_SHEETS = {path.name: path for path in sorted(Path(BUILD_PATH_LIB).glob("*.css"))}
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl)a?\(|\b(?:white|black|red|green|blue|gray|grey)\b")


class Rule(NamedTuple):
    """Declarations, the selector they are for, and the at-rules around them from the outside in."""

    around: tuple[str, ...]
    selector: str
    declarations: list[tuple[str, str]]


def rules(text: str, around: tuple[str, ...] = ()) -> Iterator[Rule]:
    """The rules of a sheet, at-rules that hold rules unfolded."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    while "{" in text:
        head, _, rest = text.partition("{")
        end = _closing(rest)
        selector, body, text = re.sub(r"\s+", " ", head).strip(), rest[:end], rest[end + 1 :]
        if "{" in body:
            yield from rules(body, (*around, selector))
        else:
            parts = (one.partition(":") for one in body.split(";") if one.strip())
            yield Rule(around, selector, [(name.strip(), value.strip()) for name, _, value in parts])
    assert not text.strip(), text


def _closing(text: str) -> int:
    """Where the brace is closed that was opened before this text."""
    depth = 1
    for place, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if not depth:
            return place
    raise AssertionError(f"never closed: {text[:80]}")


SHEETS = {name: list(rules((CSS / name).read_text("utf-8"))) for name in FILES}
DECLARED = [
    (name, rule, key, value) for name, found in SHEETS.items() for rule in found for key, value in rule.declarations
]


def test_every_file_is_served_once_and_has_rules() -> None:
    assert sorted(FILES) == sorted(path.relative_to(CSS).as_posix() for path in CSS.rglob("*.*"))
    assert all(SHEETS.values())
    assert len(DECLARED) > 1500


@pytest.mark.parametrize("name", FILES)
def test_every_rule_stands_in_the_layer_of_its_file(name: str) -> None:
    layers = {rule.around[0] if rule.around else rule.selector for rule in SHEETS[name]}
    assert layers == {f"@layer {layer}" for layer in LAYERS_OF.get(name, {"components"})}


def test_the_sheet_begins_with_the_order_of_its_layers() -> None:
    assert STYLE_SHEET.startswith(f"@layer {', '.join(LAYERS)};")
    assert LAYERS[0] == GRADIO_LAYER and set(LAYERS[1:]) == set.union({"components"}, *LAYERS_OF.values())


def test_only_base_draws_or_removes_the_ring_of_the_focus() -> None:
    drawn = {(name, rule.selector) for name, rule, key, _ in DECLARED if key.startswith("outline")}
    assert {selector for name, selector in drawn if name != "base.css"} == set(OUTLINED)


def test_only_what_gradio_writes_into_elements_is_overridden_by_force() -> None:
    forced = {(name, key, rule.around[-1]) for name, rule, key, value in DECLARED if "!important" in value}
    assert {key for name, key, _ in forced if name == "gradio.css"} <= IMPORTANT
    assert {(name, within) for name, _, within in forced if name != "gradio.css"} == {
        ("base.css", "@media (prefers-reduced-motion: reduce)")
    }


def test_no_class_is_named_after_the_merge_builder_outside_it() -> None:
    named = {name for name, found in SHEETS.items() for rule in found if "wb-merge-" in rule.selector}
    assert named == {"components/merge.css"}


def test_colours_are_named_once() -> None:
    written = [(name, rule.selector, value) for name, rule, _, value in DECLARED if COLOUR.search(value)]
    assert {name for name, _, _ in written} == {"tokens.css"}, [one for one in written if one[0] != "tokens.css"]


@pytest.mark.parametrize("key", ["font-size", "font", "border-radius", "gap"])
def test_sizes_of_type_radii_and_gaps_are_of_the_scale(key: str) -> None:
    pixels = re.compile(r"(?<![\w-])(?!1px)[\d.]+px")  # a gap of one is a line
    own = [(name, rule.selector, value) for name, rule, one, value in DECLARED if one == key and pixels.search(value)]
    assert own == []


def test_the_scales_are_short() -> None:
    scales = [key.split("-")[3] for name, rule, key, _ in DECLARED if name == "tokens.css" and rule.selector == ":root"]
    assert (scales.count("text"), scales.count("radius")) == (6, 4)


def test_every_name_of_ours_that_is_used_is_set_somewhere() -> None:
    text = STYLE_SHEET
    used = set(re.findall(r"var\((--wb-[\w-]+)\)", text))
    assert used - set(re.findall(r"(--wb-[\w-]+):", text)) == set()
    tokens = {key for name, _, key, _ in DECLARED if name == "tokens.css"}
    scripts = "\n".join(path.read_text("utf-8") for path in (ASSETS / "js").rglob("*.js"))
    assert {key for key in tokens if f"var({key})" not in text and f'"{key}"' not in scripts} == set()


def test_gradios_sheets_can_stand_within_a_layer() -> None:
    assert len(GRADIO_SHEETS) > 50
    for name, path in GRADIO_SHEETS.items():
        text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert not re.findall(r"@(?:import|charset|namespace|layer)\b", text), name
        bare = re.sub(r"""\\.|"[^"]*"|'[^']*'|url\([^)]*\)""", "", text)
        assert bare.count("{") == bare.count("}"), name


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    demo = gr.Blocks()
    gr.mount_gradio_app(FastAPI(), demo, "/", theme=theme())
    return demo


@pytest.fixture(scope="module")
def client(page: gr.Blocks) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[asset_route(), *theme_routes(page)])) as client:
        yield client


@pytest.mark.parametrize("packed", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/theme.css", "/gradio_api/theme.css"])
def test_our_sheet_comes_with_the_theme_and_is_kept(
    client: TestClient, page: gr.Blocks, packed: str, path: str
) -> None:
    answer = client.get(f"{path}?v={page.theme_hash}", headers={"accept-encoding": packed})
    assert answer.text.count(STYLE_SHEET) == 1 and STYLE_DIGEST in page.theme_css
    assert '@font-face { font-family: "Inter"' in answer.text
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers.get("content-encoding", "identity") == packed


def test_the_sheet_of_another_version_is_not_kept(client: TestClient) -> None:
    assert client.get("/theme.css?v=older").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("packed", ["gzip", "identity"])
def test_gradios_sheets_come_in_the_lowest_layer(client: TestClient, packed: str) -> None:
    name, path = next(iter(GRADIO_SHEETS.items()))
    answer = client.get(f"/assets/{name}", headers={"accept-encoding": packed})
    assert answer.text == f"@layer {GRADIO_LAYER} {{\n{path.read_text('utf-8')}\n}}\n"
    assert answer.headers.get("content-encoding", "identity") == packed
