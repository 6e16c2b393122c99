"""Where the assistant's answers lie in a rendered conversation: the characters, and so the tokens, to train on."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.data.canonical import Message
from workbench.data.templates import Cut, Template, Tools
from workbench.data.tokenizer import Tokenizer
from workbench.errors import UserError

Span = tuple[int, int]
MARK = "\u2063answer\u2063"
THOUGHT = re.compile(r"</think(?:ing)?>")


@dataclass(frozen=True)
class Layout:
    """A rendered text with one span of characters for every assistant turn, None where it was not found."""

    text: str
    spans: list[Span | None]


def lay_out(messages: Sequence[Message], tokenizer: Tokenizer, template: Template, tools: Tools = ()) -> Layout:
    """Renders the conversation and finds its answers, each with its end-of-turn token. Raises `UserError`.

    An answer is what the text has gained between the prompt for it (`add_generation_prompt`) and the turn itself.
    A template without such a prompt, or one that rewrites earlier turns, is rendered again with a mark in the
    answer's place; where that does not tell either, the answer's own words are looked for in order. The answers'
    tool calls belong to them; what a tool said does not.
    """
    search = _search(messages, tokenizer, template, tools)
    spans: list[Span | None] = []
    cursor = 0
    for index, turn in enumerate(messages):
        span = None
        if turn["role"] == "assistant":
            span = search.calling(index, cursor) if turn.get("tool_calls") else search.answering(index, cursor)
            spans.append(span)
        cursor = max(cursor, span[1] if span else search.passed(index, cursor))
    return Layout(search.whole, spans)


@dataclass(frozen=True)
class _Search:
    """The whole text, the texts of the conversation's beginnings, and the three ways to find an answer in it."""

    messages: Sequence[Message]
    tokenizer: Tokenizer
    template: Template
    tools: Tools
    whole: str
    texts: dict[Cut, str]

    def answering(self, index: int, cursor: int) -> Span | None:
        """Where a turn of words alone lies."""
        return self.gained(index) or self.marked(index) or self.located(index, cursor)

    def calling(self, index: int, cursor: int) -> Span | None:
        """Where a turn with tool calls lies: what it adds to the text before it, there or further down.

        Templates that put the tools at the last question write the earlier turns elsewhere in the whole text. Where
        the calls are left out, only the words beside them are looked for.
        """
        before, after = self.texts.get((index, False), ""), self.texts.get((index + 1, False), "")
        turn = after[len(before) :].rstrip() if after.startswith(before) else ""
        names = [call["function"]["name"] for call in self.messages[index]["tool_calls"]]
        header = self._shared_header(index, turn)
        if not all(name in turn[len(header) :] for name in names):
            return self.located(index, cursor)
        first = len(before) if self.whole.startswith(before) else cursor
        for words, skipped in ((turn, len(header)), (THOUGHT.split(turn)[-1].strip(), 0)):
            at = self.whole.find(words, first)
            if at >= 0:
                return at + skipped, at + len(words)
        return self.located(index, cursor)

    def passed(self, index: int, cursor: int) -> int:
        """Where this turn's words end; -1 where they are not found, or stand behind what follows them."""
        end = _after(self.whole, self.messages[index]["content"].strip(), cursor)
        following = _words(self.messages[index + 1]["content"]) if index + 1 < len(self.messages) else ("",)
        return end if end < 0 or any(self.whole.find(words, end) >= 0 for words in following) else -1

    def gained(self, index: int) -> Span | None:
        """What the turn adds after its generation prompt; None when there is no such prompt or it does not fit."""
        asked, after = self.texts.get((index, True)), self.texts.get((index + 1, False))
        if asked is None or after is None or not self._header(index).strip():
            return None
        fits = self.whole.startswith(asked) and self.whole.startswith(after)
        if not fits or self.messages[index]["content"].strip() not in after[len(asked) :]:
            return None
        return len(asked), len(after.rstrip())

    def marked(self, index: int) -> Span | None:
        """Where the answer begins, told by a mark rendered in its place; None when the text before it differs."""
        marked = [*self.messages[:index], {"role": "assistant", "content": MARK}]
        (text,) = self.template.render_cuts(marked, [(index + 1, False)], self.tokenizer.tokens, self.tools)
        start = text.find(MARK) if isinstance(text, str) else -1
        if isinstance(text, UserError) or start < 0 or text[:start] != self.whole[:start]:
            return None
        ending = text[start + len(MARK) :].rstrip()
        for words in _words(self.messages[index]["content"]):
            first = self.whole.find(words, start) if words else -1
            if first >= 0 and not self.whole[start:first].strip():
                end = first + len(words)
                closed = end + len(ending) if self.whole.startswith(ending, end) else self._with_end(end)
                return self._with_blank(index, start), closed
        return None

    def located(self, index: int, cursor: int) -> Span | None:
        """The answer's words after the cursor (and after its header), with the end-of-turn token that follows."""
        after_header = _after(self.whole, self._header(index).strip(), cursor)
        for first in (max(after_header, cursor), cursor):
            for words in _words(self.messages[index]["content"]):
                at = self.whole.find(words, first) if words else -1
                if at >= 0:
                    return at, self._with_end(at + len(words))
        return None

    def _header(self, index: int) -> str:
        """The generation prompt before this turn; '' when the template writes none."""
        before, asked = self.texts.get((index, False), ""), self.texts.get((index, True), "")
        return asked[len(before) :] if asked.startswith(before) else ""

    def _shared_header(self, index: int, turn: str) -> str:
        """What a turn's text begins with of its generation prompt, by whole lines where it goes on otherwise."""
        header = self._header(index)
        if turn.startswith(header):
            return header
        lines = zip(header.splitlines(True), turn.splitlines(True), strict=False)
        return "".join(line for line, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], lines))

    def _with_blank(self, index: int, start: int) -> int:
        """The start moved back over a blank between prompt and answer: that is the model's to write."""
        asked = self.texts.get((index, True), "")
        blank = asked and self.whole.startswith(asked) and not self.whole[len(asked) : start].strip()
        return len(asked) if blank else start

    def _with_end(self, end: int) -> int:
        """The end moved behind the control token that follows it, if one does."""
        rest = self.whole[end:]
        match = self.tokenizer.special_pattern.match(self.whole, end + len(rest) - len(rest.lstrip()))
        return match.end() if match else end


def _search(messages: Sequence[Message], tokenizer: Tokenizer, template: Template, tools: Tools) -> _Search:
    turns = [index for index, turn in enumerate(messages) if turn["role"] == "assistant"]
    cuts: list[Cut] = [(len(messages), False)]
    cuts += [cut for index in turns for cut in ((index, True), (index, False), (index + 1, False)) if cut[0]]
    texts = dict(zip(cuts, template.render_cuts(messages, cuts, tokenizer.tokens, tools), strict=True))
    whole = texts[(len(messages), False)]
    if isinstance(whole, UserError):
        raise whole
    readable = {cut: text for cut, text in texts.items() if isinstance(text, str)}
    return _Search(messages, tokenizer, template, tools, whole, readable)


def _words(content: str) -> tuple[str, str]:
    """The answer as it is, and as templates leave it that take earlier thoughts away."""
    return content.strip(), THOUGHT.split(content)[-1].strip()


def _after(text: str, words: str, cursor: int) -> int:
    """Where these words end, looked for after the cursor; -1 when they are not there."""
    at = text.find(words, cursor) if words else -1
    return at + len(words) if at >= 0 else -1


def token_mask(text: str, offsets: Sequence[Span], spans: Sequence[Span]) -> list[bool]:
    """For every token (its characters, in order), whether it belongs to one of the spans.

    A token that begins before a span counts only if what it has before is blank: the leading space of a word.
    """
    mask = np.zeros(len(offsets), dtype=bool)
    starts = np.fromiter((start for start, _ in offsets), dtype=np.int64, count=len(offsets))
    for first, last in spans:
        low, high = np.searchsorted(starts, (first, last))
        mask[low:high] = True
        if low and offsets[low - 1][1] > first:
            begin, end = offsets[low - 1]
            mask[low - 1] |= text[begin:first].isspace() and bool(text[first:end].strip())
    return [bool(value) for value in mask]
