"""Mending broken characters."""

import importlib.util
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork
from workbench.data.recipes.turns import rewrite, slices, turn_texts
from workbench.rows.split_rows import Rows, TurnScope

SUSPECT = r"[\x00-\x08\x0b-\x1f\x7f]"
ENTITY = r"&(?:#|[A-Za-z])"


@STEPS.register
class UnicodeRepair(Step):
    """Mends text decoded with the wrong encoding (mojibake), removes control characters, and normalises Unicode.

    ftfy, https://ftfy.readthedocs.io/. Curly quotes, ligatures and full-width letters stay as they are.
    """

    method: ClassVar[str] = "unicode_repair"
    title: ClassVar[str] = "Broken characters"
    group: ClassVar = "Text"
    version: ClassVar[int] = 2

    form: Literal["NFC", "NFKC", "as it is"] = Field(
        "NFC", title="Unicode form", description="NFC joins letters and accents, NFKC also makes ² a 2 and ﬁ an fi."
    )
    quotes: bool = Field(False, title="Straighten quotes", description="Turn curly quotes into straight ones.")
    entities: bool = Field(
        False, title="HTML entities", description="Turn entities such as &amp; into characters where there are no tags."
    )
    part: TurnScope = Field("all", title="Turns", description="Which turns are mended.")

    @classmethod
    def unavailable(cls) -> str:
        return "" if importlib.util.find_spec("ftfy") else "It needs the package ftfy: pip install ftfy==6.3.1."

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        fix, fixed = self._fixer(), {}
        mended_rows: dict[int, list[str]] = {}
        for start, some in slices(rows, work, self.title):
            turns = turn_texts(some, self.part)
            for count, index in enumerate(self._suspects(turns.texts)):
                if count % 1000 == 0:
                    work.task.check_stop()
                text = turns.texts[index].as_py()
                fixed[text] = fix(text)
                if fixed[text] == text:
                    del fixed[text]
                else:
                    mended_rows.setdefault(start + int(turns.rows[index]), []).extend(_mended(text, fixed[text]))
        return rewrite(rows, dict(sorted(mended_rows.items())), self.part, lambda text: fixed.get(text, text), _reason)

    def _suspects(self, texts: pa.Array) -> list[int]:
        """Texts that may need it: all that are not ASCII, and those with control characters or entities."""
        mask = pc.or_(pc.invert(pc.string_is_ascii(texts)), pc.match_substring_regex(texts, SUSPECT))
        if self.entities:
            mask = pc.or_(mask, pc.match_substring_regex(texts, ENTITY))
        return list(np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist())

    def _fixer(self) -> Callable[[str], str]:
        import ftfy

        config = ftfy.TextFixerConfig(
            unescape_html="auto" if self.entities else False,
            normalization=None if self.form == "as it is" else self.form,
            uncurl_quotes=self.quotes,
            fix_latin_ligatures=False,
            fix_character_width=False,
            explain=False,
        )
        return lambda text: ftfy.fix_text(text, config)


def _mended(old: str, new: str) -> list[str]:
    """The words that are not there any more, as they stood."""
    remaining = set(new.split())
    return [word for word in dict.fromkeys(old.split()) if word not in remaining] or [old[:200]]


def _reason(pieces: list[str]) -> str:
    return f"{len(pieces):,} piece{'s' * (len(pieces) != 1)} with broken or unusual characters mended."
