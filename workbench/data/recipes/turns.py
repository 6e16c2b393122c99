"""The texts of single turns as one array, and rows with some of their turns written anew: what steps look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.data.recipes.step import Outcome, Row, StepWork, Verdict
from workbench.data.text.shingles import UNSPACED, blocks
from workbench.rows.canonical import check_row
from workbench.rows.split_rows import SPLIT_ROLES, Rows
from workbench.rows.table import rows_of
from workbench.rows.turn_text import (
    CALLS,
    THOUGHT,
    TOOLS,
    argument_keys,
    call_pieces,
    changed_calls,
    changed_tools,
    function_names,
    pieces_of_json,
    tool_pieces,
)

TextScope = Literal["all", "prompt", "user", "assistant", "system", "answer"]
Find = Callable[[pa.Array], dict[int, list[str]]]
SLICE_ROWS = 20_000
ANSWERS = {"preference": ("chosen",), "unpaired": ("completion",), "conversation": ("messages",), "prompts": ()}
TURN_COLUMNS = ("messages", "prompt", "chosen", "rejected", "completion")
OF_TOOLS = ("all", "prompt", "system")
"""The parts that the definitions of tools belong to: chat templates write them before the conversation."""


@dataclass(frozen=True)
class TurnTexts:
    """texts: (pieces,) strings. rows: (pieces,) the position of the row each belongs to."""

    texts: pa.Array
    rows: NDArray[np.int64]


def turn_texts(rows: Rows, scope: TextScope, calls: bool = True, keys: bool = False) -> TurnTexts:
    """What all turns of a part say, piece by piece; 'answer' is the assistant's, of a pair only the chosen side.

    Pieces are contents and thoughts and, with `calls`, the names, texts and numbers in tool calls and in the
    definitions of tools, with `keys` also the keys of arguments. A plain text is one turn, its own answer.
    """
    if rows.kind == "text":
        texts = in_one_piece(rows.table.column("text"))
        count = len(texts) if scope in ("all", "assistant", "answer") else 0
        return TurnTexts(texts.slice(0, count), np.arange(count))
    columns, roles = _where(rows.kind, rows.columns, scope)
    pieces = _pieces_and_keys if keys else call_pieces
    of_calls = pieces if calls else None
    flattened = [piece for name in columns for piece in _flat(in_one_piece(rows.table.column(name)), roles, of_calls)]
    if calls and scope in OF_TOOLS and TOOLS in rows.columns:
        texts, owners = pieces_of_json(in_one_piece(rows.table.column(TOOLS)), tool_pieces)
        flattened.append((pa.array(texts, pa.string()), np.array(owners, np.int64)))
    if not flattened:
        return TurnTexts(pa.array([], pa.string()), np.arange(0))
    return TurnTexts(
        pa.concat_arrays([texts for texts, _ in flattened]), np.concatenate([owners for _, owners in flattened])
    )


def called_functions(rows: Rows, scope: TextScope) -> list[tuple[tuple[str, str], ...]]:
    """(rows,) the (column, function) of every tool call of a part, in their order."""
    calls_by_row: list[list[tuple[str, str]]] = [[] for _ in range(len(rows))]
    columns, roles = ([], None) if rows.kind == "text" else _where(rows.kind, rows.columns, scope)
    for column in columns:
        turns, owners = _turns(in_one_piece(rows.table.column(column)), roles)
        if CALLS in {field.name for field in turns.type}:
            functions, places = pieces_of_json(turns.field(CALLS), function_names)
            for function, owner in zip(functions, owners[np.array(places, np.int64)].tolist(), strict=True):
                calls_by_row[owner].append((column, function))
    return [tuple(calls) for calls in calls_by_row]


def edited(
    kind: str, row: Row, scope: TextScope, change: Callable[[str], str], calls: bool = True, keys: bool = False
) -> Row:
    """The row with every piece of a part that `turn_texts` gives replaced by change(text).

    Empty contents beside tool calls stay, and so do the names of functions and the structure of their schemas.
    """
    if kind == "text":
        return {**row, "text": change(row["text"])} if scope in ("all", "assistant", "answer") else row
    columns, roles = _where(kind, list(row), scope)
    new_row = dict(row)
    for name in columns:
        wanted = (roles is None or turn["role"] in roles for turn in row[name])
        new_row[name] = [
            _edited(turn, change, calls, keys) if is_wanted else turn
            for turn, is_wanted in zip(row[name], wanted, strict=True)
        ]
    if calls and scope in OF_TOOLS and TOOLS in row:
        new_row[TOOLS] = changed_tools(row[TOOLS], change)
    return new_row


def _edited(turn: Row, change: Callable[[str], str], calls: bool, keys: bool) -> Row:
    new_turn = {**turn, "content": change(turn["content"])} if turn["content"] else dict(turn)
    if thought := turn.get(THOUGHT):
        new_turn[THOUGHT] = change(thought)
    if calls and CALLS in turn:
        new_turn[CALLS] = changed_calls(turn[CALLS], change, keys)
    return new_turn


def answer_texts(rows: Rows) -> pa.ChunkedArray:
    """(rows,) the answer of every row: the assistant's turns, of a pair the chosen side, a plain text itself."""
    if rows.kind in ("preference", "unpaired"):
        rows = Rows("conversation", pa.table({"messages": rows.table.column(ANSWERS[rows.kind][0])}))
    return rows.texts("assistant")


def slices(rows: Rows, work: StepWork, title: str) -> Iterator[tuple[int, Rows]]:
    """(position of the first, rows), 20,000 at a time, telling of progress and stopping when asked."""
    for start in range(0, len(rows), SLICE_ROWS):
        work.task.check_stop()
        work.task.update(start, len(rows), title)
        yield start, Rows(rows.kind, rows.table.slice(start, SLICE_ROWS))


def scan(
    rows: Rows, scope: TextScope, work: StepWork, title: str, find: Find, calls: bool = True, keys: bool = False
) -> dict[int, list[str]]:
    """What `find` finds in every row, by position; it gets the array of pieces that `turn_texts` gives."""
    matched_rows: dict[int, list[str]] = {}
    for start, some in slices(rows, work, title):
        turns = turn_texts(some, scope, calls, keys)
        for index, pieces in find(turns.texts).items():
            matched_rows.setdefault(start + int(turns.rows[index]), []).extend(pieces)
    return dict(sorted(matched_rows.items()))


def rewrite(
    rows: Rows,
    matched_rows: dict[int, list[str]],
    scope: TextScope,
    change: Callable[[str], str],
    reason: Callable[[list[str]], str],
    calls: bool = True,
    keys: bool = False,
) -> Outcome:
    """The rows at these positions with their turns changed; those that leave no usable row are removed."""
    outcome = Outcome()
    for index, row in canonical_rows_at(rows, list(matched_rows)):
        new = edited(rows.kind, row, scope, change, calls, keys)
        if new != row:
            settle(outcome, rows.kind, index, new, Verdict(reason(matched_rows[index]), tuple(matched_rows[index])))
    return outcome


def settle(outcome: Outcome, kind: str, index: int, row: Row, verdict: Verdict) -> None:
    """Puts a changed row into the outcome, or removes it when what is left is no row of its kind any more."""
    try:
        outcome.changed[index] = (check_row(kind, row), verdict)
    except UserError as error:
        outcome.removed[index] = Verdict(
            f"{verdict.reason} What is left is no usable row: {error.message}", verdict.excerpts
        )


def judged(action: str, verdicts: dict[int, Verdict]) -> Outcome:
    """The outcome of 'drop' or 'flag'."""
    return Outcome(flagged=verdicts) if action == "flag" else Outcome(removed=verdicts)


def canonical_rows_at(rows: Rows, places: list[int]) -> Iterator[tuple[int, Row]]:
    """(position, canonical row) for these positions."""
    for start in range(0, len(places), 1000):
        some = places[start : start + 1000]
        yield from zip(some, rows_of(rows.table.take(pa.array(some, pa.int64()))), strict=True)


def in_one_piece(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def row_name(row_id: int) -> str:
    """How a reason speaks of another row, by its id: rows are counted from 1, as they are wherever they are shown."""
    return f"row {row_number(row_id):,}" if row_id >= 0 else "an added row"


def row_number(row_id: int) -> int:
    """How a row of the source is counted for people: from 1. Rows that a step added keep their negative id."""
    return row_id + 1 if row_id >= 0 else row_id


def row_id_of(number: int) -> int:
    """The id of a row that `row_number` counts. Raises `UserError` for 0."""
    if number == 0:
        raise UserError("There is no row 0.", "Rows are counted from 1.", "--rows")
    return number - 1 if number > 0 else number


def word_counts(texts: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """(texts,) words between white space; of scripts without spaces every two characters count as a word.

    Those are Chinese, Japanese, Thai, Lao, Khmer and Burmese, counted as near duplicates count them.
    """
    counts = [_words_of_any_script(block.cast(pa.large_string())) for block in blocks(texts)]
    return np.concatenate(counts) if counts else np.zeros(0, np.int64)


def _words_of_any_script(texts: pa.Array) -> NDArray[np.int64]:
    if pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        return _words(texts)
    texts = pc.replace_substring_regex(texts, r"\p{Z}+", " ")
    characters = np.asarray(pc.count_substring_regex(texts, UNSPACED), dtype=np.int64)
    if not characters.any():
        return _words(texts)
    # Signs between those characters, such as their full stops, are no words.
    apart = pc.replace_substring_regex(texts, rf"{UNSPACED}[\p{{P}}]*", r" \1 ")
    return _words(apart) - characters // 2


def _words(texts: pa.Array) -> NDArray[np.int64]:
    spaced = pc.binary_join_element_wise(texts, *(pa.scalar(text, pa.large_string()) for text in ("", " ")))
    ends = np.cumsum(pc.binary_length(spaced).to_numpy(), dtype=np.int64)
    offsets = np.frombuffer(spaced.buffers()[1], np.int64, len(spaced) + 1, spaced.offset * 8)
    blank = np.frombuffer(spaced.buffers()[2], np.uint8)[offsets[0] : offsets[-1]] <= 32
    last = np.flatnonzero(blank[1:] & ~blank[:-1]) + 1
    return np.diff(np.searchsorted(last, ends), prepend=0)


def _where(kind: str, columns: list[str], scope: TextScope) -> tuple[list[str], tuple[str, ...] | None]:
    """The columns a part lies in and the roles it means, None for all."""
    if scope == "prompt" and "prompt" in columns:
        return ["prompt"], None
    if scope == "answer":
        return [name for name in ANSWERS[kind] if name in columns], SPLIT_ROLES["assistant"]
    return [name for name in TURN_COLUMNS if name in columns], SPLIT_ROLES.get(scope)


def _turns(lists: Any, roles: tuple[str, ...] | None) -> tuple[Any, NDArray[np.int64]]:
    """A column's turns of these roles one after another, each with its row."""
    turns = lists.flatten()
    owners = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
    if roles is None:
        return turns, owners
    wanted = pc.is_in(turns.field("role"), pa.array(roles))
    return turns.filter(wanted), owners[wanted.to_numpy(zero_copy_only=False)]


def _pieces_and_keys(calls: list[dict[str, Any]]) -> list[str]:
    return [*call_pieces(calls), *argument_keys(calls)]


def _flat(
    lists: Any, roles: tuple[str, ...] | None, of_calls: Callable[[list[dict[str, Any]]], list[str]] | None
) -> Iterator[tuple[pa.Array, NDArray[np.int64]]]:
    """The contents of a column's turns, then their thoughts, then the pieces of their calls, each with its rows."""
    turns, owners = _turns(lists, roles)
    yield turns.field("content"), owners
    names = {field.name for field in turns.type}
    if THOUGHT in names:
        thoughts = turns.field(THOUGHT)
        there = pc.is_valid(thoughts)
        yield thoughts.filter(there), owners[there.to_numpy(zero_copy_only=False)]
    if of_calls and CALLS in names:
        texts, places = pieces_of_json(turns.field(CALLS), of_calls)
        yield pa.array(texts, pa.string()), owners[np.array(places, np.int64)]
