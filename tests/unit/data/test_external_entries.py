"""LLaMA-Factory's dataset_info.json and axolotl's datasets, read as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.recipes.importing import import_dataset
from workbench.data.sources.external import entries, source_of_entry
from workbench.data.store.datasets import rows

INFO: dict[str, Any] = {
    "alpaca": {"file_name": "a.json"},
    "pairs": {"file_name": "p.json", "ranking": True, "columns": {"prompt": "ask", "query": "more"}},
    "kto": {"file_name": "k.json", "columns": {"response": "out", "kto_tag": "good"}},
    "talks": {
        "file_name": "t.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "tools": "tools", "system": "sys"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    },
    "duels": {"file_name": "d.json", "formatting": "sharegpt", "ranking": True},
    "remote": {"hf_hub_url": "owner/name", "subset": "en", "split": "test", "formatting": "sharegpt"},
    "pictures": {"file_name": "a.json", "columns": {"images": "images"}, "num_samples": 5},
    "outside": {"file_name": "../a.json"},
}
DATA: dict[str, Any] = {
    "a.json": {"instruction": "i", "input": "n", "output": "o"},
    "p.json": {"ask": "i", "more": "n", "chosen": "c", "rejected": "r"},
    "k.json": {"instruction": "i", "input": "", "out": "o", "good": False},
    "t.json": {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "tools": "", "sys": "s",
    },
    "d.json": {
        "conversations": [{"from": "human", "value": "q"}],
        "chosen": {"from": "gpt", "value": "c"}, "rejected": {"from": "gpt", "value": "r"},
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, row in DATA.items():
        (tmp_path / name).write_text(json.dumps([row]))
    return tmp_path


def first(folder: Path, text: str, entry: str) -> dict[str, Any]:
    home = Home.at(folder / "home")
    import_dataset(home, source_of_entry(text, entry, folder), entry.replace(" ", "-"), eval_fraction=0)
    return rows(home, entry.replace(" ", "-"))[0]


def test_values_of_a_wrong_type_are_told(folder: Path) -> None:
    for entry in ({"file_name": "a.json", "columns": ["x"]}, {"file_name": "a.json", "columns": {"prompt": ["x"]}}):
        with pytest.raises(UserError):
            source_of_entry(json.dumps({"odd": entry}), "odd", folder)
    with pytest.raises(UserError, match="not written as it should be"):
        source_of_entry('{"odd": {"path": "a.json", "type": "chat_template", "roles": ["x"]}}', "odd", folder)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def test_llama_factory(folder: Path) -> None:
    text = json.dumps(INFO)
    assert entries(text) == list(INFO)
    assert first(folder, text, "alpaca") == {"messages": user("i\n\nn") + answer("o")}
    assert first(folder, text, "pairs") == {"prompt": user("i\n\nn"), "chosen": answer("c"), "rejected": answer("r")}
    assert first(folder, text, "kto") == {"prompt": user("i"), "completion": answer("o"), "label": False}
    assert first(folder, text, "talks")["messages"] == [{"role": "system", "content": "s"}, *user("q"), *answer("a")]
    assert first(folder, text, "duels") == {"prompt": user("q"), "chosen": answer("c"), "rejected": answer("r")}
    remote = source_of_entry(text, "remote", folder).to_dict()
    assert (remote["method"], remote["dataset"], remote["config"], remote["split"]) == (
        "hub",
        "owner/name",
        "en",
        "test",
    )


def test_what_is_not_supported_is_named(folder: Path) -> None:
    text = json.dumps(INFO)
    with pytest.raises(UserError) as caught:
        source_of_entry(text, "pictures", folder)
    assert "columns.images is not supported" in str(caught.value) and "num_samples" not in str(caught.value)
    with pytest.raises(UserError, match="outside"):
        source_of_entry(text, "outside", folder)
    with pytest.raises(UserError, match="no entry 'x'"):
        source_of_entry(text, "x", folder)
    for wrong in ("[1]", "a: 1", "", "{"):
        with pytest.raises(UserError):
            entries(wrong)


AXOLOTL = """
base_model: x
datasets:
  - path: a.json
    type: alpaca
  - path: t.json
    type: chat_template
    field_messages: messages
    message_property_mappings: {role: role, content: content}
    field_system: sys
  - path: k.json
    type: {field_instruction: instruction, field_output: out}
  - path: owner/name
    name: de
    type: completion
    field: body
    revision: v1
  - path: other/name
    type: input_output
  - path: third/name
    type: alpaca
    shards: 3
    trust_remote_code: true
"""


def test_axolotl(folder: Path) -> None:
    assert entries(AXOLOTL) == ["a.json", "t.json", "k.json", "owner/name", "other/name", "third/name"]
    assert first(folder, AXOLOTL, "a.json") == {"messages": user("i\n\nn") + answer("o")}
    assert first(folder, AXOLOTL, "t.json")["messages"][0]["role"] == "system"
    assert first(folder, AXOLOTL, "k.json") == {
        "messages": user("i") + answer("o"),
        "metadata": {"input": "", "good": False},
    }
    hub = source_of_entry(AXOLOTL, "owner/name", folder).to_dict()
    assert (hub["config"], hub["revision"], hub["format"]["text"]) == ("de", "v1", "body")
    with pytest.raises(UserError, match="'input_output' is not understood"):
        source_of_entry(AXOLOTL, "other/name", folder)
    with pytest.raises(UserError) as caught:
        source_of_entry(AXOLOTL, "third/name", folder)
    assert "shards is not supported" in str(caught.value) and "never run" in str(caught.value)
