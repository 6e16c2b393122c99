"""The cache of encoded rows: what a dataset is for one model, template and length, made once and mapped into memory.

`cache/encoded/KEY` holds the rows of one split as Arrow files, one for every few row groups of the dataset, and
report.json, which tells what became of the rows and what the files must be. A folder appears whole or not at all, may
be deleted at any time, and is made anew when it is damaged. The key is everything the ids depend on, so nothing in it
is ever stale; what was used longest ago goes when all of it takes more than `LIMIT` bytes.
https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format
"""

import contextlib
import datetime
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import PARTIAL, Home
from workbench.core.lineage import read_manifest
from workbench.core.tasks import Task
from workbench.data.encoding.batches import Rules, Tally, encoded_schema
from workbench.data.encoding.shards import encode_shards, shards_of
from workbench.data.store.datasets import dataset_folder
from workbench.data.store.locks import prune_cache

ENCODING_ROOMS = ("data/encoding", "rendering", "rows")
LIMIT_BYTES = 20 * 10**9  # bytes of encoded rows kept for later runs
REPORT = "report.json"
CHUNK_BYTES = 1 << 24  # bytes hashed at once
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True)
class EncodedRows:
    """The rows of a split that can be learned from, memory-mapped, as `encoded_schema` has them."""

    key: str
    table: pa.Table = field(repr=False)
    tally: Tally

    def __len__(self) -> int:
        return int(self.table.num_rows)


def encoded_rows(
    home: Home,
    dataset: str,
    split: str,
    model_folder: Path,
    rules: Rules,
    task: Task | None = None,
) -> EncodedRows:
    """The rows of a split as the tokenizer in `model_folder` and the rules make them, from the cache or made now.

    `task` is told of the rows while they are made, and may stop that. Raises `UserError` when there is no such dataset
    or tokenizer, and when the template has to be stopped.
    """
    source = dataset_folder(home, dataset) / f"{split}.parquet"
    key = _key(source, split, model_folder, rules)
    folder = home.cache / "encoded" / key
    if (encoded := _opened(folder, rules.kind)) is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)  # whatever is there cannot be read
        _make(folder, source, model_folder, rules, task or Task())
        prune_cache(folder.parent, {key}, LIMIT_BYTES)
        encoded = _opened(folder, rules.kind)
    if encoded is None:
        raise UserError("The encoded rows cannot be read back.", "Check the disk that holds the cache.", "dataset")
    return encoded


def _key(source: Path, split: str, model_folder: Path, rules: Rules) -> str:
    """A digest of everything the ids of a split depend on."""
    status = source.stat()
    total = hashlib.sha256(_renderer_digest().encode())
    parts = [read_manifest(source.parent).digest, split, str(status.st_size), str(status.st_mtime_ns)]
    parts += [rules.kind, rules.template.text, str(rules.max_length), rules.train_on]
    if "strftime_now" in rules.template.text:
        parts.append(datetime.date.today().isoformat())
    for name in TOKENIZER_FILES:
        path = model_folder / name
        parts.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
    total.update("\0".join(parts).encode())
    return total.hexdigest()[:32]


@functools.cache
def _renderer_digest() -> str:
    """Changes with whatever makes ids of rows: the modules of the rooms that do, Jinja and the tokenizers.

    All of their modules, so that nobody has to remember to name a new one here: a cache that is made anew after an
    upgrade costs less than one that is stale.
    """
    modules = [path for room in ENCODING_ROOMS for path in sorted((ROOT / "workbench" / room).glob("*.py"))]
    sources = [path.read_bytes() for path in modules]
    versions = [importlib.metadata.version(name) for name in ("jinja2", "tokenizers")]
    return hashlib.sha256(b"\0".join([*sources, *(version.encode() for version in versions)])).hexdigest()


def _make(folder: Path, source: Path, model_folder: Path, rules: Rules, task: Task) -> None:
    """Encodes a split into a folder that takes its name at the end.

    Another job may have put it there by then; it is the same.
    """
    partial = folder.with_name(f"{PARTIAL}{folder.name}-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    partial.mkdir()
    try:
        shards = shards_of(source, partial)
        tally = encode_shards(shards, model_folder, rules, task)
        files = [{"name": shard.target.name, **_described(shard.target)} for shard in shards]
        _write_report(partial / REPORT, {"tally": tally.to_dict(), "files": files})
        with contextlib.suppress(OSError):
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_report(path: Path, report: dict[str, Any]) -> None:
    text = json.dumps(report)
    path.write_text(json.dumps({"digest": xxhash.xxh3_128_hexdigest(text.encode()), "report": text}), "utf-8")


def _read_report(path: Path) -> dict[str, Any]:
    """What was written; raises `ValueError`, `KeyError`, `TypeError` or `OSError` when it is not that any more."""
    whole = json.loads(path.read_text("utf-8"))
    if xxhash.xxh3_128_hexdigest(whole["report"].encode()) != whole["digest"]:
        raise ValueError(f"{path.name} is damaged")
    report: dict[str, Any] = json.loads(whole["report"])
    return report


def _described(path: Path) -> dict[str, Any]:
    """The size and digest of a file, read a part at a time."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return {"size": path.stat().st_size, "digest": digest.hexdigest()}


def _opened(folder: Path, kind: str) -> EncodedRows | None:
    """What lies in a folder, or None when it is not there or not what was written."""
    try:
        report = _read_report(folder / REPORT)
        tables = [_mapped(folder / file["name"], file) for file in report["files"]]
        none = pa.Table.from_batches([], encoded_schema(kind))  # empty_table() would import pandas
        encoded = EncodedRows(folder.name, pa.concat_tables([none, *tables]), Tally.from_dict(report["tally"]))
    except (OSError, ValueError, KeyError, TypeError):  # pyarrow's errors are ValueErrors or OSErrors
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)  # the last use
    return encoded


def _mapped(path: Path, expected: dict[str, Any]) -> pa.Table:
    actual = _described(path)
    if any(actual[name] != expected[name] for name in actual):
        raise ValueError(f"{path.name} is damaged")
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
