"""What the model sees: the one rendering used both to train and to show it, token by token."""

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tokenizers

from workbench.core.errors import UserError
from workbench.rendering.masking import Span, WeightedSpan, token_spans, weighted_spans
from workbench.rendering.row_text import (
    SIDES,
    TrainOn,
    conversation_of,
    prepare_row,
    prepare_sides,
    prepare_text,
    row_weight,
)
from workbench.rendering.row_warnings import Finding, Prepared, findings_of
from workbench.rendering.templates import Layout, Template, Tools
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.canonical import Message

__all__ = [
    "Finding",
    "Rendered",
    "RenderingReport",
    "Tokenizer",
    "TrainOn",
    "encode_rows",
    "for_view",
    "render",
    "render_batch",
    "render_prompt",
    "render_text",
    "row_weight",
]

IGNORED = -100
BATCH_ROWS = 256


@dataclass(frozen=True)
class Rendered:
    """One row as the model sees it: its text, its tokens, and the runs of tokens that are learnt.

    `spans` are runs [start, end) with the weight that their tokens' loss is multiplied with: the turn's times the
    row's. `retained` tokens lie within `max_length`. Everything else is made of these when it is asked for, as training
    asks for little of it; lists have one entry a token.
    """

    prepared: Prepared = field(repr=False)
    encoding: tokenizers.Encoding = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    ids: list[int]
    spans: list[WeightedSpan]
    retained: int
    max_length: int | None

    @property
    def text(self) -> str:
        return self.prepared.layout.text

    @property
    def template(self) -> str:
        return self.prepared.template.note or self.prepared.template.name

    @functools.cached_property
    def offsets(self) -> list[Span]:
        """The characters of `text` that each token stands for."""
        return list(self.encoding.offsets)

    @functools.cached_property
    def weights(self) -> list[float]:
        """What each token's loss is multiplied with; 0 where it is not learnt."""
        weights = [0.0] * len(self.ids)
        for start, end, weight in self.spans:
            weights[start:end] = [weight] * (end - start)
        return weights

    @functools.cached_property
    def trained(self) -> list[bool]:
        """Whether each token is learnt."""
        return [weight > 0 for weight in self.weights]

    @functools.cached_property
    def special(self) -> list[bool]:
        """Whether each token is a control token."""
        return [at in self.tokenizer.special_ids for at in self.ids]

    @functools.cached_property
    def warnings(self) -> list[Finding]:
        """What a person should know about this row, errors first."""
        return findings_of(self.prepared, self, self.tokenizer, self.max_length)

    @property
    def pieces(self) -> list[str]:
        """The text each token covers; together they are `text`. A character of several tokens shows at the first."""
        ends = list(itertools.accumulate((end for _, end in self.offsets), max, initial=0))
        return [self.text[ends[index] : ends[index + 1]] for index in range(len(self.ids))]

    @property
    def trained_total(self) -> int:
        """How many tokens are trained on before the cut."""
        return sum(end - start for start, end, _ in self.spans)

    @functools.cached_property
    def retained_spans(self) -> list[WeightedSpan]:
        """What is left of the spans after the cut."""
        return [(start, min(end, self.retained), weight) for start, end, weight in self.spans if start < self.retained]

    @property
    def retained_trained(self) -> int:
        """How many tokens are trained on after the cut."""
        return sum(end - start for start, end, _ in self.retained_spans)


@dataclass
class RenderingReport:
    """What became of the rows: counts, tokens after the cut, the longest row before it, the reason for each drop."""

    rows: int = 0
    retained: int = 0
    dropped: list[tuple[int, str]] = field(default_factory=list)
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    cut: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `dropped` as [{row, reason}], rows counted from 0."""
        data = dataclasses.asdict(self)
        return {
            **data,
            "dropped": [{"row": row, "reason": reason} for row, reason in self.dropped],
            "warnings": dict(self.warnings),
        }


def render(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    template: Template,
    max_length: int | None = None,
    train_on: TrainOn = "assistant",
    tools: Tools = (),
    first: int = 0,
    weight: float = 1.0,
) -> Rendered:
    """A conversation as text, ids and the weights of its tokens.

    `tools` and `weight` are the row's own; answers before message `first` are context and not trained on. Raises
    `UserError` when the template refuses it, and when it cannot be proven which part of the text the assistant wrote.
    """
    (layout,) = template.lay_out([conversation_of(messages, tools, first)], tokenizer.tokens)
    prepared = prepare_row(layout, messages, tokenizer, template, train_on, tools, first, weight)
    return _finish(prepared, tokenizer.encode([prepared.layout.text])[0], tokenizer, max_length, train_on)


def render_batch(
    rows: Sequence[dict[str, Any]],
    kind: str,
    tokenizer: Tokenizer,
    template: Template,
    max_length: int | None = None,
    train_on: TrainOn = "assistant",
) -> list[dict[str, Rendered | UserError]]:
    """What there is to learn from each row by name: its 'text', its 'conversation', or both 'chosen' and 'rejected'.

    All rows are rendered in one round trip and tokenized together. What the template refuses, or cannot be masked, is
    the `UserError` it is refused with. Raises `TemplateStopped`.
    """
    names = names_of(kind)
    prepared = prepare_sides(rows, names, tokenizer, template, train_on)
    encodings = iter(tokenizer.encode([side.layout.text for side in prepared if isinstance(side, Prepared)]))
    learnt: TrainOn = "all" if kind == "text" else train_on
    rendered = iter(
        side if isinstance(side, UserError) else _finish(side, next(encodings), tokenizer, max_length, learnt)
        for side in prepared
    )
    return [{name: next(rendered) for name in names} for _ in rows]


def names_of(kind: str) -> tuple[str, ...]:
    """The names of what is learned from a row of a kind; raises `UserError` for a kind that is not trained on."""
    if kind not in SIDES:
        kinds = ", ".join(SIDES)
        raise UserError(f"Rows of kind {kind!r} are not trained on.", f"Choose rows of kind {kinds}.", "dataset")
    return SIDES[kind]


def render_prompt(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    template: Template,
    max_length: int | None = None,
    tools: Tools = (),
) -> Rendered:
    """A prompt with what the template writes before an answer; nothing of it is trained on. Raises `UserError`."""
    text = template.render(messages, tokenizer.tokens, add_generation_prompt=True, tools=tools)
    prepared = Prepared(list(messages), Layout(text, []), template, tools, asked=True)
    return _finish(prepared, tokenizer.encode([text])[0], tokenizer, max_length, "assistant")


def render_text(text: str, tokenizer: Tokenizer, max_length: int | None = None, weight: float = 1.0) -> Rendered:
    """A plain text with the tokenizer's own BOS, if it sets one, and EOS; all of it is trained on."""
    prepared = prepare_text(text, tokenizer, weight)
    return _finish(prepared, tokenizer.encode([prepared.layout.text])[0], tokenizer, max_length, "all")


def encode_rows(
    rows: Iterable[dict[str, Any]],
    kind: str,
    tokenizer: Tokenizer,
    template: Template,
    max_length: int | None = None,
    train_on: TrainOn = "assistant",
) -> tuple[list[dict[str, list[int]]], RenderingReport]:
    """[{input_ids, labels}] for training, labels -100 where nothing is learnt, and the report.

    Of a conversation the answers and their tool calls are learnt, never what a tool said.
    Rows with nothing to train on, or that the template refuses, are dropped and named in the report. Raises
    `UserError` for a kind that is not trained on this way, and when the template has to be stopped.
    """
    if kind not in ("conversation", "text"):
        raise UserError(f"A dataset of kind {kind!r} is no training text.", "Choose conversations or texts.", "dataset")
    encoded: list[dict[str, list[int]]] = []
    report = RenderingReport()
    remaining = iter(rows)
    while batch := list(itertools.islice(remaining, BATCH_ROWS)):
        rendered_rows = render_batch(batch, kind, tokenizer, template, max_length, train_on)
        for number, sides in enumerate(rendered_rows, start=report.rows):
            (rendered,) = sides.values()
            if isinstance(rendered, UserError):
                report.dropped.append((number, rendered.message))
            else:
                _count(rendered, number, report, encoded)
        report.rows += len(batch)
    return encoded, report


def for_view(rendered: Rendered) -> dict[str, Any]:
    """What the page shows: tokens, warnings, a summary of [label, value] pairs, and the template's name.

    A token's `weight` is what its loss is multiplied with, 0 where it is not trained on.
    """
    tokens = [
        {"text": piece, "id": at, "trained": weight > 0, "weight": weight, "special": special}
        | {"cut": index >= rendered.retained}
        for index, (piece, at, weight, special) in enumerate(
            zip(rendered.pieces, rendered.ids, rendered.weights, rendered.special, strict=True)
        )
    ]
    lost = len(rendered.ids) - rendered.retained
    summary = [["Tokens", f"{len(rendered.ids):,}"], ["Trained on", f"{rendered.retained_trained:,}"]]
    weights = {weight for weight in rendered.weights[: rendered.retained] if weight}
    if weights - {1.0}:
        summary.append(["Weights", " to ".join(f"{weight:g}" for weight in sorted({min(weights), max(weights)}))])
    return {
        "tokens": tokens,
        "warnings": [{"level": finding.level, "text": finding.text} for finding in rendered.warnings],
        "summary": summary + ([["Cut off", f"{lost:,}"]] if lost else []),
        "note": rendered.template,
    }


def _finish(
    prepared: Prepared, encoding: tokenizers.Encoding, tokenizer: Tokenizer, max_length: int | None, train_on: TrainOn
) -> Rendered:
    spans = weighted_spans(prepared.layout, prepared.messages, prepared.first, prepared.weight)
    if train_on == "all":
        whole = (0, len(prepared.layout.text), prepared.weight)
        spans = [whole, *(span for span in spans if span[2] != prepared.weight)]
    ids = encoding.ids
    retained = len(ids) if max_length is None else min(len(ids), max_length)
    return Rendered(prepared, encoding, tokenizer, ids, token_spans(encoding, spans), retained, max_length)


def _count(rendered: Rendered, number: int, report: RenderingReport, encoded: list[dict[str, list[int]]]) -> None:
    report.warnings.update({finding.kind for finding in rendered.warnings})
    report.longest = max(report.longest, len(rendered.ids))
    if not rendered.retained_trained:
        reasons = [finding.text for finding in rendered.warnings if finding.level == "error"]
        report.dropped.append((number, reasons[0] if reasons else "There is nothing to train on."))
        return
    ids, weights = rendered.ids[: rendered.retained], rendered.weights[: rendered.retained]
    labels = [at if weight else IGNORED for at, weight in zip(ids, weights, strict=True)]
    encoded.append({"input_ids": ids, "labels": labels})
    report.retained += 1
    report.tokens += len(ids)
    report.trained += rendered.retained_trained
    report.cut += rendered.retained < len(rendered.ids)
