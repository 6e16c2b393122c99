"""What an import would make of files or pasted text, without making it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import UserError
from workbench.data.reading.column_account import ColumnEntry, KeyCounts, joined_entries
from workbench.data.reading.format import Format, columns_of
from workbench.data.reading.lines import Item, ReadRow, Rejected, Remark
from workbench.data.reading.opening import source_name
from workbench.data.reading.readers import ReadingOptions
from workbench.data.reading.row_batches import Readable, batch_of
from workbench.data.reading.selection import EVERYTHING, Masks, Selection, chosen_items, selection_masks
from workbench.data.reading.source_plan import FormatChoice, SourcePlan, plan_of
from workbench.data.reading.unread_columns import doubts, questioned
from workbench.rows.table import rows_of

SHOWN_ROWS = 20
PREVIEW_ROWS = 20_000


@dataclass(frozen=True)
class Preview:
    """What an import would give. `raw` are the first rows as they are, `rows` the same made canonical.

    `good` and `bad` count the rows looked at: all of them when `complete`, else the first 20,000. `account` says what
    becomes of every column and every key of a message in them, `remarks` what is worth knowing besides.
    """

    format: Format | None
    reason: str
    candidates: list[Format]
    columns: list[str]
    raw: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    good: int
    bad: int
    rejected: list[Rejected]
    complete: bool
    account: list[ColumnEntry]
    remarks: list[str]


def previewed(
    sources: list[Readable], choice: FormatChoice, options: ReadingOptions, selection: Selection = EVERYTHING
) -> Preview:
    """Reads the first 20,000 selected rows of all sources together, each in its own format, and writes nothing."""
    masks = selection_masks(sources, options, selection)
    items = itertools.chain.from_iterable(_named(source, options, masks) for source in sources)
    head = list(itertools.islice(items, PREVIEW_ROWS))
    complete = next(items, None) is None
    looked = _Looked()
    for name, group in itertools.groupby(head, key=lambda pair: pair[0]):
        looked.look([item for _, item in group], name, choice)
    reason = "The format was chosen by hand." if choice.format else looked.reason
    columns = columns_of(looked.raw)
    return Preview(
        looked.format, reason, looked.candidates, columns, looked.raw[:SHOWN_ROWS], looked.rows[:SHOWN_ROWS],
        looked.good, len(looked.rejected), looked.rejected[:SHOWN_ROWS], complete, joined_entries(looked.accounts),
        looked.remarks,
    )  # fmt: skip


def _named(source: Readable, options: ReadingOptions, masks: Masks) -> Iterator[tuple[str, Item]]:
    name = source_name(source)
    return ((name, item) for item in chosen_items(source, options, masks))


class _Looked:
    """What was found in the sources looked at so far; format and reason are the first one's."""

    def __init__(self) -> None:
        self.format: Format | None = None
        self.reason = ""
        self.candidates: list[Format] = []
        self.raw: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.good = 0
        self.rejected: list[Rejected] = []
        self.accounts: list[list[ColumnEntry]] = []
        self.remarks: list[str] = []

    def look(self, items: list[Item], name: str, choice: FormatChoice) -> None:
        """Adds the rows of one source; where no format fits, what could not be read and why."""
        plan = plan_of(iter(items), "", choice)
        self.remarks += [f"{item.text}." for item in items if isinstance(item, Remark)]
        form, reason = _form(plan, items)
        self.raw += plan.sample
        self.reason = self.reason or reason
        self.candidates = self.candidates or (plan.detection.candidates if plan.detection else [])
        if form is None:
            self.rejected += [item for item in items if isinstance(item, Rejected)]
            self.format, self.reason = None, reason
            return
        self.format = self.format or form
        batch = batch_of(form.gather_items(iter(items)), form)
        self.good += batch.table.num_rows
        self.rows += rows_of(batch.table.slice(0, SHOWN_ROWS))
        self.rejected += batch.rejected
        self.accounts.append(questioned(form.account(batch.keys, name), doubts(form, plan.sample)))
        self.remarks += [f"{text}: {count:,}." for text, count in sorted(batch.remarks.items())]


def _form(plan: SourcePlan, items: list[Item]) -> tuple[Format | None, str]:
    """The format that all rows looked at decide, and why; None when none fits."""
    keys = KeyCounts()
    for item in items:
        if isinstance(item, ReadRow):
            keys.see(item.data, item.line)
    plan.learn(keys, keys.names)
    try:
        form = plan.form()
    except UserError as error:
        if plan.choice.format or plan.choice.columns:
            raise
        return None, error.message
    detection = plan.detection
    if detection is None:
        return form, ""
    failures = " ".join(dict.fromkeys(detection.failures))
    return form, f"{detection.reason} Others: {failures}" if failures else detection.reason
