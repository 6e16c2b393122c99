"""JSON lines: the canonical rows, or one of TRL's layouts for supervised fine-tuning."""

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.data.exports.export import EXPORTS, Export, Row, SplitInput
from workbench.data.exports.formats._shapes import canonical_format, with_tools
from workbench.data.exports.formats._trl import trl_settings
from workbench.data.exports.json_lines_writer import write_lines

LOADING = """import json

data = {{
    split: [json.loads(line) for line in open(file, encoding="utf-8")]
    for split, file in {files}.items()
}}
"""


@EXPORTS.register
class Jsonl(Export):
    """JSON lines: the rows as they are, or conversations in one of TRL's two layouts.

    https://huggingface.co/docs/trl/dataset_formats
    """

    method: ClassVar[str] = "jsonl"
    title: ClassVar[str] = "JSON lines"

    layout: Annotated[
        Literal["canonical", "messages", "prompt_completion"],
        Display(labels={
            "canonical": "canonical rows", "messages": "TRL messages",
            "prompt_completion": "TRL prompt and completion",
        }),
    ] = Field(
        "canonical", title="Layout", description="The rows as they are with their metadata, or as TRL reads them."
    )  # fmt: skip

    def refuses(self, kind: str) -> str:
        if self.layout != "canonical" and kind != "conversation":
            return f"The layout {self.layout} is for conversation rows; the canonical one fits."
        return super().refuses(kind)

    def dropped(self) -> tuple[str, ...]:
        return () if self.layout == "canonical" else ("metadata",)

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        if self.layout == "canonical":
            return [row]
        if self.layout == "messages":
            return [with_tools({"messages": row["messages"]}, row)]
        prompt, completion = _last_answer(row["messages"])
        return [with_tools({"prompt": prompt, "completion": completion}, row)]

    def write(self, split: SplitInput, path: Any) -> None:
        write_lines(path, self.converted(split), None, self.layout != "canonical" and bool(split.uses))

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        if self.layout == "canonical":
            return {"load.py": LOADING.format(files=json.dumps(files))}
        return trl_settings("sft", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        if self.layout == "canonical":
            return canonical_format(kind, uses)
        method = "messages" if self.layout == "messages" else "prompt_completion"
        return {**canonical_format(kind, uses - {"metadata"}), "method": method}


def _last_answer(messages: list[Row]) -> tuple[list[Row], list[Row]]:
    """What comes before the assistant's last turn, and that turn. Raises `UserError` with the reason."""
    if messages[-1]["role"] != "assistant":
        raise UserError("It does not end with an answer of the assistant.")
    if len(messages) == 1:
        raise UserError("Nothing comes before its answer.")
    return messages[:-1], messages[-1:]
