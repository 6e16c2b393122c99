"""What is known of a source before it is read: what a person chose, its first rows, and the format they mean."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from workbench.core.errors import UserError
from workbench.data.reading.column_account import KeyCounts
from workbench.data.reading.column_hints import hint_of
from workbench.data.reading.detection import ASIDE, Detection, completed, detect, with_columns
from workbench.data.reading.format import Format, Row
from workbench.data.reading.lines import Item, ReadRow, Rejected

SAMPLE_ROWS = 50
LOOKED_AT_ROWS = 1000
MOST_SAMPLE_ROWS = 300


@dataclass(frozen=True)
class FormatChoice:
    """What a person chose: the format, or None to detect it; and changes of its columns, as for `with_columns`."""

    format: Format | None = None
    columns: dict[str, str] = field(default_factory=dict)


class SourcePlan:
    """The format of a source as far as its rows are known; `known_columns`: columns and keys that a row has filled."""

    def __init__(self, source: str, choice: FormatChoice):
        self.source, self.choice = source, choice
        self.sample: list[Row] = []
        self.known_columns: set[str] = set()
        self.detection: Detection | None = None
        self.failures: list[str] = []

    def learn(self, keys: KeyCounts, news: Iterable[str]) -> None:
        """Adds the first rows that fill these columns and keys to those the format is detected from.

        Where rows name columns as they please, there is no end of them: past a bound only names that mean something
        for what is learned count.
        """
        for path in sorted(news):
            row = keys.firsts.get(path)
            is_wanted = len(self.sample) < MOST_SAMPLE_ROWS or hint_of(path.rpartition(".")[2])
            if row is not None and is_wanted and not any(row is old for old in self.sample):
                self.sample.append(row)
        self.known_columns.update(news)

    def empty_keys(self, form: Format) -> KeyCounts:
        """The columns and keys of the rows known, none of them filled."""
        keys = KeyCounts()
        if not regroups(form):
            for row in self.sample:
                keys.see(row, 0, form.turn_keys(), form.reads_json_turns)
        return KeyCounts(dict.fromkeys(keys.rows, 0))

    def form(self) -> Format:
        """The format for the rows known. Raises `UserError` when none fits, `SpecError` for changes that do not fit."""
        if self.choice.format:
            form = completed(self.choice.format, self.sample)
        else:
            aside = {name for name, use in self.choice.columns.items() if use in ASIDE}
            remaining = [{name: cell for name, cell in row.items() if name not in aside} for row in self.sample]
            self.detection = detect(remaining)
            if self.detection.format is None:
                where = f"{self.source}: " if self.source else ""
                message = f"{where}{self.detection.reason} {' '.join(self.failures[:3])}".strip()
                raise UserError(message, "Choose the format and its columns.", "format")
            form = self.detection.format
        return with_columns(form, self.choice.columns) if self.choice.columns else form


def plan_of(items: Iterator[Item], source: str, choice: FormatChoice) -> SourcePlan:
    """The plan made from the first rows of a source."""
    plan, keys = SourcePlan(source, choice), KeyCounts()
    for item in _head(items):
        if isinstance(item, Rejected):
            plan.failures.append(item.reason)
        elif isinstance(item, ReadRow):
            plan.sample.append(item.data)
            keys.see(item.data, item.line)
    plan.known_columns = keys.names
    return plan


def regroups(form: Format) -> bool:
    """Whether the rows a format converts are not those of the source."""
    return type(form).gather_items is not Format.gather_items


def _head(items: Iterator[Item]) -> Iterator[Item]:
    """The items up to the 50th readable one, and no more than 1,000."""
    readable = 0
    for item in itertools.islice(items, LOOKED_AT_ROWS):
        yield item
        readable += isinstance(item, ReadRow)
        if readable == SAMPLE_ROWS:
            return
