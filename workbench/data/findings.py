"""What a person should know about a rendered row before training on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from workbench.data.canonical import Message
from workbench.data.masking import Layout
from workbench.data.tokenizer import Tokenizer

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One finding: `kind` names what it is about in a few words, `text` says it with this row's figures."""

    level: Level
    text: str
    kind: str


class HasTokens(Protocol):
    """The part of a rendered row that is looked at here."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def trained(self) -> list[bool]: ...
    @property
    def kept(self) -> int: ...


def findings_of(
    messages: list[Message],
    layout: Layout,
    rendered: HasTokens,
    tokenizer: Tokenizer,
    max_length: int | None,
    eos_added: bool,
) -> list[Finding]:
    """Everything worth saying about one row, errors first."""
    found = [
        *_training(rendered, layout, max_length),
        *_turn_ends(messages, layout, tokenizer, eos_added),
        *_prompt(messages, layout, tokenizer),
        *_beginning(messages, rendered, tokenizer),
    ]
    order = ("error", "warning", "info")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _training(rendered: HasTokens, layout: Layout, max_length: int | None) -> Iterator[Finding]:
    total, left = sum(rendered.trained), sum(rendered.trained[: rendered.kept])
    missing = [number for number, span in enumerate(layout.spans, start=1) if span is None]
    if missing:
        turns = ", ".join(map(str, missing))
        text = f"Answer {turns} could not be found in what the template made of it; it is not trained on."
        yield Finding("error", text, "answer not found")
    if not layout.spans:
        yield Finding("error", "There is no assistant turn: nothing to train on.", "no answer")
    elif total and not left:
        text = f"The prompt alone fills the {max_length} tokens of the maximum length: nothing left to train on."
        yield Finding("error", text, "prompt fills the maximum length")
    elif left < total:
        text = f"The answer is cut off at {max_length} tokens: {total - left} of {total} are lost, its end with them."
        yield Finding("warning", text, "answer cut off")


def _turn_ends(messages: list[Message], layout: Layout, tokenizer: Tokenizer, eos_added: bool) -> Iterator[Finding]:
    answers = [turn["content"].strip() for turn in messages if turn["role"] == "assistant"]
    open_ended = 0
    for number, (span, content) in enumerate(zip(layout.spans, answers, strict=False)):
        if span is None:
            continue
        closed = eos_added and number == len(answers) - 1
        answer = layout.text[span[0] : span[1]]
        answer = answer.removesuffix(tokenizer.eos) if closed else answer
        if tokenizer.ends_with_special(answer):
            continue
        end = answer[answer.rfind(content) + len(content) :].strip() if content in answer else ""
        if end and tokenizer.backend.token_to_id(end) is None:
            pieces = len(tokenizer.encode([end])[0].ids)
            text = f"The end of turn {end!r} is {pieces} tokens here, not one: the model may not learn to stop."
            yield Finding("warning", text, "end of turn is not one token")
        open_ended += not (end or closed)
    if open_ended:
        text = f"The template ends {open_ended} of the {len(answers)} answers without an end-of-turn token."
        yield Finding("warning", f"{text} The model does not learn to stop there.", "no end-of-turn token")
    if eos_added:
        text = f"The template ends the answer with no token of its own; {tokenizer.eos} was added."
        yield Finding("info", text, "EOS added")


def _prompt(messages: list[Message], layout: Layout, tokenizer: Tokenizer) -> Iterator[Finding]:
    if messages and messages[0]["role"] == "system" and messages[0]["content"].strip() not in layout.text:
        yield Finding("warning", "The template leaves out the system prompt.", "system prompt ignored")
    inside = {match for turn in messages for match in tokenizer.special_pattern.findall(turn["content"])}
    if inside:
        text = (
            f"The messages contain {', '.join(sorted(inside))}, which the model reads as control tokens, not as text."
        )
        yield Finding("warning", text, "control tokens in a message")


def _beginning(messages: list[Message], rendered: HasTokens, tokenizer: Tokenizer) -> Iterator[Finding]:
    if not tokenizer.bos:
        return
    bos = tokenizer.backend.token_to_id(tokenizer.bos)
    if rendered.ids[:2] == [bos, bos]:
        yield Finding("warning", f"The text begins with {tokenizer.bos} twice.", "double BOS")
    elif messages and tokenizer.adds_bos and rendered.ids[:1] != [bos]:
        text = f"The model expects {tokenizer.bos} at the beginning, and the template does not write it."
        yield Finding("warning", text, "no BOS")
