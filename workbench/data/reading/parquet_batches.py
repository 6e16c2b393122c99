"""Batches of a Parquet file that are small when they are decoded, whatever they are on the disk.

A value may be written once and meant a million times (dictionary pages, https://parquet.apache.org/docs/file-format/
data-pages/encodings/), so the bytes of a file say little about those of its rows. Such columns are read as Arrow
dictionaries, which keep each value once, and are measured before any row is made of them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.core.errors import UserError
from workbench.data.reading import compressed, lines
from workbench.rows.bounds import MOST_COLUMNS

MOST_ROWS = 1000  # of a batch
MOST_BYTES = 16 * 1024**2  # of a decoded batch of several rows
MOST_CHUNKS = 1_000_000  # columns times row groups: each costs memory before anything is read
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}  # bytes; of texts their offset, 4
BYTES = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
ROW_BYTES = 64  # what a row is counted as besides its values: in Python it takes more
DICTIONARY = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
READ_AS_DICTIONARY = {*DICTIONARY, "PLAIN", "RLE", "BIT_PACKED"}


def bounded_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows in batches of at most 16 MB decoded, or of one row of at most 64 MB; texts may be Arrow dictionaries.

    Raises `UserError` for a file with too many columns, with rows over 64 MB, or whose rows take, from 64 MB on, more
    than 200 times its size; and what pyarrow raises for one that is damaged.
    """
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
    _check_shape(path, metadata)
    most = max(compressed.CALM_BYTES, compressed.MOST_RATIO * path.stat().st_size)
    with path.open("rb") as raw:
        chunks = [_Column(metadata, number, raw) for number in range(metadata.num_columns)]
    stored, least = sum(chunk.stored for chunk in chunks), sum(chunk.least for chunk in chunks)
    if max(stored, least, metadata.num_rows * ROW_BYTES) > most:
        raise compressed.too_much(path)
    total = 0
    with pq.ParquetFile(path, read_dictionary=[chunk.path for chunk in chunks if chunk.as_dictionary]) as file:
        for batch in file.iter_batches(_rows_at_once(chunks)):
            for piece, size in _pieces(path, batch):
                total += size + ROW_BYTES * piece.num_rows
                if total > most:
                    raise compressed.too_much(path)
                yield piece


def _check_shape(path: Path, metadata: Any) -> None:
    if metadata.num_columns > MOST_COLUMNS:
        raise UserError(
            f"{path.name} has {metadata.num_columns:,} columns, more than {MOST_COLUMNS:,}.",
            "Leave out those that are not needed.",
            "source",
        )
    if metadata.num_columns * metadata.num_row_groups > MOST_CHUNKS:
        raise UserError(
            f"{path.name} is divided into {metadata.num_row_groups:,} groups of rows.",
            "Save it in larger ones.",
            "source",
        )


class _Column:
    """What the file's metadata tells of one column, over all groups of rows. Sizes in bytes."""

    def __init__(self, metadata: Any, number: int, file: BinaryIO):
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        parts = [group.column(number) for group in groups]
        kind = metadata.schema.column(number).physical_type
        encodings = {encoding for chunk in parts for encoding in chunk.encodings}
        self.path = metadata.schema.column(number).path
        self.stored = sum(chunk.total_uncompressed_size for chunk in parts)
        self.least = sum(chunk.num_values for chunk in parts) * WIDTHS.get(kind, 4)
        repeats = kind in BYTES and bool(encodings & {*DICTIONARY, "DELTA_BYTE_ARRAY"})
        # pyarrow reads no fixed widths that way, and within lists and objects not every file
        is_flat = kind == "BYTE_ARRAY" and "." not in self.path
        self.as_dictionary = repeats and is_flat and encodings <= READ_AS_DICTIONARY
        self.longest_row = 0
        if repeats and not self.as_dictionary:
            pairs = zip(groups, parts, strict=True)
            self.longest_row = max((_row_bytes(group.num_rows, chunk, file) for group, chunk in pairs), default=0)


def _row_bytes(rows: int, chunk: Any, file: BinaryIO) -> int:
    """What a row may take whose every value is the longest that is written once and meant often."""
    longest = chunk.total_uncompressed_size
    if chunk.dictionary_page_offset and "DELTA_BYTE_ARRAY" not in chunk.encodings:
        file.seek(chunk.dictionary_page_offset)
        longest = min(longest, _page_bytes(file.read(32)) or longest)
    return int(longest * max(1, -(-chunk.num_values // max(1, rows))))


def _page_bytes(header: bytes) -> int:
    """The decompressed size a page's header tells, its second field; 0 if it is not written as usual.

    https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (PageHeader), in Thrift's
    compact protocol: each field is a byte 0x15 and a number in zigzag form, seven bits a byte.
    """
    values, at = [], 0
    for _ in range(2):
        if header[at : at + 1] != b"\x15":
            return 0
        value, shift, at = 0, 0, at + 1
        while at < len(header):
            value |= (header[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if header[at - 1] < 128:
                break
        values.append(value >> 1)
    return values[1]


def _rows_at_once(columns: list[_Column]) -> int:
    """So few that they fit even if all repeat the longest value of their group of rows, where it is not kept once."""
    longest = sum(column.longest_row for column in columns)
    return max(1, min(MOST_ROWS, lines.MAX_LINE_BYTES // longest)) if longest else MOST_ROWS


def _pieces(path: Path, batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The batch in pieces that are small enough, with their decoded bytes."""
    size = sum(_decoded_bytes(column) for column in batch.columns)
    if size <= MOST_BYTES:
        yield batch, size
    elif batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _pieces(path, batch.slice(0, half))
        yield from _pieces(path, batch.slice(half))
    elif size <= lines.MAX_LINE_BYTES:
        yield batch, size
    else:
        raise UserError(f"{path.name} holds rows of more than 64 MB.", "Divide them.", "source")


def _decoded_bytes(array: pa.Array) -> int:
    """The bytes of an array with every value of a dictionary written out."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary).cast(pa.int64())
        return int(pc.sum(lengths.take(array.indices)).as_py() or 0) + 4 * len(array)
    if pa.types.is_struct(kind):
        return sum(_decoded_bytes(child) for child in array.flatten())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _decoded_bytes(array.flatten()) + 4 * len(array)
    return int(array.nbytes)
