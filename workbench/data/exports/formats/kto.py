"""TRL's unpaired preference layout: a prompt, a completion, and whether it is wanted."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.data.exports.export import EXPORTS, Export, Row
from workbench.data.exports.formats._shapes import canonical_format, with_tools
from workbench.data.exports.formats._trl import trl_settings


@EXPORTS.register
class Kto(Export):
    """Prompt, completion and label for TRL's KTO trainer; both sides of a pair become rows of their own, shuffled.

    TRL itself would put all wanted rows before all others, and read them in that order.
    https://huggingface.co/docs/trl/dataset_formats#unpaired-preference
    """

    method: ClassVar[str] = "kto"
    title: ClassVar[str] = "KTO"
    kinds: ClassVar[tuple[str, ...]] = ("unpaired", "preference")
    drops: ClassVar[tuple[str, ...]] = ("metadata",)
    typed: ClassVar[bool] = True

    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=2**32 - 1, title="Random seed", description="Decides the order of rows made from pairs."
    )

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        sides = [("completion", row["label"])] if kind == "unpaired" else [("chosen", True), ("rejected", False)]
        rows = [{"prompt": row["prompt"], "completion": row[side], "label": label} for side, label in sides]
        return [with_tools(labelled, row) for labelled in rows]

    def order_seed(self, kind: str) -> int | None:
        return self.seed if kind == "preference" else None

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        return trl_settings("kto", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        return canonical_format("unpaired", uses - {"metadata"})
