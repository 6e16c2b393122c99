"""Reads files or pasted text into one table of canonical rows, the rows that cannot be read into rejected.jsonl.

The format is detected from the first rows, and again whenever a row fills a column or a key of a message that none
before it did: the whole source decides. When that gives other settings, the source is read again with them.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.data.account import Entry, Keys, joined_entries
from workbench.data.columns import meaning_of
from workbench.data.compressed import Seen
from workbench.data.detecting import ASIDE, Detection, completed, detect, with_columns
from workbench.data.format import METADATA, Format, Row
from workbench.data.jsonlines import Chunk, read_chunk
from workbench.data.lines import Item, ReadRow, Rejected, Remark, reject
from workbench.data.opening import name_of, undecodable
from workbench.data.reading import ReadingOptions, form_of, no_rows, read_chunks, read_source
from workbench.data.spread import Stop, Tell, spread
from workbench.data.straight import Straight, read_straight
from workbench.data.table import joined, table_of
from workbench.data.values import as_json
from workbench.errors import UserError

Readable = Path | str
SAMPLE = 50
LOOKED_AT = 1000
TOGETHER = 1000
MOST_TRIES = 100
MOST_SAMPLE = 300


@dataclass(frozen=True)
class Choice:
    """What a person chose: the format, or None to detect it; and changes of its columns, as for `with_columns`."""

    format: Format | None = None
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """The canonical rows of all sources below one another; `files` tells for each its format and its counts.

    `account` says what became of every column, `remarks` what is worth knowing besides.
    """

    kind: str
    table: pa.Table
    rejected: int
    formats: list[Format]
    files: list[dict[str, Any]]
    account: list[Entry]
    remarks: list[str]
    reasons: list[str]

    def told(self) -> dict[str, Any]:
        """What the manifest says of it beside the source."""
        return {
            "format": self.formats[0].to_dict(), "columns": [entry.to_dict() for entry in self.account],
            "remarks": self.remarks, "reasons": self.reasons,
        }  # fmt: skip


class Plan:
    """The format of a source as far as its rows are known; `seen` are the columns and keys that some row has filled."""

    def __init__(self, source: str, choice: Choice):
        self.source, self.choice = source, choice
        self.sample: list[Row] = []
        self.seen: set[str] = set()
        self.detection: Detection | None = None
        self.failures: list[str] = []

    def learn(self, keys: Keys, news: Iterable[str]) -> None:
        """Adds the first rows that fill these columns and keys to those the format is detected from.

        Where rows name columns as they please, there is no end of them: past a bound only names that mean something
        for what is learned count.
        """
        for path in sorted(news):
            row = keys.firsts.get(path)
            is_wanted = len(self.sample) < MOST_SAMPLE or meaning_of(path.rpartition(".")[2])
            if row is not None and is_wanted and not any(row is old for old in self.sample):
                self.sample.append(row)
        self.seen.update(news)

    def empty_keys(self, form: Format) -> Keys:
        """The columns and keys of the rows known, none of them filled."""
        found = Keys()
        if not regroups(form):
            for row in self.sample:
                found.see(row, 0, form.turn_keys(), form.reads_json_turns)
        return Keys(dict.fromkeys(found.rows, 0))

    def form(self) -> Format:
        """The format for the rows known. Raises `UserError` when none fits, `SpecError` for changes that do not fit."""
        if self.choice.format:
            form = completed(self.choice.format, self.sample)
        else:
            aside = {name for name, use in self.choice.columns.items() if use in ASIDE}
            known = [{name: cell for name, cell in row.items() if name not in aside} for row in self.sample]
            self.detection = detect(known)
            if self.detection.format is None:
                where = f"{self.source}: " if self.source else ""
                told = f"{where}{self.detection.reason} {' '.join(self.failures[:3])}".strip()
                raise UserError(told, "Choose the format and its columns.", "format")
            form = self.detection.format
        return with_columns(form, self.choice.columns) if self.choice.columns else form


def plan_of(items: Iterator[Item], source: str, choice: Choice) -> Plan:
    """The plan made from the first rows of a source."""
    plan, keys = Plan(source, choice), Keys()
    for item in _head(items):
        if isinstance(item, Rejected):
            plan.failures.append(item.reason)
        elif isinstance(item, ReadRow):
            plan.sample.append(item.data)
            keys.see(item.data, item.line)
    plan.seen = keys.names
    return plan


def gather(
    sources: list[Readable],
    choice: Choice,
    options: ReadingOptions,
    rejects: Path,
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> Gathered:
    """Reads every source, by the format chosen or each by the one detected; `tell` hears of the bytes read.

    Raises `UserError` when their kinds differ, when one cannot be read at all, when no row of any can, and when there
    are columns that may change what is learned and nobody said what to do with them.
    """
    plans = [plan_of(read_source(source, options), _name(source), choice) for source in sources]
    _one_kind(sources, [plan.form() for plan in plans])
    total = sum(source.stat().st_size if isinstance(source, Path) else len(source) for source in sources)
    progress = _Progress(total, tell)
    with _Rows(rejects) as rows:
        for source, plan in zip(sources, plans, strict=True):
            count = rows.good + rows.bad

            def parts(form: Format, source: Readable = source, plan: Plan = plan) -> Iterator[Part]:
                return _parts(source, form, plan.seen, options, progress.seen, stop)

            rows.read(plan, parts, progress)
            if rows.good + rows.bad == count:
                raise no_rows(source)
        _one_kind(sources, rows.formats)
        return rows.gathered()


def gather_items(
    items: Callable[[], Iterator[Item]],
    choice: Choice,
    total: int,
    rejects: Path,
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> Gathered:
    """As `gather`, from rows read elsewhere; `tell` hears of the rows out of `total`. Raises `UserError`."""
    progress = _Progress(total, tell)
    plan = plan_of(items(), "", choice)

    def parts(form: Format) -> Iterator[Part]:
        for count, part in parts_of(items(), form):
            progress.seen(count)
            yield part
            if stop:
                stop()

    with _Rows(rejects) as rows:
        rows.read(plan, parts, progress)
        return rows.gathered()


def converted(form: Format, item: ReadRow | Rejected) -> Row | Rejected:
    """The canonical row, or why there is none."""
    if isinstance(item, Rejected):
        return item
    try:
        return form.convert(item.data)
    except UserError as error:
        return reject(item.line, str(error), item.data)


# ---- pieces of a source --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Some rows of a source, in their order, with the columns and keys they fill.

    `raw` are those of the rows as they are read, where several belong together.
    """

    table: pa.Table
    rejected: list[Rejected]
    keys: Keys
    remarks: Counter[str]
    about: list[str] = field(default_factory=list)
    raw: Keys | None = None


def part_of(items: Iterable[Item], form: Format, raw: Keys | None = None) -> Part:
    """Items read one by one."""
    good: list[Row] = []
    bad: list[Rejected] = []
    keys, remarks, about = Keys(), Counter[str](), []
    turn_columns, json_too = list(form.turn_keys()), form.reads_json_turns
    for item in items:
        if isinstance(item, Remark):
            about.append(item.text)
            continue
        if isinstance(item, ReadRow):
            keys.see(item.data, item.line, turn_columns, json_too)
        made = converted(form, item)
        if isinstance(made, Rejected):
            bad.append(made)
        else:
            good.append(made)
            remarks.update(form.remarks(item.data) if isinstance(item, ReadRow) else ())
    return Part(table_of(form.kind, good), bad, keys, remarks, about, raw)


def parts_of(items: Iterator[Item], form: Format) -> Iterator[tuple[int, Part]]:
    """(how many items, their part), a thousand at a time."""
    raw = Keys() if regroups(form) else None
    rows = form.gather_items(items if raw is None else _noted(items, raw))
    while together := list(itertools.islice(rows, TOGETHER)):
        yield len(together), part_of(together, form, raw)


def regroups(form: Format) -> bool:
    """Whether the rows a format converts are not those of the source."""
    return type(form).gather_items is not Format.gather_items


def _noted(items: Iterator[Item], keys: Keys) -> Iterator[Item]:
    for item in items:
        if isinstance(item, ReadRow):
            keys.see(item.data, item.line)
        yield item


def _parts(
    source: Readable, form: Format, seen: set[str], options: ReadingOptions, tell: Seen, stop: Stop | None
) -> Iterator[Part]:
    """The rows of one source in pieces, in their order."""
    if form_of(source, options) == "jsonl" and not regroups(form):
        chunks = read_chunks(source, options, tell)
        yield from spread(lambda chunk: _of_chunk(chunk, form, seen, source), chunks, stop=stop)
        return
    for _, part in parts_of(read_source(source, options, tell), form):
        yield part
        if stop:
            stop()


def _of_chunk(chunk: Chunk, form: Format, seen: set[str], source: Readable) -> Part:
    layout = form.layout()
    straight = read_straight(chunk.data, layout) if layout and chunk.whole else None
    part = straight_part(straight, form, seen, chunk.line) if straight else None
    if part is not None:
        return part
    try:
        return part_of(read_chunk(chunk), form)
    except UnicodeDecodeError as error:
        raise undecodable(source, error, chunk.position + error.start) from None


def straight_part(straight: Straight, form: Format, seen: set[str], line: int) -> Part | None:
    """The rows of a chunk read straight, their other columns as metadata; None when one of these needs a closer look.

    Columns that no row before has filled do: the format may have to be detected again.
    """
    uses = {name: form.fate(name).use for name in straight.others}
    if METADATA in uses or not all(name in seen and use in ("kept", "left out") for name, use in uses.items()):
        return None
    table, keys, rows = straight.table, Keys(), straight.table.num_rows
    layout = form.layout()
    if layout is not None:
        for path in (layout.column, *(f"{layout.column}.{key}" for key in (layout.role, layout.content) if key)):
            keys.count(path, rows, line)
    keys.rows.update(dict.fromkeys(straight.empty, 0))
    for name, column in straight.others.items():
        keys.count(name, rows - column.null_count, line)
    kept = {name: straight.others[name].to_pylist() for name, use in uses.items() if use == "kept"}
    if kept:
        table = table.append_column(METADATA, _metadata(kept))
    return Part(table, [], keys, Counter())


def _metadata(columns: dict[str, list[Any]]) -> pa.Array:
    """Columns of plain values as JSON text, one object a row; null where a row fills none."""
    names = list(columns)
    texts = []
    for values in zip(*columns.values(), strict=True):
        filled = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        texts.append(as_json(filled, METADATA) if filled else None)
    return pa.array(texts, pa.string())


# ---- all together --------------------------------------------------------------------------------------------


class _Progress:
    """Adds up what was read (bytes, or rows), and passes it on."""

    def __init__(self, total: int, tell: Tell | None):
        self.total, self._tell, self.done = total, tell, 0

    def seen(self, count: int) -> None:
        self.done += count

    def told(self, rows: int) -> None:
        if self._tell:
            self._tell(min(self.done, self.total), self.total, f"Read {rows:,} rows")


class _Rows:
    """Collects tables and writes rejected rows to their file, which goes again when there are none."""

    def __init__(self, rejects: Path):
        self._path, self._file = rejects, rejects.open("w", encoding="utf-8")
        self._tables: list[pa.Table] = []
        self._accounts: list[list[Entry]] = []
        self._remarks: list[str] = []
        self.reasons: list[str] = []
        self.formats: list[Format] = []
        self.files: list[dict[str, Any]] = []
        self.good = self.bad = 0

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.bad:
            self._path.unlink()

    def read(self, plan: Plan, parts: Callable[[Format], Iterator[Part]], progress: _Progress) -> None:
        """Reads a source by its plan, and again from its beginning each time the plan changes."""
        form = plan.form()
        start = (len(self._tables), len(self.reasons), self.good, self.bad, self._file.tell(), progress.done)
        for _ in range(MOST_TRIES):
            keys, remarks, about = Keys(), Counter[str](), list[str]()
            better = self._try(plan, form, parts, progress, (keys, remarks, about))
            if better is None:
                break
            form = better
            self._rewind(start)
            progress.done = start[-1]
        keys.merge(plan.empty_keys(form))
        good, bad = self.good - start[2], self.bad - start[3]
        self.formats.append(form)
        self._accounts.append(form.account(keys, plan.source))
        self._remarks += [f"{text}." for text in about]
        self._remarks += [f"{text}: {count:,}." for text, count in sorted(remarks.items())]
        self.files.append({"format": form.to_dict(), "rows": good, "rejected": bad})

    def _try(
        self,
        plan: Plan,
        form: Format,
        parts: Callable[[Format], Iterator[Part]],
        progress: _Progress,
        found: tuple[Keys, Counter[str], list[str]],
    ) -> Format | None:
        """Reads all parts; the format to begin again with as soon as there is a better one."""
        keys, remarks, about = found
        for part in parts(form):
            raw = part.raw or part.keys
            if news := raw.names - plan.seen:
                plan.learn(raw, news)
                if (better := plan.form()) != form:
                    return better
            keys.merge(part.keys)
            remarks.update(part.remarks)
            about.extend(part.about)
            self._add(part, plan.source)
            progress.told(self.good)
        return None

    def _add(self, part: Part, name: str) -> None:
        self._tables.append(part.table)
        self.good += part.table.num_rows
        for row in part.rejected:
            row = replace(row, file=name)
            self._file.write(json.dumps(asdict(row)) + "\n")
            if len(self.reasons) < 3:
                self.reasons.append(f"{row.where}: {row.reason}")
            self.bad += 1

    def _rewind(self, start: tuple[int, int, int, int, int, int]) -> None:
        tables, reasons, self.good, self.bad, position, _ = start
        del self._tables[tables:], self.reasons[reasons:]
        self._file.seek(position)
        self._file.truncate()

    def gathered(self) -> Gathered:
        """Everything; raises `UserError` with the first reasons when no row could be read, and for open questions."""
        kind, account = self.formats[0].kind, joined_entries(self._accounts)
        if not self.good:
            reasons = "\n".join(self.reasons)
            raise UserError(
                f"None of the {self.bad} rows can be read as {self.formats[0].title}. The first reasons:\n{reasons}",
                "Choose another format or other columns.",
                "format",
            )
        if undecided := [entry for entry in account if entry.use == "undecided"]:
            raise question_of(undecided)
        table = joined(kind, self._tables)
        return Gathered(kind, table, self.bad, self.formats, self.files, account, self._remarks, self.reasons)


def question_of(undecided: list[Entry]) -> UserError:
    """The error that asks what to do with columns that may change what is learned."""
    told = "\n".join(
        f"{entry.column}: {entry.why} {entry.rows:,} rows have it, the first at line {entry.line:,}."
        for entry in undecided
    )
    names = " ".join(f"{entry.column}=keep" for entry in undecided)
    return UserError(
        f"What is to become of these columns?\n{told}",
        f"Choose another format, or say it: {names} keeps them as metadata, =leave_out drops them.",
        "columns",
    )


def _one_kind(sources: list[Readable], formats: list[Format]) -> None:
    if len({form.kind for form in formats}) > 1:
        found = ", ".join(f"{name_of(source)} is {form.kind}" for source, form in zip(sources, formats, strict=True))
        raise UserError(
            f"These files are of different kinds: {found}.", "Import each kind as a dataset of its own.", "source"
        )


def _head(items: Iterator[Item]) -> Iterator[Item]:
    """The items up to the 50th readable one, and no more than 1,000."""
    readable = 0
    for item in itertools.islice(items, LOOKED_AT):
        yield item
        readable += isinstance(item, ReadRow)
        if readable == SAMPLE:
            return


def _name(source: Readable) -> str:
    return source.name if isinstance(source, Path) else ""
