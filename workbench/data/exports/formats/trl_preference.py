"""TRL's preference layout: prompt, chosen and rejected as messages."""

from typing import Any, ClassVar

from workbench.data.exports.export import EXPORTS, Export, Row
from workbench.data.exports.formats._shapes import canonical_format, with_tools
from workbench.data.exports.formats._trl import trl_settings


@EXPORTS.register
class TrlPreference(Export):
    """Prompt, chosen and rejected as lists of messages, for TRL's DPO and reward trainers.

    The prompt is always written out: TRL guesses an implicit one by its letters.
    https://huggingface.co/docs/trl/dataset_formats#preference
    """

    method: ClassVar[str] = "trl_preference"
    title: ClassVar[str] = "TRL preference"
    kinds: ClassVar[tuple[str, ...]] = ("preference",)
    drops: ClassVar[tuple[str, ...]] = ("metadata",)
    typed: ClassVar[bool] = True

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        return [with_tools({name: row[name] for name in ("prompt", "chosen", "rejected")}, row)]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        return trl_settings("dpo", files)

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        return canonical_format(kind, uses - {"metadata"})
