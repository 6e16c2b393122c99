"""A conversation with invisible marks in its turns, by which a template's output tells whose words stand where."""

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Message = dict[str, Any]
PLANES = (0xF0000, 0x100000)  # private use: no text has a meaning for these characters
MARKS = 0xFFFD
THOUGHT = re.compile(r"(</?think(?:ing)?>|\[/?THINK\])")
THOUGHTS = ("reasoning_content", "thinking")
STYLES = NAMED, UNNAMED, ENDS = "with functions' names", "without", "only at ends"


class Unproven(Exception):
    """Why it cannot be told which part of the text is the assistant's."""


class Text(NamedTuple):
    """A rendering, with the characters its generation markers enclose."""

    text: str
    marked: list[tuple[int, int]]


class Probe:
    """A copy of a conversation with marks: single private-use characters, each belonging to one turn."""

    def __init__(self, messages: Sequence[Message], whole: str, style: str):
        self._base, self._pattern = _free_plane(whole)
        self._style = style
        self._owner: list[int] = []
        self._names: set[str] = set()
        self.messages = [self._copy(message, turn) for turn, message in enumerate(messages)]

    def without(self, text: str) -> str:
        return self._pattern.sub("", text)

    def marks(self, text: str) -> list[tuple[int, int]]:
        """(position, turn) of every mark."""
        places = [match.start() for match in self._pattern.finditer(text)]
        numbers = [ord(text[at]) - self._base for at in places]
        if numbers and max(numbers) >= len(self._owner):
            raise Unproven("it writes private-use characters of its own")
        return [(at, self._owner[number]) for at, number in zip(places, numbers, strict=True)]

    def repeated(self, text: str, marks: list[tuple[int, int]]) -> dict[str, int]:
        """The marks written more than once, with their turn. Raises `Unproven` unless they are of functions' names."""
        counted = Counter(text[at] for at, _ in marks) if len({text[at] for at, _ in marks}) < len(marks) else {}
        several = {mark: self._owner[ord(mark) - self._base] for mark, count in counted.items() if count > 1}
        if several.keys() - self._names:
            raise Unproven("it writes some words of a turn twice")
        return several

    def has(self, turn: int) -> bool:
        """Whether this turn got a mark at all."""
        return turn in self._owner

    def tail(self, text: str) -> tuple[str, str]:
        """The last mark ('' for none) and what follows it."""
        *before, after = self._pattern.split(text)
        return (text[-len(after) - 1 :][:1] if before else ""), after

    def another(self, turn: int) -> tuple[Message, str]:
        """Another answer in this turn's place, nothing but a mark; and the mark."""
        mark = self._mark(turn)
        return {"role": "assistant", "content": mark}, mark

    def owners(self, marked: Text, turns: list[int]) -> list[int] | None:
        """The turn of every generated passage, by the marks in it or before it; None if one holds several turns."""
        marks = self.marks(marked.text)
        inside = [{turn for at, turn in marks if start <= at < end} for start, end in marked.marked]
        if any(len(turns_inside) > 1 for turns_inside in inside):
            return None
        if len(inside) == len(turns) and all(
            turns_inside <= {turn} for turns_inside, turn in zip(inside, turns, strict=True)
        ):
            return turns
        owners: list[int] = []
        for turns_inside in inside:
            if not (turns_inside or owners):
                return None
            owners.append(turns_inside.pop() if turns_inside else owners[-1])
        return owners

    def _mark(self, turn: int) -> str:
        self._owner.append(turn)
        if len(self._owner) > MARKS:
            raise Unproven("it has too many turns")
        return chr(self._base + len(self._owner) - 1)

    def _copy(self, message: Message, turn: int) -> Message:
        copy = {**message, "content": self._text(message["content"], turn, message["role"] == "assistant")}
        if len(copy) == 2:
            return copy
        copy |= {key: self._text(message[key], turn, True) for key in THOUGHTS if message.get(key)}
        if message.get("tool_calls"):
            copy["tool_calls"] = [self._call(call, turn) for call in message["tool_calls"]]
        return copy

    def _call(self, call: dict[str, Any], turn: int) -> dict[str, Any]:
        function = call["function"]
        arguments = self._arguments(function["arguments"], turn)
        name = function["name"]
        if self._style == NAMED:
            self._names.add(mark := self._mark(turn))
            name += mark
        return {**call, "function": {**function, "name": name, "arguments": arguments}}

    def _arguments(self, arguments: Any, turn: int) -> Any:
        """Marks at the end of texts among the arguments, or of the arguments as JSON text."""
        if isinstance(arguments, str):
            return arguments + self._mark(turn)
        return {
            key: value + self._mark(turn) if isinstance(value, str) and value else value
            for key, value in arguments.items()
        }

    def _text(self, text: str, turn: int, answer: bool) -> str:
        """Marks around the words, in an answer around a thought and around the words after it; or only at the end.

        There is none before a tag such as <think>, which a prompt may write.
        """
        if not isinstance(text, str) or not text.strip():
            return text
        if self._style != ENDS:
            pieces = THOUGHT.split(text) if answer and ("think" in text or "THINK" in text) else [text]
            if any(piece.strip() for piece in pieces[::2]):
                return "".join(self._marked(pieces, turn))
        end = len(text.rstrip())
        return f"{text[:end]}{self._mark(turn)}{text[end:]}"

    def _marked(self, pieces: list[str], turn: int) -> Iterator[str]:
        """Words with a mark on either side; every second piece is a tag."""
        for index, piece in enumerate(pieces):
            words = piece.strip()
            if index % 2 or not words:
                yield piece
            else:
                before = len(piece) - len(piece.lstrip())
                yield piece[:before] + self._mark(turn) + words + self._mark(turn) + piece[before + len(words) :]


def _free_plane(text: str) -> tuple[int, re.Pattern[str]]:
    """The first character of a private-use plane that the text does not use, and a pattern for the plane."""
    for base in PLANES:
        pattern = _plane(base)
        if text.isascii() or not pattern.search(text):
            return base, pattern
    raise Unproven("its text uses all of Unicode's private planes")


@functools.cache
def _plane(base: int) -> re.Pattern[str]:
    return re.compile(f"[{chr(base)}-{chr(base + MARKS)}]")
