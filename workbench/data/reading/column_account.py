"""The account of columns: every column of a source and every key of its messages, and what became of it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from workbench.core.errors import UserError, shortened
from workbench.data.reading.columns import is_empty, is_missing
from workbench.rows.bounds import MOST_COLUMNS, MOST_NAME_CHARACTERS
from workbench.rows.values import from_json

Use = Literal["used", "kept", "left out", "kept aside", "undecided"]
KINDS_OF_USE: tuple[Use, ...] = ("undecided", "used", "kept", "kept aside", "left out")
MOST_LISTED_COLUMNS = 1000
LISTED_CHARACTERS = 200


@dataclass(frozen=True)
class Fate:
    """What becomes of a column or a key (`messages.name`): `setting` is the format's setting that reads it."""

    use: Use
    why: str
    setting: str = ""


@dataclass(frozen=True)
class ColumnEntry:
    """One line of the account. `rows` have a value there, the first of them stands at `line` of `file`."""

    column: str
    use: Use
    why: str
    setting: str = ""
    rows: int = 0
    line: int = 0
    file: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class KeyCounts:
    """The columns, and keys of messages, of the rows seen so far: by path, how many rows have a value there.

    A path without any is there too, with 0. `lines` and `firsts` tell of the first row in which it is neither missing
    nor empty. Raises `UserError` for more paths, and for longer ones, than a person can mean.
    """

    rows: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    firsts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def see(self, row: dict[str, Any], line: int, turn_columns: Iterable[str] = (), json_too: bool = True) -> None:
        """Notes a row; the messages in `turn_columns` too, with `json_too` also where they are written as JSON."""
        for name, cell in row.items():
            self._note(str(name), cell, row, line)
        for column in turn_columns:
            value = row.get(column)
            if isinstance(value, list | dict) or (json_too and isinstance(value, str)):
                for path, item in keys_of_turns(value, column).items():
                    self._note(path, item, row, line)
        self._check_number()

    def _note(self, path: str, value: Any, row: dict[str, Any], line: int) -> None:
        if path not in self.rows and len(path) > MOST_NAME_CHARACTERS:
            raise UserError(
                f"Line {line} has a column or key whose name has {len(path):,} characters, "
                f"more than {MOST_NAME_CHARACTERS:,}.",
                "Give it a name.",
                "source",
            )
        self.rows[path] = self.rows.get(path, 0) + (not is_missing(value))
        if path not in self.lines and not is_empty(value):
            self.firsts[path], self.lines[path] = row, line

    def count(self, path: str, rows: int, line: int) -> None:
        """Notes that many rows at once, none of them empty."""
        self.rows[path] = self.rows.get(path, 0) + rows
        self.lines.setdefault(path, line)

    def _check_number(self) -> None:
        if len(self.rows) > MOST_COLUMNS:
            raise UserError(
                f"The rows have more than {MOST_COLUMNS:,} columns and keys of messages together.",
                "Leave out those not needed, or put them into one column as an object.",
                "source",
            )

    def merge(self, other: "KeyCounts") -> None:
        for path, rows in other.rows.items():
            self.rows[path] = self.rows.get(path, 0) + rows
        self._check_number()
        self.lines = {**other.lines, **self.lines}

    @property
    def names(self) -> set[str]:
        """The paths that some row fills with something."""
        return set(self.lines)


def listed(account: list[ColumnEntry]) -> list[dict[str, Any]]:
    """An account as it is kept with a dataset: the names cut, and of more than 1,000 lines those of most use first,
    with the number of the rest."""
    lines = [
        {**entry.to_dict(), "column": shortened(entry.column, LISTED_CHARACTERS)}
        for entry in account[:MOST_LISTED_COLUMNS]
    ]
    rest = account[MOST_LISTED_COLUMNS:]
    for use in KINDS_OF_USE:
        if count := sum(entry.use == use for entry in rest):
            lines.append(ColumnEntry(f"{count:,} more", use, "As those above; they are not listed.").to_dict())
    return lines


def turns_in(value: Any) -> list[dict[str, Any]]:
    """The messages of a cell: a list of them, a single one, or their JSON text; [] where there are none."""
    read = from_json(value)
    turns = read if isinstance(read, list) else [read]
    return [turn for turn in turns if isinstance(turn, dict)]


def keys_of_turns(value: Any, column: str) -> dict[str, Any]:
    """The keys of a cell's messages as paths, with the fullest value a message has there."""
    fullest: dict[str, Any] = {}
    for turn in turns_in(value):
        for key, item in turn.items():
            path = f"{column}.{key}"
            if is_missing(fullest.get(path)) or (is_empty(fullest[path]) and not is_missing(item)):
                fullest[path] = item
    return fullest


def joined_entries(parts: Iterable[list[ColumnEntry]]) -> list[ColumnEntry]:
    """The accounts of several files as one: lines that agree are added up, and name the first file they concern."""
    joined: dict[tuple[str, str, str], ColumnEntry] = {}
    for entry in (entry for account in parts for entry in account):
        key = (entry.column, entry.use, entry.setting)
        old = joined.get(key)
        joined[key] = entry if old is None else ColumnEntry(**{**asdict(old), "rows": old.rows + entry.rows})
    return sorted(joined.values(), key=lambda entry: KINDS_OF_USE.index(entry.use))
