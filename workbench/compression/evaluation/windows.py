"""The text all variants of a model are measured on, rendered and split into tokens once by the original's rules."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.core.home import Home, write_text
from workbench.data.store import datasets
from workbench.data.store.prompts import BUILT_IN, held_out_prompts
from workbench.inference.loss import measured_rows
from workbench.models.model_references import Resolved
from workbench.rendering.masking import token_mask
from workbench.rendering.rendered import Rendered, render, render_text
from workbench.rendering.templates import TemplateStopped, get_template
from workbench.rendering.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextRow:
    """One rendered row: its tokens, which of them are scored (never the first), the characters and UTF-8 bytes these
    cover."""

    text: str
    ids: list[int]
    targets: list[int]
    spans: list[tuple[int, int]]
    bytes: int


@dataclass(frozen=True)
class Window:
    """A piece of a row that goes through a model at once, its last token only predicted; `targets` are the places in
    the row scored in it."""

    row: int
    begin: int
    ids: list[int]
    targets: list[int]

    @property
    def places(self) -> list[int]:
        """Where in `ids` the outputs stand that predict the targets."""
        return [target - self.begin - 1 for target in self.targets]

    @property
    def wanted(self) -> list[int]:
        """The targets' own ids."""
        return [self.ids[target - self.begin] for target in self.targets]


@dataclass(frozen=True)
class ScoredText:
    """Rows, how they are cut (`context` tokens, anew every `stride` < `context`), and which scored tokens get a KL."""

    rows: list[TextRow]
    context: int
    stride: int
    chosen: list[int]
    source: str
    kind: str

    @property
    def tokens(self) -> int:
        """How many tokens are scored."""
        return sum(len(row.targets) for row in self.rows)

    @property
    def owner(self) -> NDArray[np.intp]:
        """The row of every scored token, in order."""
        return np.repeat(np.arange(len(self.rows)), [len(row.targets) for row in self.rows])

    def windows(self) -> Iterator[Window]:
        """Every scored token once, in order, each with as much before it as the window holds.

        https://huggingface.co/docs/transformers/perplexity
        """
        for number, row in enumerate(self.rows):
            yield from _windows(number, row, self.context, self.stride)

    def fingerprint(self) -> str:
        """What results have in common that may stand in one table."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(dataclasses.asdict(self), ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "ScoredText":
        data = json.loads(path.read_text("utf-8"))
        return cls(**{**data, "rows": [TextRow(**row) for row in data["rows"]]})

    def with_tokenizer(self, tokenizer: Tokenizer) -> "ScoredText":
        """The same characters scored in another tokenizer's tokens; nothing is chosen for KL."""
        return dataclasses.replace(self, rows=[_retold(row, tokenizer) for row in self.rows], chosen=[])


def prepare_windows(
    home: Home, resolved: Resolved, dataset: str, rows: int, context: int, stride: int, positions: int, seed: int
) -> ScoredText:
    """Renders the dataset ('': short built-in conversations) with this model's template and tokenizer.

    Raises `UserError` when nothing can be scored.
    """
    source, kind, dataset_rows = BUILT_IN, "conversation", held_out_prompts()[:rows]
    if dataset:
        kind = datasets.dataset_kind(home, dataset)
        split, dataset_rows = measured_rows(home, dataset, rows)
        source = f"{dataset} ({split} split)"
    text_rows, reason = _rendered(dataset_rows, kind, resolved.home_of_template)
    if not text_rows:
        raise UserError(f"Nothing can be measured on {source}: {reason}.", "Choose other rows.", "dataset")
    scored = sum(len(row.targets) for row in text_rows)
    chosen = np.random.default_rng(seed).permutation(scored)[:positions]
    return ScoredText(text_rows, context, stride, sorted(chosen.tolist()), source, kind)


def _rendered(rows: Sequence[dict[str, Any]], kind: str, folder: Path) -> tuple[list[TextRow], str]:
    """The rows with something to score, and why the first of the others has nothing."""
    tokenizer, template = Tokenizer.load(folder), get_template("model", folder)
    text_rows, reason = [], "no row has an answer"
    for row in rows:
        try:
            shown = (
                render_text(row["text"], tokenizer) if kind == "text" else render(row["messages"], tokenizer, template)
            )
        except TemplateStopped:
            raise
        except UserError as error:
            reason = error.message.rstrip(".")
            continue
        if any(shown.trained[1:]):
            text_rows.append(_row(shown))
    return text_rows, reason


def _row(shown: Rendered) -> TextRow:
    targets = [position for position, trained in enumerate(shown.trained) if trained and position]
    pieces = shown.pieces
    ends = list(itertools.accumulate(map(len, pieces), initial=0))
    spans: list[tuple[int, int]] = []
    for position in targets:
        if spans and spans[-1][1] == ends[position]:
            spans[-1] = (spans[-1][0], ends[position + 1])
        else:
            spans.append((ends[position], ends[position + 1]))
    return TextRow(shown.text, shown.ids, targets, spans, sum(len(pieces[position].encode()) for position in targets))


def _windows(number: int, row: TextRow, context: int, stride: int) -> Iterator[Window]:
    begin, left = 0, row.targets
    while left:
        end = begin + context
        mine = [target for target in left if target < end]
        if mine:
            yield Window(number, begin, row.ids[begin : mine[-1] + 1], mine)
        left = left[len(mine) :]
        begin += stride


def _retold(row: TextRow, tokenizer: Tokenizer) -> TextRow:
    encoding = tokenizer.encode([row.text])[0]
    bos = tokenizer.backend.token_to_id(tokenizer.bos) if tokenizer.adds_bos else None
    first = [] if bos is None else [bos]
    mask = token_mask(encoding, row.spans)
    targets = [position + len(first) for position, scored in enumerate(mask) if scored and position + len(first)]
    return TextRow(row.text, [*first, *encoding.ids], targets, row.spans, row.bytes)
