"""ShareGPT: turns of from and value."""

from collections.abc import Callable
from typing import Any, ClassVar

from workbench.data.exports.export import EXPORTS, Export, Row
from workbench.data.exports.formats._shapes import canonical_format, one_turn, sharegpt_turns, tools_cell, with_extras
from workbench.data.exports.formats._trl import loading
from workbench.rows.canonical import Message

Spoken = Callable[[list[Message]], list[Row]]
READ_AS = {"conversation": "sharegpt", "preference": "sharegpt_pairs", "unpaired": "sharegpt_unpaired"}


@EXPORTS.register
class ShareGPT(Export):
    """Turns of from (human, gpt, system, observation, function_call) and value; pairs as chosen and rejected turns.

    Calls of tools are turns of JSON text, the tools a column of JSON text. Weights, thoughts, names and ids of calls
    are further keys of their turns, and metadata a column, all of which importing reads.
    https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
    """

    method: ClassVar[str] = "sharegpt"
    title: ClassVar[str] = "ShareGPT"
    kinds: ClassVar[tuple[str, ...]] = tuple(READ_AS)
    typed: ClassVar[bool] = True

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        metadata = {"metadata": row["metadata"]} if "metadata" in row else {}
        return [{**sharegpt(kind, row, with_extras), **tools_cell(row, uses), **metadata}]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        return loading("json", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        return {**canonical_format(kind, uses), "method": READ_AS[kind]}


def sharegpt(kind: str, row: Row, spoken: Spoken = sharegpt_turns) -> Row:
    """The columns of a row, its tools left out; `spoken` writes the turns. Raises `UserError` with the reason."""
    if kind == "conversation":
        return {"conversations": spoken(row["messages"])}
    if kind == "unpaired":
        completion = one_turn(row["completion"], "Its answer")
        return {"conversations": spoken([*row["prompt"], completion]), "kto_tag": row["label"]}
    sides = {side: spoken([one_turn(row[side], "An answer")])[0] for side in ("chosen", "rejected")}
    return {"conversations": spoken(row["prompt"]), **sides}
