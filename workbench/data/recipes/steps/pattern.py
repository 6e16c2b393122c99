"""Rows chosen, or texts replaced, by regular expressions."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import judged, rewrite, scan, turn_texts
from workbench.data.text.expressions import compiled_problem, matches, matches_in, replaced
from workbench.rows.split_rows import Rows, TurnScope


@STEPS.register
class Pattern(Step):
    """Keeps, drops or flags rows in which a regular expression matches, or replaces what matches.

    Expressions are those of RE2, https://github.com/google/re2/wiki/Syntax: no lookaround and no back-references, and
    no expression takes more than linear time. Each turn is matched by itself.
    """

    method: ClassVar[str] = "pattern"
    title: ClassVar[str] = "Pattern"
    group: ClassVar = "Which rows stay"
    version: ClassVar[int] = 2

    patterns: list[str] = Field(
        examples=[["lorem ipsum", r"^\s*TODO"]], title="Patterns",
        description="Regular expressions, one a line; a row counts when one of them matches.",
    )  # fmt: skip
    action: Annotated[
        Literal["drop", "keep", "flag", "replace"],
        Display(labels={
            "drop": "take out", "keep": "keep only these", "flag": "flag for review",
            "replace": "replace what matches",
        }),
    ] = Field(
        "drop", title="Matching rows", description="What becomes of rows in which a pattern matches."
    )  # fmt: skip
    replacement: Annotated[str, Display(shown_if={"action": "replace"})] = Field(
        "", title="Replacement", description="What is put in the place of a match; \\1 is the first group."
    )
    part: TurnScope = Field("all", title="Turns", description="Which turns are searched.")
    ignore_case: bool = Field(False, title="Ignore case", description="Treat capital and small letters alike.")

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not self.patterns:
            problems.add("patterns", "there are none.", "Write at least one regular expression.")
        for index, pattern in enumerate(self.patterns):
            fault = compiled_problem(self._full(pattern), self.replacement)
            if fault:
                problems.add(("patterns", index), f"{pattern!r} {fault}", "RE2 has no lookaround or back-references.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        matched_rows = scan(rows, self.part, work, self.title, self._find)
        if self.action == "replace":
            return rewrite(rows, matched_rows, self.part, self._change(rows, matched_rows), self._reason)
        if self.action == "keep":
            verdict = Verdict(f"Nothing matches {' or '.join(self.patterns)}.")
            return Outcome(removed={index: verdict for index in range(len(rows)) if index not in matched_rows})
        return judged(
            self.action, {index: Verdict(self._reason(got), tuple(got)) for index, got in matched_rows.items()}
        )

    def _full(self, pattern: str) -> str:
        return f"(?i){pattern}" if self.ignore_case else pattern

    def _find(self, texts: pa.Array) -> dict[int, list[str]]:
        matched_texts: dict[int, list[str]] = {}
        for pattern in self.patterns:
            hits = matches(texts, self._full(pattern))
            for index, pieces in zip(
                hits, matches_in(texts.take(pa.array(hits, pa.int64())), self._full(pattern)), strict=True
            ):
                matched_texts.setdefault(index, []).extend(pieces)
        return matched_texts

    def _change(self, rows: Rows, matched_rows: dict[int, list[str]]) -> Callable[[str], str]:
        """The new text of every turn of the rows found, worked out for all of them at once."""
        hits = Rows(rows.kind, rows.table.take(pa.array(list(matched_rows), pa.int64())))
        old = turn_texts(hits, self.part).texts
        new = old
        for pattern in self.patterns:
            new = replaced(new, self._full(pattern), self.replacement)
        differ = pc.not_equal(old, new)
        replacements = dict(zip(old.filter(differ).to_pylist(), new.filter(differ).to_pylist(), strict=True))
        return lambda text: replacements.get(text, text)

    def _reason(self, pieces: list[str]) -> str:
        participle = "replaced" if self.action == "replace" else "found"
        return f"{max(len(pieces), 1)} match{'es' * (len(pieces) > 1)} of {' or '.join(self.patterns)} {participle}."
