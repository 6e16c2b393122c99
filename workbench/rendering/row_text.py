"""Rows before they are tokenized: the text that a template makes of them, with the answers in it."""

import sys
from collections.abc import Sequence
from typing import Any, Literal

from workbench.core.errors import UserError
from workbench.rendering.row_warnings import Prepared
from workbench.rendering.template_spans import AnswerSpan
from workbench.rendering.templates import Conversation, Layout, Template, Tools
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.canonical import Message

TrainOn = Literal["assistant", "all"]
PLAIN = Template("plain text", "")
SIDES: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "conversation": ("conversation",),
    "preference": ("chosen", "rejected"),
}


def conversation_of(messages: Sequence[Message], tools: Tools, first: int = 0) -> Conversation:
    """What a template is given of a conversation of which the messages before `first` are context."""
    return Conversation(messages, tools, owners=first > 0 or any("weight" in turn for turn in messages))


def prepare_row(
    layout: Layout | UserError,
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    template: Template,
    train_on: TrainOn,
    tools: Tools = (),
    first: int = 0,
    weight: float = 1.0,
) -> Prepared:
    """A row as its template lays it out, EOS added where needed. Raises `UserError`, also for an unproven mask."""
    if isinstance(layout, UserError):
        raise layout
    if layout.unproven and (train_on == "assistant" or any("weight" in turn for turn in messages)):
        raise UserError(
            f"Which part of the text the assistant wrote cannot be proven with the chat template "
            f"({template.note or template.name}): {layout.unproven}.",
            "Mark the answers in the template with {% generation %} and {% endgeneration %}, or choose another one.",
            "template",
        )
    ended = _with_eos(layout, len(messages) - 1, tokenizer)
    return Prepared(list(messages), ended, template, tools, eos_added=ended is not layout, first=first, weight=weight)


def _with_eos(layout: Layout, last_turn: int, tokenizer: Tokenizer) -> Layout:
    """The layout with EOS after its last answer, if the template ends that with no control token."""
    last = layout.answers[-1] if layout.answers else None
    if last is None or last.turn != last_turn or not tokenizer.eos or layout.text[last.end :].strip():
        return layout
    answered = layout.text[: last.end]
    if tokenizer.ends_with_special(answered):
        return layout
    ended = AnswerSpan(last.start, last.end + len(tokenizer.eos), last.turn)
    return Layout(answered + tokenizer.eos, [*layout.answers[:-1], ended])


def prepare_text(text: str, tokenizer: Tokenizer, weight: float) -> Prepared:
    """A plain text with BOS, if the tokenizer sets one, and EOS."""
    first = tokenizer.bos if tokenizer.adds_bos and not text.startswith(tokenizer.bos) else ""
    last = "" if tokenizer.eos and text.endswith(tokenizer.eos) else tokenizer.eos
    return Prepared([], Layout(first + text + last, []), PLAIN, weight=weight)


def prepare_sides(
    rows: Sequence[dict[str, Any]],
    names: Sequence[str],
    tokenizer: Tokenizer,
    template: Template,
    train_on: TrainOn,
) -> list[Prepared | UserError]:
    """Every side of every row before it is tokenized, or why there is none."""
    if names == SIDES["text"]:
        return [prepare_text(row["text"], tokenizer, row_weight(row)) for row in rows]
    sides = [(row, *_turns(row, name)) for row in rows for name in names]
    asked = [conversation_of(messages, row.get("tools", ()), first) for row, messages, first in sides]
    prepared: list[Prepared | UserError] = []
    for (row, messages, first), layout in zip(sides, template.lay_out(asked, tokenizer.tokens), strict=True):
        tools, weight = row.get("tools", ()), row_weight(row)
        try:
            prepared.append(prepare_row(layout, messages, tokenizer, template, train_on, tools, first, weight))
        except UserError as error:
            prepared.append(error)
    return prepared


def _turns(row: dict[str, Any], name: str) -> tuple[list[Message], int]:
    """A side's whole conversation, and the message from which on it is learned."""
    if name == "conversation":
        return row["messages"], 0
    return [*row["prompt"], *row[name]], len(row["prompt"])


def row_weight(row: dict[str, Any]) -> float:
    """What a row's metadata says of its weight: a finite number from 0 on, 1 for anything else."""
    weight: Any = (row.get("metadata") or {}).get("weight")
    return float(weight) if type(weight) in (int, float) and 0 <= weight <= sys.float_info.max else 1.0
