"""What a person should know about a rendered row before training on it."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from workbench.rendering.masking import turn_weight
from workbench.rendering.templates import Layout, Template, Tools
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.canonical import Message

THOUGHT_START, THOUGHT_END = re.compile(r"<think(?:ing)?>"), re.compile(r"</think(?:ing)?>")
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

    `eos_added` says that the EOS token after the last answer is ours; messages before `first` belong to a prompt and
    are not trained on; `asked` means the text ends where an answer begins; `weight` is the row's.
    """

    messages: list[Message]
    layout: Layout
    template: Template
    tools: Tools = ()
    eos_added: bool = False
    first: int = 0
    asked: bool = False
    weight: float = 1.0

    @functools.cached_property
    def answers(self) -> dict[int, str]:
        """What stands in the spans of every assistant turn that the template writes, by its place in the messages."""
        texts: dict[int, str] = {}
        for start, end, turn in self.layout.answers:
            texts[turn] = texts.get(turn, "") + self.layout.text[start:end]
        return texts


class HasTokens(Protocol):
    """The part of a rendered row that is looked at here."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def trained_total(self) -> int: ...
    @property
    def retained_trained(self) -> int: ...
    @property
    def retained(self) -> int: ...


def findings_of(prepared: Prepared, rendered: HasTokens, tokenizer: Tokenizer, max_length: int | None) -> list[Finding]:
    """Everything worth saying about one row, errors first."""
    findings = [
        *_training(prepared, rendered, max_length),
        *_turn_ends(prepared, tokenizer),
        *_left_out(prepared),
        *_thoughts(prepared),
        *_control_tokens(prepared, tokenizer),
        *_beginning(prepared, rendered, tokenizer),
    ]
    order = ("error", "warning", "info")
    return sorted(findings, key=lambda finding: order.index(finding.level))


def _training(prepared: Prepared, rendered: HasTokens, max_length: int | None) -> Iterator[Finding]:
    total, left = rendered.trained_total, rendered.retained_trained
    turns = [number for number, turn in enumerate(prepared.messages) if turn["role"] == "assistant"]
    missing = [number for number, turn in enumerate(turns, start=1) if turn not in prepared.answers]
    if prepared.asked:
        if rendered.retained < len(rendered.ids):
            yield Finding("warning", f"The prompt is longer than {max_length} tokens.", "prompt cut off")
        return
    if missing and not prepared.layout.unproven:
        text = f"The template leaves out answer {', '.join(map(str, missing))}: not trained on."
        yield Finding("error" if len(missing) == len(turns) else "warning", text, "answer left out")
    if prepared.messages and not turns:
        yield Finding("error", "There is no assistant turn: nothing to train on.", "no answer")
    elif not total and len(missing) < len(turns):
        yield Finding("error", _weightless(prepared), "nothing trained on")
    elif total and not left:
        text = f"The prompt alone fills the {max_length} tokens of the maximum length: nothing left to train on."
        yield Finding("error", text, "prompt fills the maximum length")
    elif left < total:
        text = f"The answer is cut off at {max_length} tokens: {total - left} of {total} are lost, its end with them."
        yield Finding("warning", text, "answer cut off")


def _weightless(prepared: Prepared) -> str:
    """Why nothing is learnt although there are answers in the text."""
    if not prepared.weight:
        return "The row's weight is 0: nothing to train on."
    learnt = [turn for turn in prepared.answers if turn >= prepared.first]
    if learnt and not any(turn_weight(prepared.messages[turn]) for turn in learnt):
        return "The weight of every answer is 0: nothing to train on."
    return "The template writes empty answers: nothing to train on."


def _turn_ends(prepared: Prepared, tokenizer: Tokenizer) -> Iterator[Finding]:
    layout, answers = prepared.layout, prepared.answers
    ends = {turn: end for _, end, turn in layout.answers}
    open_ended = masked = 0
    for turn, answer in answers.items():
        closed = prepared.eos_added and turn == len(prepared.messages) - 1
        answer_text = (answer.removesuffix(tokenizer.eos) if closed else answer).rstrip()
        if tokenizer.ends_with_special(answer_text):
            continue
        if tokenizer.eos and layout.text[ends[turn] :].lstrip().startswith(tokenizer.eos):
            masked += 1
            continue
        end = _after_words(answer_text, prepared.messages[turn])
        if end and tokenizer.backend.token_to_id(end) is None:
            pieces = len(tokenizer.encode([end])[0].ids)
            text = f"The end of turn {end!r} is {pieces} tokens here, not one: the model may not learn to stop."
            yield Finding("warning", text, "end of turn is not one token")
        open_ended += not (end or closed)
    if masked:
        text = f"{tokenizer.eos} after {masked} of the {len(answers)} answers is not trained on."
        yield Finding("warning", f"{text} The model does not learn to stop there.", "end-of-turn token not trained")
    if open_ended:
        text = f"The template ends {open_ended} of the {len(answers)} answers without an end-of-turn token."
        yield Finding("warning", f"{text} The model does not learn to stop there.", "no end-of-turn token")
    if prepared.eos_added:
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
    if not calls and not prepared.tools:
        return
    answers, context = _parted(prepared.layout)
    if any(name not in answers for name in calls):
        yield Finding("warning", "The template leaves out the answers' tool calls.", "tool calls ignored")
    spoken = [turn for turn in messages if turn.get("tool_calls") and not _written(turn["content"], text)]
    if spoken:
        yield Finding("warning", "The template leaves out what is said beside a tool call.", "words beside a tool call")
    if any(tool["function"]["name"] not in context for tool in prepared.tools):
        yield Finding("warning", "The template leaves out the tools.", "tools ignored")


def _thoughts(prepared: Prepared) -> Iterator[Finding]:
    """Thoughts the template takes out; those of a prompt's own answers are not to be learnt anyway."""
    lost = [
        number
        for number, (turn, message) in enumerate(_assistant_turns(prepared), start=1)
        if turn >= prepared.first
        and turn in prepared.answers
        and not all(_written(thought, prepared.layout.text) for thought in thoughts(message))
    ]
    if lost:
        text = f"The template leaves out the thought of answer {', '.join(map(str, lost))}: it is not trained on."
        yield Finding("warning", text, "thoughts left out")


def thoughts(message: Message) -> list[str]:
    """What an assistant turn thinks before it answers: a field of its own, or what stands before </think>."""
    *before, _ = THOUGHT_END.split(message["content"])
    inside = [THOUGHT_START.split(words)[-1] for words in before]
    return [words for words in (message.get("reasoning_content", ""), *inside) if words.strip()]


def _assistant_turns(prepared: Prepared) -> Iterator[tuple[int, Message]]:
    return ((turn, message) for turn, message in enumerate(prepared.messages) if message["role"] == "assistant")


def _parted(layout: Layout) -> tuple[str, str]:
    """The text of the answers, and the text around them."""
    starts = [0, *(answer.end for answer in layout.answers)]
    ends = [*(answer.start for answer in layout.answers), len(layout.text)]
    around = [layout.text[start:end] for start, end in zip(starts, ends, strict=True)]
    return "\n".join(layout.text[start:end] for start, end, _ in layout.answers), "\n".join(around)


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
