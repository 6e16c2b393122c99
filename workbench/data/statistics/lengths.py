"""How long the rows of a split are, which role says how much, and what a maximum length cuts off."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pyarrow as pa

from workbench.core.display import ADVANCED
from workbench.core.errors import UserError
from workbench.data.recipes.turns import word_counts
from workbench.rendering.row_findings import row_findings
from workbench.rendering.templates import Template, TemplateStopped
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.turn_text import tools_text, turn_text

Row = dict[str, Any]
Spoken = tuple[str, str]
PERCENTILES = (50, 90, 95, 99)
BINS = 40
ROLES = ("tools", "system", "user", "assistant", "rejected", "tool", "text")


def spoken(row: Row) -> list[Spoken]:
    """(role, words) of everything a row says; thoughts and tool calls are the assistant's, a pair's rejected side is
    'rejected', and the definitions of tools are 'tools'."""
    if "text" in row:
        return [("text", row["text"])]
    context = row.get("messages") or [*row["prompt"], *row.get("chosen", []), *row.get("completion", [])]
    tools = [("tools", tools_text(row["tools"]))] if "tools" in row else []
    return [
        *tools,
        *((turn["role"], turn_text(turn)) for turn in context),
        *(
            ("rejected" if turn["role"] == "assistant" else turn["role"], turn_text(turn))
            for turn in row.get("rejected", [])
        ),
    ]


def turn_count(row: Row) -> int:
    """The messages of a row without the system prompt, a pair's with the chosen side; 0 for a text."""
    messages = row.get("messages") or [*row.get("prompt", []), *row.get("chosen", []), *row.get("completion", [])]
    return sum(turn["role"] != "system" for turn in messages)


@dataclass(frozen=True)
class LengthMeasure:
    """Counts in tokens of a model, or in words without one. `unit` is 'tokens' or 'words'."""

    tokenizer: Tokenizer | None = None
    template: Annotated[Template | None, ADVANCED] = None

    @property
    def unit(self) -> str:
        return "tokens" if self.tokenizer else "words"

    def lengths(self, texts: list[str]) -> list[int]:
        if self.tokenizer:
            return self.tokenizer.lengths(texts)
        result: list[int] = word_counts(pa.array(texts, pa.string())).tolist()
        return result

    def sides(self, row: Row) -> list[str]:
        """The texts a row is trained on, whole: two of a pair, else one. Raises `UserError` when refused."""
        if self.tokenizer is None or self.template is None:
            return [" ".join(words for _, words in spoken(row))]
        if "text" in row:
            return [_plain(row["text"], self.tokenizer)]
        if "messages" in row:
            return [self._rendered(row["messages"], row)]
        answers = [row[side] for side in ("chosen", "rejected", "completion") if side in row]
        return [self._rendered([*row["prompt"], *answer], row) for answer in answers] or [self._asked(row)]

    def _rendered(self, messages: list[Row], row: Row) -> str:
        assert self.tokenizer and self.template
        text = self.template.render(messages, self.tokenizer.tokens, tools=row.get("tools", ()))
        ended = messages[-1]["role"] != "assistant" or self.tokenizer.ends_with_special(text.rstrip()[-100:])
        return text if ended else text + self.tokenizer.eos

    def _asked(self, row: Row) -> str:
        assert self.tokenizer and self.template
        return self.template.render(row["prompt"], self.tokenizer.tokens, True, row.get("tools", ()))


def _plain(text: str, tokenizer: Tokenizer) -> str:
    first = tokenizer.bos if tokenizer.adds_bos and not text.startswith(tokenizer.bos) else ""
    return first + text + ("" if tokenizer.eos and text.endswith(tokenizer.eos) else tokenizer.eos)


@dataclass
class Lengths:
    """What is counted of one split: lengths of rows' sides, roles, turns, what was refused and what was noticed."""

    sides: list[list[int]] = field(default_factory=list)
    roles: dict[str, list[int]] = field(default_factory=dict)  # messages, units, characters
    turns: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[Row], measure: LengthMeasure) -> None:
        """Counts a batch of rows. Raises `TemplateStopped`."""
        utterances = [utterance for row in rows for utterance in spoken(row)]
        for (role, words), units in zip(utterances, measure.lengths([words for _, words in utterances]), strict=True):
            totals = self.roles.setdefault(role, [0, 0, 0])
            self.roles[role] = [totals[0] + 1, totals[1] + units, totals[2] + len(words)]
        self.turns.update(turn_count(row) for row in rows)
        self.findings.update(finding.kind for row in rows for finding in row_findings(row))
        texts = [sides for row in rows if (sides := self._sides(row, measure))]
        counted = iter(measure.lengths([text for sides in texts for text in sides]))
        self.sides += [[next(counted) for _ in sides] for sides in texts]

    def _sides(self, row: Row, measure: LengthMeasure) -> list[str]:
        try:
            return measure.sides(row)
        except TemplateStopped:
            raise
        except UserError as error:
            self.refused[error.message] += 1
            return []

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        roles = {role: self.roles[role] for role in ROLES if role in self.roles}
        return {
            "sides": self.sides,
            "roles": roles,
            "turns": sorted(([turns, rows] for turns, rows in self.turns.items())),
            "refused": self.refused.most_common(5),
            "findings": sorted(self.findings.items()),
        }


def edges_of(longest: Sequence[int]) -> list[int]:
    """The whole-numbered edges of at most 40 bins, each about as much wider than the last; [] for no rows."""
    if not len(longest):
        return []
    low, high = max(1, min(longest)), max(longest) + 1
    return sorted({min(longest), *(round(edge) for edge in np.geomspace(low, max(high, low + 1), BINS + 1))})


def length_table(sides: Sequence[Sequence[int]], edges: list[int]) -> dict[str, Any]:
    """{counts, mean, max, percentiles} of the longest side of every row."""
    longest = np.array([max(row) for row in sides], dtype=np.int64)
    if not len(longest):
        return {"counts": [0] * max(len(edges) - 1, 0), "mean": 0.0, "max": 0, "percentiles": {}}
    percentiles = np.percentile(longest, PERCENTILES, method="inverted_cdf")
    return {
        "counts": np.histogram(longest, bins=edges)[0].tolist(),
        "mean": round(float(longest.mean()), 1),
        "max": int(longest.max()),
        "percentiles": {str(at): int(value) for at, value in zip(PERCENTILES, percentiles, strict=True)},
    }


def cut_table(sides: Sequence[Sequence[int]], max_length: int) -> dict[str, Any]:
    """What a maximum length leaves: rows and tokens cut off, with their shares, and the tokens kept."""
    lengths = [length for row in sides for length in row]
    rows = sum(max(row) > max_length for row in sides)
    total, remaining = sum(lengths), sum(min(length, max_length) for length in lengths)
    return {
        "rows": rows,
        "rows_share": rows / len(sides) if sides else 0.0,
        "tokens": total - remaining,
        "tokens_share": (total - remaining) / total if total else 0.0,
        "kept": remaining,
    }
