"""Which characters of a rendered conversation each assistant turn wrote, proven by rendering it in other ways.

Runs in the process of `workbench.rendering.template_worker`. A template is asked three things, and none of its words is
looked for:

1. Where it has generation markers ({% generation %} … {% endgeneration %}), they say it.
2. Else the conversation is rendered once more with invisible marks in its turns. Taken out again, they must leave the
   very same text: that proves that they changed nothing, and where every turn's own words stand. What the template
   writes around an answer is told apart by rendering the conversation up to that turn: its generation prompt is the
   part before, what it adds once the answer is there is the end of turn.
3. Where marks change what the template does, the conversation's beginnings must be beginnings of the whole text.

What neither proves is `Unproven`.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from workbench.rendering.template_marks import PLANES, STYLES, Message, Probe, Text, Unproven

Render = Callable[[Sequence[Message], bool], "Text"]
UNIT = re.compile(r"<[^<>\s]{1,60}>|\[[^\[\]\s]{1,60}\]|\w+|.", re.DOTALL)
SWITCH = re.compile(r"(?<!\S)/\w+(?!\S)|</?think(?:ing)?>|\[/?THINK\]|^\s*<[^<>\s]{1,60}>|<[^<>\s]{1,60}>\s*$")
MAX_LITERAL_CHARACTERS, MAX_CACHED_PROOFS = 400, 4096


class Refused(Exception):
    """The template's own error."""


class AnswerSpan(NamedTuple):
    """Characters start to end, written by the assistant in message `turn`."""

    start: int
    end: int
    turn: int


@dataclass
class Splits:
    """What was proven of one template: how the text between two turns is split, by that text and the turns' roles."""

    proven: dict[tuple[str, ...], int] = field(default_factory=dict)

    def get(self, key: tuple[str, ...], prove: Callable[[], int]) -> int:
        if len(key[-1]) > MAX_LITERAL_CHARACTERS:
            return prove()
        if key not in self.proven:
            if len(self.proven) >= MAX_CACHED_PROOFS:
                self.proven.clear()
            self.proven[key] = prove()
        return self.proven[key]


def answer_spans(
    messages: Sequence[Message], whole: Text, has_markers: bool, render: Render, splits: Splits, owners: bool
) -> list[AnswerSpan]:
    """The assistant's spans in `whole`, in order; a turn the template leaves out has none. Raises `Unproven`.

    `owners`: generation markers that enclose as many passages as there are turns are no proof of whose each is.
    """
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    if has_markers:
        return _by_markers(messages, turns, whole, render, owners)
    reasons = []
    for style in STYLES:
        try:
            return _Marked(messages, whole.text, style, render, splits).answers(turns)
        except Unproven as reason:
            reasons.append(str(reason))
    try:
        return _by_beginnings(messages, turns, whole.text, render)
    except Unproven:
        raise Unproven(reasons[0]) from None


def _by_markers(
    messages: Sequence[Message], turns: list[int], whole: Text, render: Render, owners: bool
) -> list[AnswerSpan]:
    """The markers' own spans. Whose they are is told by marks where the template does not mark every turn once."""
    spans = [span for span in whole.marked if span[0] < span[1]]
    if len(turns) <= 1 or not spans:
        return [AnswerSpan(start, end, turns[0]) for start, end in spans if turns]
    if len(spans) == len(turns) and not owners:
        return [AnswerSpan(*span, turn) for span, turn in zip(spans, turns, strict=True)]
    turn_owners = _owners(messages, turns, whole, render)
    if turn_owners is None and owners:
        raise Unproven(
            f"it marks {len(spans)} passages as generated, and whose of {len(turns)} answers they are is open"
        )
    turn_owners = turn_owners or [turns[min(index, len(turns) - 1)] for index in range(len(whole.marked))]
    return [AnswerSpan(*span, turn) for span, turn in zip(whole.marked, turn_owners, strict=True) if span[0] < span[1]]


def _owners(messages: Sequence[Message], turns: list[int], whole: Text, render: Render) -> list[int] | None:
    """The turn of every passage between markers; None where that cannot be told."""
    for style in STYLES:
        probe = Probe(messages, whole.text, style)
        marked = render(probe.messages, False)
        if probe.without(marked.text) == whole.text and len(marked.marked) == len(whole.marked):
            return probe.owners(marked, turns)
    return None


def _by_beginnings(messages: Sequence[Message], turns: list[int], whole: str, render: Render) -> list[AnswerSpan]:
    """The spans of a template that writes every turn in the same way whatever follows it."""
    answers = []
    for turn in turns:
        start = len(_prompt(messages[:turn], whole, render)) if turn else 0
        rendered = render(messages[: turn + 1], False).text.rstrip()
        if not turn or not whole.startswith(rendered) or len(rendered) < start:
            raise Unproven("")
        answers.append(AnswerSpan(start, len(rendered), turn))
    return answers


def _prompt(messages: Sequence[Message], whole: str, render: Render) -> str:
    """The text before an answer to these messages; without generation prompts, what stands before any other answer."""
    asked = render(messages, True).text
    if asked == render(messages, False).text:
        mark = chr(PLANES[0])
        before, separator, _ = render([*messages, {"role": "assistant", "content": mark}], False).text.partition(mark)
        if separator and before[len(asked) :].strip() and whole.startswith(before):
            return before
    if not whole.startswith(asked):
        raise Unproven("")
    return asked


class _Marked:
    """A conversation rendered with marks, and the proof of where its answers begin and end."""

    def __init__(self, messages: Sequence[Message], whole: str, style: str, render: Render, splits: Splits):
        self.probe = Probe(messages, whole, style)
        self.render, self.splits, self.whole = render, splits, whole
        self.text = self._rendered(len(messages), False)
        if self.probe.without(self.text) != whole:
            raise Unproven("what it makes of a turn depends on the turn's own words")
        every = self.probe.marks(self.text)
        self.places = [at for at, _ in every]
        self.marks = self._own_marks(every)
        self.key = (style, *_switches(messages))

    def _own_marks(self, every: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The marks without those of a function's name that stand where its result does, not where it is called."""
        repeated = self.probe.repeated(self.text, every)
        left = {mark: self._until(turn).count(mark) for mark, turn in repeated.items()}
        own = []
        for at, turn in every:
            mark = self.text[at]
            if mark not in left:
                own.append((at, turn))
            elif left[mark]:
                left[mark] -= 1
                own.append((at, turn))
        return own

    def _until(self, turn: int) -> str:
        """The conversation up to an answer and with it."""
        try:
            return self._rendered(turn + 1, False)
        except Refused as error:
            raise Unproven(f"it does not render the conversation up to an answer: {error}") from None

    def answers(self, turns: list[int]) -> list[AnswerSpan]:
        spans = []
        self.numbers = {turn: number for number, turn in enumerate(turns, start=1)}
        for turn in turns:
            own = [index for index, (_, owner) in enumerate(self.marks) if owner == turn]
            if not own and not self.probe.has(turn):
                raise Unproven("an assistant turn has no words in it")
            if own:
                spans.append(self._span(turn, own[0], own[-1]))
        # A mark is no character of the text itself: positions count those before them out.
        places = self.places
        return [
            AnswerSpan(start - bisect_left(places, start), end - bisect_left(places, end), turn)
            for start, end, turn in spans
        ]

    def _span(self, turn: int, first: int, last: int) -> AnswerSpan:
        """The turn's span in the marked text; proven to hold all of its marks and nobody else's."""
        number = self.numbers[turn]
        if any(owner != turn for _, owner in self.marks[first : last + 1]):
            raise Unproven(f"it writes the words of answer {number} in several places, or among those of another turn")
        start, end = self._start(turn, first, number), self._end(turn, last, number)
        following = self.marks[last + 1][0] if last + 1 < len(self.marks) else len(self.text)
        if not start <= self.marks[first][0] < end <= following:
            raise Unproven(f"the words of answer {number} do not stand between its prompt and its end")
        return AnswerSpan(start, end, turn)

    def _start(self, turn: int, first: int, number: int) -> int:
        begin = self.marks[first - 1][0] + 1 if first else 0
        own = self.marks[first][0]
        before = self.probe.messages[self.marks[first - 1][1]]["role"] if first else ""
        key = (*self.key, "start", before, self.text[begin:own])
        return begin + self.splits.get(key, lambda: self._proven_start(turn, begin, own, number))

    def _proven_start(self, turn: int, begin: int, own: int, number: int) -> int:
        """How much of the text from `begin` is the prompt of the answer whose first mark is at `own`."""
        try:
            if not turn:
                raise Refused
            asked_mark, asked = self.probe.tail(self._rendered(turn, True))
            mark, unasked = self.probe.tail(self._rendered(turn, False))
        except Refused:
            return self._after_own_prompt(begin, own, number)
        if asked_mark != mark or (self.text[begin - 1 : begin] if begin else "") != mark:
            raise Unproven(f"what stands before answer {number} is written elsewhere once the answer is there")
        shared = _shared(asked, self.text, begin)
        # A template may end an unfinished conversation with more than the end of its last turn (Phi-3: with EOS).
        closed = unasked[: _shared(unasked, asked, 0)].rstrip()
        if shared < len(closed):
            raise Unproven(f"what stands before answer {number} is written otherwise once the answer is there")
        if asked == unasked and self.text[begin + shared : own].strip():
            return self._after_header(turn, begin, own, shared)
        return shared

    def _after_header(self, turn: int, begin: int, own: int, prompt: int) -> int:
        """As above, for a template without generation prompts: what it writes before an answer of any other words."""
        other, mark = self.probe.another(turn)
        try:
            text = self.render([*self.probe.messages[:turn], other], False).text
        except Refused:
            return own - begin
        before = self.probe.tail(text.split(mark)[0])[1]
        return _shared(before, self.text, begin) if before[prompt:].strip() else prompt

    def _after_own_prompt(self, begin: int, own: int, number: int) -> int:
        """As above, for a turn with nothing to render before it: by the prompt written after the whole."""
        asked = self._rendered(len(self.probe.messages), True)
        prompt = asked[len(self.text) :] if asked.startswith(self.text) else None
        if prompt is None or not self.text.startswith(prompt, own - len(prompt)) or own - len(prompt) < begin:
            raise Unproven(f"there is nothing to tell the beginning of answer {number} by")
        return own - begin

    def _end(self, turn: int, last: int, number: int) -> int:
        begin = self.marks[last][0] + 1
        if turn == len(self.probe.messages) - 1:
            return begin + len(self.text[begin:].rstrip()) if last == len(self.marks) - 1 else begin
        following = self.marks[last + 1] if last + 1 < len(self.marks) else (len(self.text), -1)
        after = self.probe.messages[following[1]]["role"] if following[1] >= 0 else ""
        key = (*self.key, "end", after, self.text[begin : following[0]])
        return begin + self.splits.get(key, lambda: self._proven_end(turn, begin, number))

    def _proven_end(self, turn: int, begin: int, number: int) -> int:
        """How much of the text from `begin`, behind an answer's last mark, ends the answer."""
        mark, ending = self.probe.tail(self._until(turn))
        if mark != self.text[begin - 1]:
            raise Unproven(f"the words of answer {number} stand in another order when more follows")
        shared = _shared(ending.rstrip(), self.text, begin)
        if shared == len(ending.rstrip()):
            return shared
        return self._end_before_more(turn, begin) or len(ending[:shared].rstrip())

    def _end_before_more(self, turn: int, begin: int) -> int:
        """As above, for a template that ends the last answer in another way: by what stands before a prompt.

        That is the text up to the answer with a generation prompt, less that prompt. 0 where it does not fit.
        """
        try:
            mark, ending = self.probe.tail(self._rendered(turn + 1, True))
            asked, unasked = (self.probe.tail(self._rendered(turn, prompt))[1] for prompt in (True, False))
        except Refused:
            return 0
        prompt = asked[_shared(unasked, asked, 0) :]
        closed = ending.removesuffix(prompt).rstrip()
        fits = prompt and mark == self.text[begin - 1] and ending.endswith(prompt)
        return len(closed) if fits and self.text.startswith(closed, begin) else 0

    def _rendered(self, count: int, asked: bool) -> str:
        return self.render(self.probe.messages[:count], asked).text


def _switches(messages: Sequence[Message]) -> list[str]:
    """What a template may look at to write a prompt otherwise: a short system prompt, and marks such as /no_think.

    What was proven holds for conversations with the same ones only.
    """
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    contents = (message["content"] for message in messages)
    marked = (text for text in contents if "/" in text or "<" in text or "[" in text)
    switches = {mark.strip() for text in marked for mark in SWITCH.findall(text)}
    return [system if len(system) <= MAX_LITERAL_CHARACTERS else "", *sorted(switches)]


def _shared(tail: str, text: str, at: int) -> int:
    """How many characters two texts begin with alike, whole words and control tokens only."""
    if text.startswith(tail, at):
        return len(tail)
    other = text[at : at + len(tail) + 61]
    length = next(
        (index for index, pair in enumerate(zip(tail, other, strict=False)) if pair[0] != pair[1]), len(other)
    )
    ends = [{unit.end() for unit in UNIT.finditer(candidate)} for candidate in (tail, other)]
    return max((end for end in ends[0] & ends[1] if end <= length), default=0)
