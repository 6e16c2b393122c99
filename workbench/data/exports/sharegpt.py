"""ShareGPT: turns of from and value."""

from typing import Any, ClassVar

from workbench.data.exporting import EXPORTS, Export, Row
from workbench.data.exports._shapes import one_turn, spoken, tools_cell
from workbench.data.exports._trl import loading

METHODS = {"conversation": "sharegpt", "preference": "sharegpt_pairs", "unpaired": "sharegpt_unpaired"}


@EXPORTS.register
class ShareGPT(Export):
    """Turns of from (human, gpt, system, observation, function_call) and value; pairs as chosen and rejected turns.

    Calls of tools are turns of JSON text, the tools a column of JSON text.
    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    method: ClassVar[str] = "sharegpt"
    title: ClassVar[str] = "ShareGPT"
    kinds: ClassVar[tuple[str, ...]] = tuple(METHODS)
    drops: ClassVar[tuple[str, ...]] = ("metadata", "name", "tool_calls", "tool_call_id", "reasoning_content")

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        return [{**sharegpt(kind, row), **tools_cell(row, uses)}]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        return loading("json", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        return {"method": METHODS[kind], **({"tools": "tools"} if "tools" in uses else {})}


def sharegpt(kind: str, row: Row) -> Row:
    """The columns of a row, its tools left out. Raises `UserError` with the reason."""
    if kind == "conversation":
        return {"conversations": spoken(row["messages"])}
    if kind == "unpaired":
        completion = one_turn(row["completion"], "Its answer")
        return {"conversations": spoken([*row["prompt"], completion]), "kto_tag": row["label"]}
    sides = {side: spoken([one_turn(row[side], "An answer")])[0] for side in ("chosen", "rejected")}
    return {"conversations": spoken(row["prompt"]), **sides}
