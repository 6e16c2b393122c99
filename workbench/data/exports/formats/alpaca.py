"""Alpaca: an instruction, an input that stays empty, and the output."""

from typing import Any, ClassVar

from workbench.data.exports.export import EXPORTS, Export, Row
from workbench.data.exports.formats._shapes import single
from workbench.data.exports.formats._trl import loading


@EXPORTS.register
class Alpaca(Export):
    """Instruction, input and output of single questions; other conversations are left out and counted.

    The system prompt has a column of its own. https://github.com/tatsu-lab/stanford_alpaca
    """

    method: ClassVar[str] = "alpaca"
    title: ClassVar[str] = "Alpaca"
    kinds: ClassVar[tuple[str, ...]] = ("conversation",)
    drops: ClassVar[tuple[str, ...]] = ("metadata", "name", "reasoning_content")

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        system, asked, answered = single(row)
        return [{"instruction": asked, "input": "", "output": answered, "system": system}]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        return loading("json", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        return {"method": "alpaca"}
