"""Digests of canonical rows, a whole table at once: equal rows have equal digests, whatever table they lie in."""

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.arrays import EXTRAS, FIELDS, decoded
from workbench.data.spread import spread

SIZE = 16
CONTROL = r"[\x00-\x1f]"
ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\b", "\\b"), ("\f", "\\f"))
OTHERS = {chr(code) for code in range(32)} - {*"\n\r\t\b\f"}
ESCAPED = {*OTHERS, *(plain for plain, _ in ESCAPES)}


def row_digests(table: pa.Table) -> list[bytes]:
    """16 bytes for every row: BLAKE2b of its JSON text with sorted keys, as `row_text` writes it.

    The texts are put together column by column, which takes a tenth of the time of `json.dumps` on every row.
    """
    if any(_has_more(field) for field in table.schema):
        return [_digest(row_text(row).encode()) for batch in table.to_batches() for row in _rows(batch)]
    made = spread(_texts, table.to_batches())
    return [_digest(text) for texts in made for text in texts.cast(pa.binary()).to_pylist()]


def row_text(row: dict[str, Any]) -> str:
    """A canonical row as JSON with sorted keys."""
    return json.dumps(row, sort_keys=True, ensure_ascii=False)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=SIZE).digest()


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return decoded(pa.Table.from_batches([batch]))


def _has_more(field: pa.Field) -> bool:
    """Whether a column holds what only some rows have, so that no text fits all of them."""
    if field.name in EXTRAS:
        return True
    return pa.types.is_list(field.type) and any(field.type.value_type.get_field_index(name) >= 0 for name in FIELDS)


def _texts(batch: pa.RecordBatch) -> pa.StringArray:
    parts: list[Any] = []
    for name in sorted(name for name in batch.schema.names if not name.startswith("_")):
        parts += [f'{", " if parts else "{"}"{name}": ', _text_of(batch.column(name))]
    return pc.binary_join_element_wise(*parts, "}", "")


def _text_of(column: pa.Array) -> pa.StringArray:
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "true", "false")
    if pa.types.is_string(column.type):
        return pc.binary_join_element_wise('"', _escaped(column), '"', "")
    turns = column.flatten()
    content, role = _escaped(turns.field("content")), turns.field("role")
    written = pc.binary_join_element_wise('{"content": "', content, '", "role": "', role, '"}', "")
    starts = pc.subtract(column.offsets, column.offsets[0])
    return pc.binary_join_element_wise("[", pc.binary_join(pa.ListArray.from_arrays(starts, written), ", "), "]", "")


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    """The texts as they stand between the quotes of a JSON string."""
    letters = _letters(texts)
    for plain, escaped in ESCAPES:
        if plain in letters:
            texts = pc.replace_substring(texts, plain, escaped)
    if not letters & OTHERS:
        return texts
    rest = pc.match_substring_regex(texts, CONTROL)
    found = [_controls(text) for text in pc.filter(texts, rest).to_pylist()]
    return pc.replace_with_mask(texts, rest, pa.array(found, pa.string()))


def _letters(texts: pa.StringArray) -> set[str]:
    """Which of the letters that JSON escapes are in the texts, by a look at their bytes."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return set()
    marks = np.frombuffer(offsets, np.int32)
    first, last = marks[texts.offset], marks[texts.offset + len(texts)]
    whole = bytes(memoryview(data)[first:last])
    return {letter for letter in ESCAPED if letter.encode() in whole}


def _controls(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" if letter < " " else letter for letter in text)
