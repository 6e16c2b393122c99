"""The formats data comes in: the base class and the registry. Which one fits is found by `detecting`."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.core.registry import Method, Registry
from workbench.data.reading.column_account import ColumnEntry, Fate, KeyCounts, turns_in
from workbench.data.reading.column_hints import tool_names
from workbench.data.reading.columns import (
    ROW_WEIGHTS,
    SYSTEM,
    TOOL_COLUMNS,
    are_verdicts,
    is_empty,
    is_missing,
    is_row_weight,
    meaning_of,
    plain_name,
    row_weight_of,
)
from workbench.data.reading.jsonl_fast import PlainLayout
from workbench.data.reading.lines import Item
from workbench.rows.canonical import Kind, check_row
from workbench.rows.tools import tools_of
from workbench.rows.turn_extras import MEDIA, READ, TURN_TRAINS, UNREADABLE, WEIGHT_KEYS, check_media
from workbench.rows.values import from_json, json_ready

Row = dict[str, Any]
METADATA, WEIGHT = "metadata", "weight"
TURN_KEYS = READ | {*MEDIA, *UNREADABLE}
# By the kind of a dataset: which columns that no setting reads are asked about, for what they mean.
ASKED: dict[str, frozenset[str]] = {
    "conversation": frozenset(
        ("label", "score", "weight", "question", "answer", "conversation", "tools", "thought")
    ),
    "preference": frozenset(("label", "weight", "question", "answer", "conversation", "tools", "thought")),
    "unpaired": frozenset(("label", "weight", "question", "answer", "conversation", "tools", "thought")),
    "text": frozenset(("label", "weight", "question", "answer", "conversation")),
    "prompts": frozenset(("label", "question", "answer", "conversation", "tools")),
}  # fmt: skip
WHY_ASKED = {
    "label": "it may say which answers are good",
    "score": "it may say which answers are good",
    "weight": "it may say how much a row counts",
    "question": "it may belong to the question",
    "answer": "it may be an answer",
    "conversation": "it may hold turns",
    "tools": "it may hold tools or calls of them",
    "thought": "it may be a thought to be learned",
}


def _names(value: Any) -> Any:
    """Column names from a list, or from one text with commas between them."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_names)]


class Format(Method):
    """How rows of one layout become canonical rows. Its settings are the names of the columns it reads.

    `examples` are rows it must accept; `rank` breaks ties in detection (higher wins); `poor` formats are detected only
    where nothing else could be meant. Settings whose description begins with 'Column' name columns.
    """

    kind: ClassVar[Kind]
    examples: ClassVar[list[Row]]
    rank: ClassVar[int] = 1
    poor: ClassVar[bool] = False

    weight: Annotated[str, Display(control="column", advanced=True)] = Field(
        "", title="Row weight", description="Column with the row's weight in the loss; may be missing."
    )
    keep_columns: Annotated[Names, Display(control="columns", advanced=True)] = Field(
        default_factory=list, title="Columns to keep",
        description="Columns, and keys of messages (messages.id), kept under metadata.",
    )  # fmt: skip
    leave_out: Annotated[Names, Display(control="columns", advanced=True)] = Field(
        default_factory=list, title="Columns to leave out",
        description="Columns, and keys of messages, that are left out.",
    )  # fmt: skip
    others: Annotated[
        Literal["ask", "keep", "leave_out"],
        Display(advanced=True, labels={
            "ask": "keep what changes nothing, ask about the rest", "keep": "keep all", "leave_out": "leave all out",
        }),
    ] = Field(
        "ask", title="Other columns", description="What becomes of all other columns."
    )  # fmt: skip

    @classmethod
    @abstractmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        """This format with its columns filled in, or None; and the reason in either case."""

    @abstractmethod
    def convert(self, row: Row) -> Row:
        """The canonical row. Raises `UserError` with the reason when the row cannot be one."""

    def layout(self) -> PlainLayout | None:
        """What `jsonl_fast` may read without this format's `convert`, to the same result; None if nothing."""
        return None

    def gather_items(self, items: Iterator[Item]) -> Iterator[Item]:
        """The rows to convert, where they are not those of the source: several may belong together."""
        return items

    def turn_keys(self) -> dict[str, tuple[str, str]]:
        """The columns that hold messages: their keys for who speaks and for the text."""
        return {}

    @property
    def reads_json_turns(self) -> bool:
        """Whether text in the columns of messages is read as JSON."""
        return bool(getattr(self, "json_turns", True))

    def remarks(self, row: Row) -> Iterable[str]:
        """What is worth counting about a row that was read, in words."""
        return ()

    def complete_row(self, source: Row, canonical: Row) -> Row:
        """The canonical row, checked, with the row's tools, its weight and what is kept. Raises `UserError`."""
        tools = tools_of(optional(source, getattr(self, "tools", "")))
        if tools:
            canonical["tools"] = tools
        metadata = {**canonical.pop(METADATA, {}), **self._metadata_of(source)}
        weight = optional(source, self.weight)
        if not is_empty(weight):
            metadata[WEIGHT] = row_weight_of(weight, self.weight)
        if metadata:
            canonical[METADATA] = metadata
        return check_row(self.kind, canonical)

    def _metadata_of(self, source: Row) -> Row:
        """The columns and keys of messages to keep; those of a column `metadata` stay on their own level."""
        metadata: Row = {}
        own: Row = {}
        for name, value in source.items():
            if name in self.used or is_missing(value) or (name == METADATA and is_empty(value)):
                continue
            use = self.fate(name).use
            if use == "kept aside" and not is_empty(value):
                check_media({plain_name(name): value}, "the row")
            elif use == "kept" or (use == "undecided" and not is_empty(value)):
                ready = json_ready(from_json(value) if name == METADATA else value)
                if name == METADATA and isinstance(ready, dict):
                    own = ready
                else:
                    metadata[name] = ready
        for column in self.turn_keys():
            metadata |= self._message_metadata(source.get(column), column)
        return {
            **{(f"{METADATA}.{name}" if name in metadata else name): value for name, value in own.items()},
            **metadata,
        }

    def _message_metadata(self, value: Any, column: str) -> Row:
        """The keys of messages to keep: for each the list of its values, one a message of the source."""
        if not isinstance(value, list | dict) and not (self.reads_json_turns and isinstance(value, str)):
            return {}
        turns, read_keys = turns_in(value), self._known_keys[column]
        more = dict.fromkeys(
            key for turn in turns for key in turn if key not in read_keys and not is_missing(turn[key])
        )
        return {
            f"{column}.{key}": [None if is_missing(turn.get(key)) else json_ready(turn[key]) for turn in turns]
            for key in more
            if self.fate(f"{column}.{key}").use in ("kept", "undecided")
        }

    # ---- the account -----------------------------------------------------------------------------------------

    @classmethod
    def column_settings(cls) -> list[str]:
        """The settings that name a column."""
        return [name for name, info in cls.model_fields.items() if (info.description or "").startswith("Column with ")]

    @cached_property
    def used(self) -> dict[str, str]:
        """The columns it reads, and by which setting."""
        named = {getattr(self, setting): setting for setting in reversed(self.column_settings())}
        return {column: setting for column, setting in reversed(named.items()) if column}

    @cached_property
    def _known_keys(self) -> dict[str, frozenset[str]]:
        return {column: TURN_KEYS | {*keys} for column, keys in self.turn_keys().items()}

    @cached_property
    def _fates(self) -> dict[str, Fate]:
        return {}

    def fate(self, path: str) -> Fate:
        """What becomes of a column, or of a key of a message (`messages.id`)."""
        if path not in self._fates:
            self._fates[path] = self._fate(path)
        return self._fates[path]

    def _fate(self, path: str) -> Fate:
        if path in self.used:
            return Fate("used", _help_of(self, self.used[path]), self.used[path])
        column, key = self._key_of(path)
        if column and key in self._known_keys[column]:
            return _fate_of_key(key, self.turn_keys()[column])
        if path in self.leave_out or (self.others == "leave_out" and path not in self.keep_columns):
            return Fate("left out", "Chosen so.")
        if path in self.keep_columns:
            return Fate("kept", "Under metadata.")
        return self._fate_by_meaning(key or path)

    def _fate_by_meaning(self, name: str) -> Fate:
        """What becomes of a column or key that nobody has said anything about."""
        meaning = meaning_of(name)
        if meaning == "media":
            return Fate("kept aside", "Rows that have it are kept aside: only text can be trained on here.")
        if meaning in ASKED[self.kind] and self.others == "ask":
            return Fate("undecided", f"{self.title} does not read it, and {WHY_ASKED[meaning]}.")
        return Fate("kept", "Under metadata.")

    def _key_of(self, path: str) -> tuple[str, str]:
        """The column of messages and the key that a path means; two empty texts for a column."""
        for column in self.turn_keys():
            if path.startswith(f"{column}."):
                return column, path[len(column) + 1 :]
        return "", ""

    def account(self, keys: KeyCounts, file: str = "") -> list[ColumnEntry]:
        """The account of the rows that `keys` has seen."""
        account = []
        for path, rows in keys.rows.items():
            fate = self.fate(path)
            if path not in keys.lines and not (rows and fate.use == "kept"):
                fate = Fate("left out", "It is empty in every row.")
            elif path not in keys.lines:
                fate = Fate("kept", "Under metadata; it is empty in every row.")
            account.append(ColumnEntry(path, fate.use, fate.why, fate.setting, rows, keys.lines.get(path, 0), file))
        return account

    def columns_used(self) -> list[str]:
        """The column names its settings hold, blank ones left out."""
        return list(self.used)

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields}


FORMATS: Registry[Format] = Registry("data format", "workbench.data.reading.formats", key="format")


def _help_of(form: Format, setting: str) -> str:
    info = type(form).model_fields.get(setting)
    text = ((info.description if info else "") or f"Column with the {setting}").removeprefix("Column with ")
    return f"As {text.split(';')[0].rstrip('.')}."


def _fate_of_key(key: str, keys: tuple[str, str]) -> Fate:
    if key == keys[0]:
        return Fate("used", "As who speaks.", "role")
    if key == keys[1]:
        return Fate("used", "As the text of the turn.", "content")
    if key in MEDIA or key in UNREADABLE:
        return Fate("kept aside", "Rows that have it are kept aside: it cannot be learned here.")
    if key in (*WEIGHT_KEYS, *TURN_TRAINS):
        return Fate("used", "As how much an assistant turn is learned; turns of others are not learned.", "weight")
    return Fate("used", "As it is, in the message.", key)


# ---- what formats ask of a sample --------------------------------------------------------------------------------


def columns_of(sample: list[Row]) -> list[str]:
    """Every column of the sample, in the order of first appearance."""
    return list(dict.fromkeys(str(key) for row in sample for key in row))


def pick(columns: list[str], *names: str) -> str:
    """The first column that has one of these names, whole and whatever its case; '' if none has."""
    by_name = _by_plain_name(tuple(columns))
    return next((by_name[name] for name in names if name in by_name), "")


@lru_cache(maxsize=4)
def _by_plain_name(columns: tuple[str, ...]) -> dict[str, str]:
    """The columns by their names as names are compared; formats ask for one after another of the same columns."""
    return {plain_name(column): column for column in reversed(columns)}


def cell(row: Row, column: str) -> Any:
    """A required cell; raises `UserError` naming the column and those there are."""
    if not column:
        raise UserError("not all columns of the format are chosen.", "Choose them, or another format.")
    if column not in row:
        raise UserError(f"there is no column {column!r}.", f"This row has: {', '.join(map(str, row)) or 'nothing'}.")
    return row[column]


def optional(row: Row, column: str) -> Any:
    """A cell that may be missing: its value, or None."""
    value = row.get(column) if column else None
    return None if is_missing(value) else value


def values_of(sample: list[Row], column: str) -> list[Any]:
    """The filled values of a column in the sample."""
    return [row[column] for row in sample if column in row and not is_empty(row[column])] if column else []


def first_value(sample: list[Row], column: str) -> Any:
    """The first filled value of a column in the sample, or None."""
    return next(iter(values_of(sample, column)), None)


def filled_columns(sample: list[Row]) -> list[str]:
    """The columns that some row of the sample fills."""
    return [column for column in columns_of(sample) if values_of(sample, column)]


def tools_column(columns: list[str], sample: list[Row]) -> str:
    """The first column that holds tools, `tools` and `functions` before others named after them; '' if none does."""
    candidates = filter(None, (pick(columns, *TOOL_COLUMNS), *tool_names(columns)))
    return next((column for column in candidates if _are_tools(first_value(sample, column))), "")


def _are_tools(value: Any) -> bool:
    try:
        return bool(tools_of(value))
    except UserError:
        return False


def verdict_column(columns: list[str], sample: list[Row], *names: str) -> str:
    """The first column of these names whose values all say good or bad; '' if there is none."""
    candidates = (pick(columns, name) for name in names)
    return next((column for column in candidates if column and are_verdicts(values_of(sample, column))), "")


def weight_column(columns: list[str], sample: list[Row]) -> str:
    """The column that says how much a row counts, if at least half of its values are such; '' otherwise."""
    column = pick(columns, *ROW_WEIGHTS)
    values = values_of(sample, column)
    return column if 2 * sum(map(is_row_weight, values)) >= len(values) > 0 else ""


def columns_beside(columns: list[str], sample: list[Row]) -> dict[str, str]:
    """The settings for what many formats have beside their own columns: system prompt, tools, the row's weight."""
    return {
        "system": pick(columns, *SYSTEM),
        "tools": tools_column(columns, sample),
        "weight": weight_column(columns, sample),
    }
