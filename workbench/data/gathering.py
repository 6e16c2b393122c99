"""Reads files or pasted text into one table of canonical rows, the rows that cannot be read into rejected.jsonl."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.data.compressed import Seen
from workbench.data.format import Detection, Format, Row, detect
from workbench.data.jsonlines import Chunk, read_chunk
from workbench.data.lines import Item, ReadRow, Rejected, reject
from workbench.data.opening import name_of, undecodable
from workbench.data.reading import form_of, no_rows, read_chunks, read_source
from workbench.data.spread import Stop, Tell, spread
from workbench.data.straight import read_straight
from workbench.data.table import joined, table_of
from workbench.errors import UserError

Readable = Path | str
SAMPLE = 50
LOOKED_AT = 1000
TOGETHER = 1000


@dataclass(frozen=True)
class Gathered:
    """The canonical rows of all sources below one another; `files` tells for each its format and its counts."""

    kind: str
    table: pa.Table
    rejected: int
    formats: list[Format]
    files: list[dict[str, Any]]


@dataclass(frozen=True)
class _Part:
    table: pa.Table
    rejected: list[Rejected]


def gather(
    sources: list[Readable],
    format: Format | None,
    encoding: str,
    rejects: Path,
    tell: Tell | None = None,
    stop: Stop | None = None,
) -> Gathered:
    """Reads every source, by the format given or each by the one detected; `tell` hears of the bytes read.

    Raises `UserError` when their kinds differ, when one cannot be read at all, or when no row of any can.
    """
    formats = [format or detected(source, encoding) for source in sources]
    _one_kind(sources, formats)
    total = sum(source.stat().st_size if isinstance(source, Path) else len(source) for source in sources)
    progress = _Progress(total, tell)
    with _Rows(formats[0], rejects) as rows:
        for source, form in zip(sources, formats, strict=True):
            name = source.name if isinstance(source, Path) else ""
            good, bad = rows.good, rows.bad
            for part in _parts(source, form, encoding, progress.seen, stop):
                rows.add(part, name)
                progress.told(rows.good)
            if (rows.good, rows.bad) == (good, bad):
                raise no_rows(source)
            rows.files.append({"format": form.to_dict(), "rows": rows.good - good, "rejected": rows.bad - bad})
    return rows.gathered(formats)


def gather_items(
    items: Iterator[Item], form: Format, total: int, rejects: Path, tell: Tell | None = None, stop: Stop | None = None
) -> Gathered:
    """As `gather`, from rows read elsewhere; `tell` hears of the rows out of `total`. Raises `UserError`."""
    progress = _Progress(total, tell)
    with _Rows(form, rejects) as rows:
        while together := list(itertools.islice(items, TOGETHER)):
            rows.add(_of_items(together, form), "")
            progress.seen(len(together))
            progress.told(rows.good)
            if stop:
                stop()
    return rows.gathered([form])


def detected(source: Readable, encoding: str) -> Format:
    """The format of a source by its first rows; raises `UserError` when none fits."""
    head = list(_head(read_source(source, encoding)))
    found: Detection = detect(item.data for item in head if isinstance(item, ReadRow))
    if found.format:
        return found.format
    where = f"{source.name}: " if isinstance(source, Path) else ""
    reasons = [item.reason for item in head if isinstance(item, Rejected)][:3]
    message = f"{where}{found.reason} {' '.join(reasons)}".strip()
    raise UserError(message, "Choose the format and its columns.", "format")


def converted(form: Format, item: Item) -> Row | Rejected:
    """The canonical row, or why there is none."""
    if isinstance(item, Rejected):
        return item
    try:
        return form.convert(item.data)
    except UserError as error:
        return reject(item.line, str(error), item.data)


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

    def __init__(self, form: Format, rejects: Path):
        self._form, self._path, self._file = form, rejects, rejects.open("w", encoding="utf-8")
        self._tables: list[pa.Table] = []
        self._first: list[str] = []
        self.files: list[dict[str, Any]] = []
        self.good = self.bad = 0

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.bad:
            self._path.unlink()

    def add(self, part: _Part, name: str) -> None:
        self._tables.append(part.table)
        self.good += part.table.num_rows
        for row in part.rejected:
            row = replace(row, file=name)
            self._file.write(json.dumps(asdict(row)) + "\n")
            if self.bad < 3:
                self._first.append(f"{row.where}: {row.reason}")
            self.bad += 1

    def gathered(self, formats: list[Format]) -> Gathered:
        """Everything; raises `UserError` with the first reasons when no row could be read."""
        if self.good:
            return Gathered(self._form.kind, joined(self._form.kind, self._tables), self.bad, formats, self.files)
        reasons = "\n".join(self._first)
        raise UserError(
            f"None of the {self.bad} rows can be read as {self._form.title}. The first reasons:\n{reasons}",
            "Choose another format or other columns.",
            "format",
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


def _parts(source: Readable, form: Format, encoding: str, seen: Seen, stop: Stop | None) -> Iterator[_Part]:
    """The rows of one source in pieces, in their order."""
    if form_of(source, encoding) == "jsonl":
        chunks = read_chunks(source, encoding, seen)
        yield from spread(lambda chunk: _of_chunk(chunk, form, source), chunks, stop=stop)
        return
    items = read_source(source, encoding, seen)
    while together := list(itertools.islice(items, TOGETHER)):
        yield _of_items(together, form)
        if stop:
            stop()


def _of_chunk(chunk: Chunk, form: Format, source: Readable) -> _Part:
    layout = form.layout()
    table = read_straight(chunk.data, layout) if layout and chunk.whole else None
    if table is not None:
        return _Part(table, [])
    try:
        return _of_items(read_chunk(chunk), form)
    except UnicodeDecodeError as error:
        raise undecodable(source, error, chunk.position + error.start) from None


def _of_items(items: Iterator[Item] | list[Item], form: Format) -> _Part:
    made = [converted(form, item) for item in items]
    good = [row for row in made if not isinstance(row, Rejected)]
    return _Part(table_of(form.kind, good), [row for row in made if isinstance(row, Rejected)])
