"""The account of columns as a person meets it: seen before the import, changed, and kept to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driving import App, choose, serving, shot, tab
from playwright.sync_api import Page, expect

from tests.toys import toy_model
from workbench.core.home import Home
from workbench.data.encoding.batches import Rules
from workbench.data.encoding.cache import encoded_rows
from workbench.data.encoding.token_view import row_token_view
from workbench.data.store.datasets import all_rows
from workbench.models.model_references import resolve
from workbench.rendering.templates import get_template

PATIENCE = 60_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with the model 'toy' and no data."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    toy_model(home)
    with serving(home) as app:
        yield app


def reviewed(path: Path) -> Path:
    """80 conversations: a topic label and the mood of every turn in all, a system prompt from row 71 on."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(80):
            turns: list[dict[str, Any]] = [
                {"role": "user", "content": f"Tell me of stone {number}.", "mood": "calm"},
                {"role": "assistant", "content": "A draft.", "weight": 0},
                {"role": "user", "content": "Better?"},
                {"role": "assistant", "content": f"It is stone {number}."},
            ]
            late = {"system": "Be brief."} if number >= 70 else {}
            file.write(json.dumps({"messages": turns, "label": f"topic {number % 3}", "page": number, **late}) + "\n")
    return path


def test_the_account_is_seen_and_changed_and_the_import_does_what_it_says(app: App, page: Page, tmp_path: Path) -> None:
    page.goto(app.url)
    tab(page, "Data")
    page.locator("input[type=file]").first.set_input_files(reviewed(tmp_path / "stones.jsonl"))
    account = page.locator(".wb-df-account")
    expect(account).to_be_visible()
    lines = {name: account.locator(f'[data-column="{name}"]') for name in ("system", "label", "page")}
    expect(lines["system"]).to_contain_text("10")
    expect(page.get_by_label("What becomes of system")).to_have_value("=system")
    expect(page.get_by_label("What becomes of page")).to_have_value("keep")
    expect(page.get_by_label("What becomes of messages.mood")).to_have_value("keep")
    expect(account).to_contain_text("how much an assistant turn is learned")
    expect(lines["label"]).to_have_class("is-undecided")
    shot(page, "data-account")

    page.locator("#import-data").click()
    expect(page.locator(".toast-body").first).to_contain_text("label")
    page.get_by_label("What becomes of label").select_option("keep")
    expect(lines["label"]).not_to_have_class("is-undecided")
    page.get_by_label("What becomes of page").focus()
    page.get_by_label("What becomes of page").select_option("leave_out")
    expect(page.get_by_label("What becomes of page")).to_have_value("leave_out")
    expect(lines["page"]).to_contain_text("Chosen so")
    expect(page.get_by_label("What becomes of page")).to_be_focused()  # though its line moved to another place
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("stones · conversation")

    rows = all_rows(app.home, "stones", "train") + all_rows(app.home, "stones", "eval")
    assert len(rows) == 80 and sum(row["messages"][0]["role"] == "system" for row in rows) == 10
    assert all(row["metadata"].keys() == {"label", "messages.mood"} for row in rows)
    assert all(row["messages"][-3]["weight"] == 0 for row in rows)
    view = row_token_view(app.home, "stones", "toy", split="train", row=1, template="model", max_length=512)["tokens"]
    signs = str.maketrans({" ": "·", "\n": "↵"})
    assert _seen(page) == [(token["text"].translate(signs), token["trained"]) for token in view]
    assert [(token["id"], token["trained"]) for token in view] == _trained(app.home, "stones")


def test_text_is_divided_as_a_person_says(app: App, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "wiki.txt"
    file.write_text("".join(f"Article {number} is a line of its own.\n" for number in range(12)))
    page.goto(app.url)
    tab(page, "Data")
    page.locator("input[type=file]").first.set_input_files(file)
    found = page.locator("#import-found")
    expect(found).to_contain_text("one document a line: 12")
    choose(page, "#import-documents", "the whole text")
    expect(found).to_contain_text("one document in all: 1")
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("wiki · text")
    assert len(all_rows(app.home, "wiki", "train")) == 1


def _seen(page: Page) -> list[tuple[str, bool]]:
    """The tokens of the first row as the page shows them, and whether each is learned."""
    tab(page, "What the model sees")
    tokens = page.locator("#tokens .wb-token-text .wb-token")
    expect(tokens.first).to_be_visible()
    found = tokens.evaluate_all(
        "nodes => nodes.map((node) => [node.textContent, node.classList.contains('is-trained')])"
    )
    return [(text, trained) for text, trained in found]


def _trained(home: Home, name: str) -> list[tuple[int, bool]]:
    """The ids of the first row and whether each is learned, as a trainer gets them from the encoded cache."""
    folder = resolve(home, "toy").home_of_template
    rules = Rules("conversation", get_template("model", folder), 512)
    row = encoded_rows(home, name, "train", folder, rules).table.slice(0, 1).to_pylist()[0]
    learned = np.zeros(len(row["input_ids"]), bool)
    for span in row["spans"]:
        learned[span["start"] : span["end"]] = span["weight"] > 0
    return list(zip(row["input_ids"], learned.tolist(), strict=True))
