"""OpenAI's preference files: an input of messages, the preferred output and the other one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Self

from pydantic import Field

from workbench.core.display import Display
from workbench.data.reading.column_account import ColumnEntry, KeyCounts
from workbench.data.reading.format import FORMATS, Format, Row, cell, first_value, pick
from workbench.data.reading.lines import Item, ReadRow
from workbench.rows.canonical import Kind, message_list
from workbench.rows.values import from_json


@FORMATS.register
class OpenaiPreference(Format):
    """An input (messages and tools), a preferred and a non-preferred output a row, as OpenAI's DPO takes them.

    https://platform.openai.com/docs/guides/direct-preference-optimization
    """

    method = "openai_preference"
    title = "OpenAI preference (input, preferred_output, non_preferred_output)"
    kind: ClassVar[Kind] = "preference"
    rank: ClassVar[int] = 7
    examples: ClassVar[list[Row]] = [
        {
            "input": {"messages": [{"role": "user", "content": "Name a tree."}], "tools": []},
            "preferred_output": [{"role": "assistant", "content": "Larch."}],
            "non_preferred_output": [{"role": "assistant", "content": "Granite."}],
        }
    ]

    prompt: Annotated[str, Display(control="column")] = Field(
        "input.messages", title="Prompt", description="Column with the messages of the input."
    )
    chosen: Annotated[str, Display(control="column")] = Field(
        "preferred_output", title="Chosen answer", description="Column with the messages of the preferred answer."
    )
    rejected: Annotated[str, Display(control="column")] = Field(
        "non_preferred_output", title="Rejected answer", description="Column with the messages of the other answer."
    )
    tools: Annotated[str, Display(control="column")] = Field(
        "input.tools", title="Tools", description="Column with the tools of the input; may be missing."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        names = [pick(columns, name) for name in ("input", "preferred_output", "non_preferred_output")]
        request = from_json(first_value(sample, names[0])) if all(names) else None
        if not isinstance(request, dict) or "messages" not in request:
            return None, "OpenAI's preferences need an input with messages, and two outputs."
        form = cls(
            prompt=f"{names[0]}.messages", tools=f"{names[0]}.tools", chosen=names[1], rejected=names[2],
        )  # fmt: skip
        return form, f"The columns {names[1]!r} and {names[2]!r} are those of OpenAI's preferences."

    def gather_items(self, items: Iterator[Item]) -> Iterator[Item]:
        """The rows with the keys of their input as columns of their own."""
        for item in items:
            yield ReadRow(item.line, self._flat(item.data)) if isinstance(item, ReadRow) else item

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        return dict.fromkeys((self.prompt, self.chosen, self.rejected), ("role", "content"))

    def convert(self, row: Row) -> Row:
        flat = self._flat(row)
        names = {"prompt": self.prompt, "chosen": self.chosen, "rejected": self.rejected}
        return self.complete_row(flat, {side: message_list(cell(flat, name), name) for side, name in names.items()})

    def account(self, keys: KeyCounts, file: str = "") -> list[ColumnEntry]:
        """With the input itself, whose keys are the columns read."""
        entries = super().account(keys, file)
        inner = next((line for line in entries if line.column == self.prompt), None)
        outer = self.prompt.rpartition(".")[0]
        if inner is None or outer in keys.rows:
            return entries
        return [replace(inner, column=outer, why="As the object of the messages and tools."), *entries]

    def _flat(self, row: Row) -> Row:
        outer = self.prompt.rpartition(".")[0]
        request = from_json(row.get(outer))
        if not isinstance(request, dict):
            return row
        rest = {name: value for name, value in row.items() if name != outer}
        return {**{f"{outer}.{name}": value for name, value in request.items()}, **rest}
