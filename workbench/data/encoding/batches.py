"""Rows as a model learns them, as Arrow record batches: token ids, the spans that are learned, why rows are left out.

What one row gives is what the token view shows: both come from `workbench.rendering.rendered`.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.core.errors import UserError
from workbench.rendering.rendered import Rendered, TrainOn, names_of, render_batch
from workbench.rendering.templates import Template
from workbench.rendering.tokenizer import Tokenizer

SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("weight", pa.float64())])
EXAMPLES = 5  # rows named with each reason
REASONS = 50  # different reasons kept; further ones are counted together
OTHER = "Another reason."
SAYING = ("content", "reasoning_content", "tool_calls")


@dataclass(frozen=True)
class Rules:
    """How rows become tokens."""

    kind: str
    template: Template
    max_length: int
    train_on: TrainOn = "assistant"


@dataclass
class Tally:
    """What became of the rows: how many there were and were kept, their tokens, and why the others were left out.

    tokens: kept by the cut at the maximum length; trained: those of them that are learned; longest: tokens of the
    longest row before the cut; cut: rows that lost something to it; left_out: by reason, the number of rows and the
    first of them, from 0; warnings: rows by what was found in them.
    """

    rows: int = 0
    kept: int = 0
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    cut: int = 0
    left_out: dict[str, tuple[int, list[int]]] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)

    def leave_out(self, reason: str, rows: Sequence[int], count: int = 1) -> None:
        """Counts rows that are not learned from."""
        if reason not in self.left_out and len(self.left_out) >= REASONS:
            reason = OTHER
        total, examples = self.left_out.get(reason, (0, []))
        self.left_out[reason] = (total + count, [*examples, *rows][:EXAMPLES])

    def add(self, other: "Tally") -> None:
        """Takes in the tally of rows that come after these."""
        for name in ("rows", "kept", "tokens", "trained", "cut"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest = max(self.longest, other.longest)
        self.warnings.update(other.warnings)
        for reason, (count, rows) in other.left_out.items():
            self.leave_out(reason, rows, count)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        left_out = [{"reason": reason, "count": count, "rows": rows} for reason, (count, rows) in self.reasons]
        return {**vars(self), "left_out": left_out, "warnings": dict(self.warnings)}

    def summary(self) -> dict[str, Any]:
        """The counts that belong beside what was trained: rows, those learned from, and why the others were not."""
        left_out = {reason: count for reason, (count, _) in self.reasons}
        return {"rows": self.rows, "learned": self.kept, "cut": self.cut, "left_out": left_out}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Tally":
        left_out = {entry["reason"]: (entry["count"], entry["rows"]) for entry in data["left_out"]}
        return cls(**{**data, "left_out": left_out, "warnings": Counter(data["warnings"])})

    @property
    def reasons(self) -> list[tuple[str, tuple[int, list[int]]]]:
        """Why rows were left out, the most frequent reason first."""
        return sorted(self.left_out.items(), key=lambda item: -item[1][0])

    def sentences(self, subject: str) -> list[str]:
        """What a person should know, with `subject` naming the rows."""
        sentences = [
            f"{subject}: {self.kept:,} of {self.rows:,} rows, {self.tokens:,} tokens, {self.trained:,} of them learned."
        ]
        if self.cut:
            sentences.append(
                f"{subject}: {self.cut:,} rows are cut off at the maximum length; "
                f"the longest has {self.longest:,} tokens."
            )
        for reason, (count, rows) in self.reasons:
            named = ", ".join(str(row + 1) for row in rows) + (", …" if count > len(rows) else "")
            sentences.append(f"{subject}: left out {count:,} ({'row' if count == 1 else 'rows'} {named}): {reason}")
        noticed = [f"{kind} ({count:,})" for kind, count in self.warnings.most_common()]
        return sentences + ([f"{subject}: the token view has more on: {', '.join(noticed)}."] if noticed else [])


def encoded_schema(kind: str) -> pa.Schema:
    """The columns of encoded rows: the row's number, and for each side its ids and learned spans.

    A conversation and a text have input_ids and spans, a pair has chosen_ids, chosen_spans, rejected_ids and
    rejected_spans. A span is the first token that is learned, the first that is not or counts otherwise, and the
    weight of those between: the turn's times the one in the row's metadata.
    """
    columns: list[tuple[str, pa.DataType]] = [("row", pa.int64())]
    for prefix in ("input",) if len(names_of(kind)) == 1 else names_of(kind):
        spans = "spans" if prefix == "input" else f"{prefix}_spans"
        columns += [(f"{prefix}_ids", pa.list_(pa.int32())), (spans, pa.list_(SPAN))]
    return pa.schema(columns)


def encode_batch(
    rows: Sequence[dict[str, Any]], first: int, tokenizer: Tokenizer, rules: Rules
) -> tuple[pa.RecordBatch, Tally]:
    """The rows that can be learned from, by `encoded_schema`; `first` is the number of the first of them.

    Raises `TemplateStopped`.
    """
    tally = Tally(rows=len(rows))
    rendered_rows = render_batch(rows, rules.kind, tokenizer, rules.template, rules.max_length, rules.train_on)
    indices: list[int] = []
    sides: list[list[Rendered]] = []
    for index, (row, rendered_sides) in enumerate(zip(rows, rendered_rows, strict=True)):
        rendered = [side for side in rendered_sides.values() if isinstance(side, Rendered)]
        tally.warnings.update({warning.kind for side in rendered for warning in side.warnings})
        if reason := _reason_against(row, rendered_sides, rules):
            tally.leave_out(reason, [first + index])
            continue
        indices.append(index)
        sides.append(rendered)
        _count(rendered, tally)
    columns: list[pa.Array] = [pa.array([first + index for index in indices], pa.int64())]
    for number in range(len(names_of(rules.kind))):
        side = [row_sides[number] for row_sides in sides]
        columns += [_id_lists(side), _span_lists(side)]
    return pa.RecordBatch.from_arrays(columns, schema=encoded_schema(rules.kind)), tally


def _count(rendered: Sequence[Rendered], tally: Tally) -> None:
    tally.kept += 1
    tally.tokens += sum(side.retained for side in rendered)
    tally.trained += sum(side.retained_trained for side in rendered)
    tally.longest = max(tally.longest, *(len(side.ids) for side in rendered))
    tally.cut += any(side.retained < len(side.ids) for side in rendered)


def _reason_against(row: dict[str, Any], sides: dict[str, Rendered | UserError], rules: Rules) -> str:
    """Why a row is not learned from; '' if it is."""
    for name, side in sides.items():
        if reason := _reason_against_side(row, name, side, rules):
            return f"{name}: {reason}" if len(sides) > 1 else reason
    if len(sides) == 1:
        return ""
    chosen, rejected = (side for side in sides.values() if isinstance(side, Rendered))
    return _reason_against_pair(chosen, rejected, rules.max_length)


def _reason_against_side(row: dict[str, Any], name: str, side: Rendered | UserError, rules: Rules) -> str:
    if isinstance(side, UserError):
        return side.message
    if rules.train_on != "all" and _is_empty(row, name):
        return f"The {'text' if name == 'text' else 'answer'} is empty."
    if any(end > 1 for _, end, _ in side.retained_spans):
        return ""
    errors = [finding.text for finding in side.warnings if finding.level == "error"]
    return errors[0] if errors else "It is too short: there is no token to learn after the first."


def _reason_against_pair(chosen: Rendered, rejected: Rendered, max_length: int) -> str:
    if chosen.ids[: chosen.retained] != rejected.ids[: rejected.retained]:
        return ""
    if chosen.ids == rejected.ids:
        return "Chosen and rejected are the same."
    return f"Chosen and rejected are the same within {max_length} tokens: what tells them apart is cut off."


def _is_empty(row: dict[str, Any], name: str) -> bool:
    """Whether every answer to learn has nothing in it, no words and no tool calls."""
    if name == "text":
        return not row["text"].strip()
    turns = row["messages" if name == "conversation" else name]
    answers = [turn for turn in turns if turn["role"] == "assistant"]
    return bool(answers) and not any(_says_something(turn) for turn in answers)


def _says_something(turn: dict[str, Any]) -> bool:
    values = [turn.get(name) for name in SAYING]
    return any(value.strip() if isinstance(value, str) else value for value in values)


def _id_lists(sides: Sequence[Rendered]) -> pa.ListArray:
    ids = itertools.chain.from_iterable(side.ids[: side.retained] for side in sides)
    lengths = [side.retained for side in sides]
    values = np.fromiter(ids, np.int32, sum(lengths))
    return pa.ListArray.from_arrays(_offsets(lengths), pa.array(values), type=pa.list_(pa.int32()))


def _span_lists(sides: Sequence[Rendered]) -> pa.ListArray:
    spans = [side.retained_spans for side in sides]
    flat = list(itertools.chain.from_iterable(spans))
    parts = [pa.array([span[index] for span in flat], span_field.type) for index, span_field in enumerate(SPAN)]
    structs = pa.StructArray.from_arrays(parts, fields=list(SPAN))
    return pa.ListArray.from_arrays(_offsets(map(len, spans)), structs, type=pa.list_(SPAN))


def _offsets(lengths: Iterable[int]) -> pa.Array:
    return pa.array(np.cumsum([0, *lengths], dtype=np.int32))
