"""Keeping rows by their length."""

import hashlib
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, DropOrFlag, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import in_one_piece, judged, slices, word_counts
from workbench.models.model_references import ModelRef, resolve_setting
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.split_rows import Rows

ANSWERS = {"preference": ("chosen", "rejected"), "unpaired": ("completion",), "conversation": ("messages",)}
BATCH_TEXTS = 1000


@STEPS.register
class TokenLength(Step):
    """Takes out rows that are too short or too long, in tokens of a model or in words; nothing is cut.

    What the chat template adds is not counted; thoughts, tool calls and tools are. Words stand between spaces; in
    scripts without spaces (Chinese, Japanese, Thai, …) two characters are one. Of pairs each side counts by itself,
    with the prompt where the whole row is measured.
    """

    method: ClassVar[str] = "token_length"
    title: ClassVar[str] = "Length"
    group: ClassVar = "Which rows stay"
    version: ClassVar[int] = 2

    model: Annotated[str, ModelRef("model", "adapter", text=False, sound=False)] = Field(
        "", title="Tokenizer", description="The model whose tokens are counted; empty counts words."
    )
    least: Annotated[int, Display(limit="min")] = Field(
        1, ge=0, le=10_000_000, title="Minimum length",
        description="The shortest length that stays, in tokens of the model or in words.",
    )  # fmt: skip
    most: Annotated[int, Display(limit="max")] = Field(
        2048, ge=0, le=10_000_000, title="Maximum length",
        description="The longest length that stays, in tokens of the model or in words; 0 sets no limit.",
    )  # fmt: skip
    part: Annotated[
        Literal["all", "answer"], Display(labels={"all": "the whole row", "answer": "the answers"})
    ] = Field(
        "all", title="Measure", description="Which part of a row is measured."
    )  # fmt: skip
    action: DropOrFlag = Field(
        "drop", title="Rows outside", description="What becomes of rows that are too short or too long."
    )

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if self.most and self.most < self.least:
            problems.add("most", f"{self.most} is less than the shortest, {self.least}.", "Raise it, or lower that.")
        if self.part == "answer" and kind == "prompts":
            problems.add("part", "prompts have no answers.", "Choose 'all'.")
        if self.model:
            try:
                self._tokenizer(home)
            except UserError as error:
                problems.collect("model", error)

    def inputs(self, home: Home) -> list[str]:
        if not self.model:
            return []
        path = resolve_setting(home, self, "model").home_of_template / "tokenizer.json"
        return [hashlib.sha256(path.read_bytes()).hexdigest()] if path.is_file() else []

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        tokenizer = self._tokenizer(work.home) if self.model else None
        verdicts: dict[int, Verdict] = {}
        for start, some in slices(rows, work, self.title):
            for texts in sides(some, self.part):
                lengths = _lengths(texts, tokenizer, start, len(rows), work)
                off = (lengths < self.least) | ((lengths > self.most) if self.most else False)
                for index in np.flatnonzero(off).tolist():
                    verdicts.setdefault(start + index, self._verdict(int(lengths[index])))
        return judged(self.action, dict(sorted(verdicts.items())))

    def _tokenizer(self, home: Home) -> Tokenizer:
        return Tokenizer.load(resolve_setting(home, self, "model").home_of_template)

    def _verdict(self, length: int) -> Verdict:
        unit = ("token" if self.model else "word") + "s" * (length != 1)
        wrong = f"fewer than {self.least:,}" if length < self.least else f"more than {self.most:,}"
        return Verdict(f"{length:,} {unit}, {wrong}.")


def sides(rows: Rows, scope: str) -> list[pa.Array]:
    """The texts that are measured: two a row of pairs, else one."""
    if rows.kind in ("text", "prompts") or (rows.kind == "conversation" and scope != "answer"):
        return [in_one_piece(rows.texts("all"))]
    role: Literal["assistant", "all"] = "assistant" if scope == "answer" else "all"
    answers = [_alone(rows, name).texts(role) for name in ANSWERS[rows.kind]]
    if scope == "answer":
        return [in_one_piece(texts) for texts in answers]
    asked = in_one_piece(rows.texts("prompt"))
    return [pc.binary_join_element_wise(asked, in_one_piece(texts), "\n") for texts in answers]


def _alone(rows: Rows, column: str) -> Rows:
    return Rows("conversation", pa.table({"messages": rows.table.column(column)}))


def _lengths(texts: pa.Array, tokenizer: Tokenizer | None, start: int, total: int, work: StepWork) -> NDArray[np.int64]:
    if tokenizer is None:
        return word_counts(texts)
    lengths: list[int] = []
    for first in range(0, len(texts), BATCH_TEXTS):
        work.task.check_stop()
        work.task.update(start + first, total, "Counting tokens")
        lengths += tokenizer.lengths(texts.slice(first, BATCH_TEXTS).to_pylist())
    return np.array(lengths, np.int64)
