"""What the model sees: the one rendering used both to train and to show it, token by token."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import tokenizers

from workbench.data.canonical import Message
from workbench.data.findings import Finding, Prepared, findings_of
from workbench.data.masking import Layout, Span, lay_out, token_mask
from workbench.data.templates import Template, TemplateStopped, Tools
from workbench.data.tokenizer import Tokenizer
from workbench.errors import UserError

__all__ = [
    "Finding",
    "Rendered",
    "Report",
    "Tokenizer",
    "encode_rows",
    "for_view",
    "render",
    "render_batch",
    "render_prompt",
    "render_text",
]

TrainOn = Literal["assistant", "all"]
IGNORED = -100
BATCH = 256
PLAIN = Template("plain text", "")
SIDES: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "conversation": ("conversation",),
    "preference": ("chosen", "rejected"),
}


@dataclass(frozen=True)
class Rendered:
    """One row as the model sees it: lists of equal length, one entry a token; `kept` tokens lie within max_length."""

    text: str = field(repr=False)
    ids: list[int]
    offsets: list[Span]
    trained: list[bool]
    special: list[bool]
    kept: int
    warnings: list[Finding]
    template: str

    @property
    def pieces(self) -> list[str]:
        """The text each token covers; together they are `text`. A character of several tokens shows at the first."""
        ends = list(itertools.accumulate((end for _, end in self.offsets), max, initial=0))
        return [self.text[ends[index] : ends[index + 1]] for index in range(len(self.ids))]

    @property
    def trained_kept(self) -> int:
        """How many tokens are trained on after the cut."""
        return sum(self.trained[: self.kept])


@dataclass
class Report:
    """What became of the rows: counts, tokens after the cut, the longest row before it, the reason for each drop."""

    rows: int = 0
    kept: int = 0
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
) -> Rendered:
    """A conversation as text, ids and the tokens trained on. Raises `UserError` when the template refuses it.

    `tools` are the row's own; answers before message `first` are context and not trained on.
    """
    prepared = _prepare(messages, tokenizer, template, tools, first)
    return _finish(prepared, tokenizer.encode([prepared.layout.text])[0], tokenizer, max_length, train_on)


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


def render_text(text: str, tokenizer: Tokenizer, max_length: int | None = None) -> Rendered:
    """A plain text with the tokenizer's own BOS, if it sets one, and EOS; all of it is trained on."""
    prepared = _prepare_text(text, tokenizer)
    return _finish(prepared, tokenizer.encode([prepared.layout.text])[0], tokenizer, max_length, "all")


def encode_rows(
    rows: Iterable[dict[str, Any]],
    kind: str,
    tokenizer: Tokenizer,
    template: Template,
    max_length: int | None = None,
    train_on: TrainOn = "assistant",
) -> tuple[list[dict[str, list[int]]], Report]:
    """[{input_ids, labels}] for training, labels -100 where nothing is learnt, and the report.

    Of a conversation the answers and their tool calls are learnt, never what a tool said.
    Rows with nothing to train on, or that the template refuses, are dropped and named in the report. Raises
    `UserError` for a kind that is not trained on this way, and when the template has to be stopped.
    """
    if kind not in ("conversation", "text"):
        raise UserError(f"A dataset of kind {kind!r} is no training text.", "Choose conversations or texts.", "dataset")
    encoded: list[dict[str, list[int]]] = []
    report = Report()
    numbered = enumerate(rows)
    while batch := list(itertools.islice(numbered, BATCH)):
        report.rows += len(batch)
        made = render_batch([row for _, row in batch], kind, tokenizer, template, max_length, train_on)
        for (number, _), sides in zip(batch, made, strict=True):
            (rendered,) = sides.values()
            if isinstance(rendered, UserError):
                report.dropped.append((number, rendered.message))
            else:
                _count(rendered, number, report, encoded)
    return encoded, report


def render_batch(
    rows: Sequence[dict[str, Any]],
    kind: str,
    tokenizer: Tokenizer,
    template: Template,
    max_length: int | None = None,
    train_on: TrainOn = "assistant",
) -> list[dict[str, Rendered | UserError]]:
    """What there is to learn from each row by name: its 'text', its 'conversation', or both 'chosen' and 'rejected'.

    The texts of all rows are tokenized together. What the template refuses is the `UserError` it is refused with.
    Raises `TemplateStopped`.
    """
    prepared = [
        {name: _prepare_side(row, name, tokenizer, template) for name in names_of(kind)} for row in rows
    ]  # fmt: skip
    ready = [side for sides in prepared for side in sides.values() if isinstance(side, Prepared)]
    encodings = iter(tokenizer.encode([side.layout.text for side in ready]))
    learnt: TrainOn = "all" if kind == "text" else train_on
    return [
        {
            name: side if isinstance(side, UserError) else _finish(side, next(encodings), tokenizer, max_length, learnt)
            for name, side in sides.items()
        }
        for sides in prepared
    ]


def names_of(kind: str) -> tuple[str, ...]:
    """The names of what is learned from a row of a kind; raises `UserError` for a kind that is not trained on."""
    if kind not in SIDES:
        known = ", ".join(SIDES)
        raise UserError(f"Rows of kind {kind!r} are not trained on.", f"Choose rows of kind {known}.", "dataset")
    return SIDES[kind]


def for_view(rendered: Rendered) -> dict[str, Any]:
    """What the page shows: tokens, warnings, a summary of [label, value] pairs, and the template's name."""
    tokens = [
        {"text": piece, "id": at, "trained": trained, "special": special, "cut": index >= rendered.kept}
        for index, (piece, at, trained, special) in enumerate(
            zip(rendered.pieces, rendered.ids, rendered.trained, rendered.special, strict=True)
        )
    ]
    lost = len(rendered.ids) - rendered.kept
    summary = [["Tokens", f"{len(rendered.ids):,}"], ["Trained on", f"{rendered.trained_kept:,}"]]
    return {
        "tokens": tokens,
        "warnings": [{"level": found.level, "text": found.text} for found in rendered.warnings],
        "summary": summary + ([["Cut off", f"{lost:,}"]] if lost else []),
        "note": rendered.template,
    }


def _prepare(
    messages: Sequence[Message], tokenizer: Tokenizer, template: Template, tools: Tools = (), first: int = 0
) -> Prepared:
    layout = lay_out(messages, tokenizer, template, tools)
    ended = _with_eos(layout, tokenizer) if messages and messages[-1]["role"] == "assistant" else layout
    context = sum(turn["role"] == "assistant" for turn in messages[:first])
    return Prepared(list(messages), ended, template, tools, eos_added=ended is not layout, context=context)


def _with_eos(layout: Layout, tokenizer: Tokenizer) -> Layout:
    """The layout with EOS after its last answer, if the template ends that with no control token."""
    last = layout.spans[-1]
    if last is None or not tokenizer.eos or layout.text[last[1] :].strip():
        return layout
    answered = layout.text[: last[1]]
    if tokenizer.ends_with_special(answered):
        return layout
    return Layout(answered + tokenizer.eos, [*layout.spans[:-1], (last[0], last[1] + len(tokenizer.eos))])


def _prepare_text(text: str, tokenizer: Tokenizer) -> Prepared:
    first = tokenizer.bos if tokenizer.adds_bos and not text.startswith(tokenizer.bos) else ""
    last = "" if tokenizer.eos and text.endswith(tokenizer.eos) else tokenizer.eos
    whole = first + text + last
    return Prepared([], Layout(whole, [(0, len(whole))]), PLAIN)


def _prepare_side(row: dict[str, Any], name: str, tokenizer: Tokenizer, template: Template) -> Prepared | UserError:
    """One text of a row before it is tokenized, or why the template refuses it."""
    try:
        if name == "text":
            return _prepare_text(row["text"], tokenizer)
        if name == "conversation":
            return _prepare(row["messages"], tokenizer, template, row.get("tools", ()))
        prompt = row["prompt"]
        return _prepare([*prompt, *row[name]], tokenizer, template, row.get("tools", ()), len(prompt))
    except TemplateStopped:
        raise
    except UserError as error:
        return error


def _finish(
    prepared: Prepared, encoding: tokenizers.Encoding, tokenizer: Tokenizer, max_length: int | None, train_on: TrainOn
) -> Rendered:
    text, offsets, ids = prepared.layout.text, encoding.offsets, encoding.ids
    spans = [span for span in prepared.layout.spans[prepared.context :] if span]
    rendered = Rendered(
        text=text,
        ids=ids,
        offsets=offsets,
        trained=[True] * len(ids) if train_on == "all" else token_mask(text, offsets, spans),
        special=[at in tokenizer.special_ids for at in ids],
        kept=len(ids) if max_length is None else min(len(ids), max_length),
        warnings=[],
        template=prepared.template.note or prepared.template.name,
    )
    return dataclasses.replace(rendered, warnings=findings_of(prepared, rendered, tokenizer, max_length))


def _count(rendered: Rendered, number: int, report: Report, encoded: list[dict[str, list[int]]]) -> None:
    report.warnings.update({found.kind for found in rendered.warnings})
    report.longest = max(report.longest, len(rendered.ids))
    if not rendered.trained_kept:
        reasons = [found.text for found in rendered.warnings if found.level == "error"]
        report.dropped.append((number, reasons[0] if reasons else "There is nothing to train on."))
        return
    ids, trained = rendered.ids[: rendered.kept], rendered.trained[: rendered.kept]
    labels = [at if learnt else IGNORED for at, learnt in zip(ids, trained, strict=True)]
    encoded.append({"input_ids": ids, "labels": labels})
    report.kept += 1
    report.tokens += len(ids)
    report.trained += rendered.trained_kept
    report.cut += rendered.kept < len(rendered.ids)
