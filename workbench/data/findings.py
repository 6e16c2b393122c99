"""What a person should know about a rendered row before training on it."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from workbench.data.canonical import Message
from workbench.data.masking import Layout
from workbench.data.templates import Template, Tools
from workbench.data.tokenizer import Tokenizer

Level = Literal["error", "warning", "info"]
MARKER = re.compile(r"<\|[^|<>\s'\"]{1,40}\|>|\[/?[A-Z_]{3,20}\]|<(?:start|end)_of_turn>|</?s>|<[be]os>")


@dataclass(frozen=True)
class Finding:
    """One finding: `kind` names what it is about in a few words, `text` says it with this row's figures."""

    level: Level
    text: str
    kind: str


@dataclass(frozen=True)
class Prepared:
    """A row before it is tokenized: text with its answers, and what it was made from.

    `eos_added` says that the EOS token after the last answer is ours; `context` is the number of answers at the
    beginning that belong to a prompt and are not trained on; `asked` means the text ends where an answer begins.
    """

    messages: list[Message]
    layout: Layout
    template: Template
    tools: Tools = ()
    eos_added: bool = False
    context: int = 0
    asked: bool = False


class HasTokens(Protocol):
    """The part of a rendered row that is looked at here."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def trained(self) -> list[bool]: ...
    @property
    def kept(self) -> int: ...


def findings_of(prepared: Prepared, rendered: HasTokens, tokenizer: Tokenizer, max_length: int | None) -> list[Finding]:
    """Everything worth saying about one row, errors first."""
    found = [
        *_training(prepared, rendered, max_length),
        *_turn_ends(prepared, tokenizer),
        *_left_out(prepared),
        *_control_tokens(prepared, tokenizer),
        *_beginning(prepared, rendered, tokenizer),
    ]
    order = ("error", "warning", "info")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _training(prepared: Prepared, rendered: HasTokens, max_length: int | None) -> Iterator[Finding]:
    total, left = sum(rendered.trained), sum(rendered.trained[: rendered.kept])
    spans = prepared.layout.spans
    missing = [number for number, span in enumerate(spans, start=1) if span is None]
    if missing:
        turns = ", ".join(map(str, missing))
        text = f"Answer {turns} could not be found in what the template made of it; it is not trained on."
        yield Finding("error", text, "answer not found")
    if prepared.asked:
        if rendered.kept < len(rendered.ids):
            yield Finding("warning", f"The prompt is longer than {max_length} tokens.", "prompt cut off")
    elif not spans:
        yield Finding("error", "There is no assistant turn: nothing to train on.", "no answer")
    elif not total and not missing:
        yield Finding("error", "The template writes empty answers: nothing to train on.", "nothing trained on")
    elif total and not left:
        text = f"The prompt alone fills the {max_length} tokens of the maximum length: nothing left to train on."
        yield Finding("error", text, "prompt fills the maximum length")
    elif left < total:
        text = f"The answer is cut off at {max_length} tokens: {total - left} of {total} are lost, its end with them."
        yield Finding("warning", text, "answer cut off")


def _turn_ends(prepared: Prepared, tokenizer: Tokenizer) -> Iterator[Finding]:
    layout, eos_added = prepared.layout, prepared.eos_added
    turns = [turn for turn in prepared.messages if turn["role"] == "assistant"]
    open_ended = masked = 0
    for number, (span, turn) in enumerate(zip(layout.spans, turns, strict=False)):
        if span is None:
            continue
        closed = eos_added and number == len(turns) - 1
        answer = layout.text[span[0] : span[1]]
        answer = answer.removesuffix(tokenizer.eos) if closed else answer
        if tokenizer.ends_with_special(answer):
            continue
        if tokenizer.eos and layout.text[span[1] :].lstrip().startswith(tokenizer.eos):
            masked += 1
            continue
        end = _after_words(answer, turn)
        if end and tokenizer.backend.token_to_id(end) is None:
            pieces = len(tokenizer.encode([end])[0].ids)
            text = f"The end of turn {end!r} is {pieces} tokens here, not one: the model may not learn to stop."
            yield Finding("warning", text, "end of turn is not one token")
        open_ended += not (end or closed)
    if masked:
        text = f"{tokenizer.eos} after {masked} of the {len(turns)} answers is not trained on."
        yield Finding("warning", f"{text} The model does not learn to stop there.", "end-of-turn token not trained")
    if open_ended:
        text = f"The template ends {open_ended} of the {len(turns)} answers without an end-of-turn token."
        yield Finding("warning", f"{text} The model does not learn to stop there.", "no end-of-turn token")
    if eos_added:
        text = f"The template ends the answer with no token of its own; {tokenizer.eos} was added."
        yield Finding("info", text, "EOS added")


def _after_words(answer: str, turn: Message) -> str:
    """What stands after an answer's own words; after its last tool call, the words after the last brace."""
    words = "}" if turn.get("tool_calls") else turn["content"].strip()
    return answer[answer.rfind(words) + len(words) :].strip() if words in answer else ""


def _left_out(prepared: Prepared) -> Iterator[Finding]:
    """What the row has and the template does not write."""
    messages, text = prepared.messages, prepared.layout.text
    if messages and messages[0]["role"] == "system" and not _written(messages[0]["content"], text):
        yield Finding("warning", "The template leaves out the system prompt.", "system prompt ignored")
    for role in ("user", "tool"):
        lost = [turn for turn in messages if turn["role"] == role and not _written(turn["content"], text)]
        if lost:
            yield Finding("warning", f"The template leaves out {len(lost)} {role} turns.", f"{role} turns ignored")
    calls = [call["function"]["name"] for turn in messages for call in turn.get("tool_calls", [])]
    answers, context = _parted(prepared.layout)
    if any(name not in answers for name in calls):
        yield Finding("warning", "The template leaves out the answers' tool calls.", "tool calls ignored")
    spoken = [turn for turn in messages if turn.get("tool_calls") and not _written(turn["content"], text)]
    if spoken:
        yield Finding("warning", "The template leaves out what is said beside a tool call.", "words beside a tool call")
    if any(tool["function"]["name"] not in context for tool in prepared.tools):
        yield Finding("warning", "The template leaves out the tools.", "tools ignored")


def _parted(layout: Layout) -> tuple[str, str]:
    """The text of the answers, and the text around them."""
    spans = [span for span in layout.spans if span]
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(layout.text)]
    around = [layout.text[start:end] for start, end in zip(starts, ends, strict=True)]
    return "\n".join(layout.text[start:end] for start, end in spans), "\n".join(around)


def _written(words: str, text: str) -> bool:
    """Whether these words stand in the text, as they are or as JSON."""
    return words.strip() in text or json.dumps(words.strip(), ensure_ascii=False)[1:-1] in text


def _control_tokens(prepared: Prepared, tokenizer: Tokenizer) -> Iterator[Finding]:
    inside = {match for turn in prepared.messages for match in tokenizer.special_pattern.findall(turn["content"])}
    if inside:
        text = (
            f"The messages contain {', '.join(sorted(inside))}, which the model reads as control tokens, not as text."
        )
        yield Finding("warning", text, "control tokens in a message")
    unknown = [
        marker
        for marker in _markers(prepared.template.text)
        if tokenizer.backend.token_to_id(marker) is None and marker in prepared.layout.text
    ]
    if unknown:
        level: Level = "info" if prepared.template.name == "model" else "warning"
        text = f"{', '.join(unknown)} of the template: each is several tokens for this model, not one."
        yield Finding(level, text, "template tokens are several tokens")


@functools.lru_cache(maxsize=32)
def _markers(template: str) -> list[str]:
    """What looks like a control token in a template; role marks put together by it count with the usual roles."""
    joined = [f"<|{role}|>" for role in ("system", "user", "assistant") if "'<|' + message" in template]
    return sorted({*MARKER.findall(template), *joined})


def _beginning(prepared: Prepared, rendered: HasTokens, tokenizer: Tokenizer) -> Iterator[Finding]:
    if not tokenizer.bos:
        return
    bos = tokenizer.backend.token_to_id(tokenizer.bos)
    if rendered.ids[:2] == [bos, bos]:
        yield Finding("warning", f"The text begins with {tokenizer.bos} twice.", "double BOS")
    elif prepared.messages and tokenizer.adds_bos and rendered.ids[:1] != [bos]:
        text = f"The model expects {tokenizer.bos} at the beginning, and the template does not write it."
        yield Finding("warning", text, "no BOS")
