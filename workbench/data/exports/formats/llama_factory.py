"""LLaMA-Factory: ShareGPT files and their entries for dataset_info.json."""

import json
from typing import Any, ClassVar

from workbench.core.errors import UserError
from workbench.data.exports.export import EXPORTS, Export, Row
from workbench.data.exports.formats._shapes import tools_cell
from workbench.data.exports.formats.sharegpt import READ_AS, sharegpt

ASKS, ANSWERS = ("human", "observation"), ("gpt", "function_call")
COLUMNS = {
    "conversation": {},
    "preference": {"chosen": "chosen", "rejected": "rejected"},
    "unpaired": {"kto_tag": "kto_tag"},
}


@EXPORTS.register
class LlamaFactory(Export):
    """Files for LLaMA-Factory's data folder, with the entries for its dataset_info.json.

    It skips conversations in which question and answer do not alternate; they are left out and counted here.
    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    method: ClassVar[str] = "llama_factory"
    title: ClassVar[str] = "LLaMA-Factory"
    kinds: ClassVar[tuple[str, ...]] = (*READ_AS, "text")
    drops: ClassVar[tuple[str, ...]] = ("metadata", "name", "tool_calls", "tool_call_id", "reasoning_content")

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        if kind == "text":
            return [{"text": row["text"]}]
        conversation = sharegpt(kind, row)
        _check_turns([turn["from"] for turn in conversation["conversations"]], ends_asking=kind == "preference")
        return [{**conversation, **tools_cell(row, uses)}]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        entries = {
            name if split == "train" else f"{name}-{split}": {"file_name": file, **_entry(kind, uses)}
            for split, file in files.items()
        }
        return {"dataset_info.json": json.dumps(entries, indent=2, ensure_ascii=False) + "\n"}

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        if kind == "text":
            return {"method": "plain_text"}
        return {"method": READ_AS[kind], **({"tools": "tools"} if "tools" in uses else {})}


def _entry(kind: str, uses: frozenset[str]) -> dict[str, Any]:
    if kind == "text":
        return {"columns": {"prompt": "text"}}
    columns = {"messages": "conversations", **COLUMNS[kind], **({"tools": "tools"} if "tools" in uses else {})}
    return {"formatting": "sharegpt", **({"ranking": True} if kind == "preference" else {}), "columns": columns}


def _check_turns(speakers: list[str], ends_asking: bool) -> None:
    """Raises `UserError` unless question and answer alternate as LLaMA-Factory's converter demands."""
    turns = speakers[1:] if speakers[0] == "system" else speakers
    if any(speaker not in (ASKS, ANSWERS)[index % 2] for index, speaker in enumerate(turns)):
        raise UserError("Question and answer do not alternate, beginning with a question.")
    if len(turns) % 2 != ends_asking:
        raise UserError("It does not end with a question." if ends_asking else "It does not end with an answer.")
