"""Encoding a large split part by part, on all cores: each part is some row groups, each worker a process.

A worker reads its row groups itself and writes its own file, so that rows never travel between processes. The parts
and what is in them do not depend on how many workers there are.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.core.hardware import cores
from workbench.data.encoding.batches import Rules, Tally, encode_batch, schema_of
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.table import damaged, rows_of

PART = 4 << 20  # bytes of rows in a part, a second or two of work
ALONE = 2  # parts that are done sooner here than other processes start
BATCH = 256  # rows rendered and tokenized together
LOOK = 0.2  # seconds between looks at whether to stop

Tell = Callable[[float, float, str], None]
Stop = Callable[[], None]


@dataclass(frozen=True)
class Part:
    """Row groups `groups` of `source`, whose first row has the number `first`, and the file they are encoded into."""

    source: Path
    groups: tuple[int, ...]
    first: int
    rows: int
    target: Path


def parts_of(source: Path, folder: Path) -> list[Part]:
    """The parts of a Parquet file, in order; raises `UserError` when it is damaged."""
    try:
        metadata = pq.read_metadata(source)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(source, error) from None
    parts: list[Part] = []
    groups: list[int] = []
    first = rows = size = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if size >= PART or group == metadata.num_row_groups - 1:
            parts.append(Part(source, tuple(groups), first, rows, folder / f"part-{len(parts):05}.arrow"))
            groups, first, rows, size = [], first + rows, 0, 0
    return parts


def encode_parts(parts: list[Part], model_folder: Path, rules: Rules, tell: Tell, stop: Stop) -> Tally:
    """Encodes all parts; the tally of all their rows. `stop` may raise; so does the first part that fails."""
    total = sum(part.rows for part in parts)
    done = 0
    found: dict[int, Tally] = {}
    work = _alone if len(parts) <= ALONE or cores() == 1 else _pooled
    for number, tally in work(parts, model_folder, rules, stop):
        found[number] = tally
        done += parts[number].rows
        tell(done, total, f"Encoded {done:,} of {total:,} rows")
    whole = Tally()
    for number in sorted(found):
        whole.add(found[number])
    return whole


def encode_part(part: Part, tokenizer: Tokenizer, rules: Rules, stop: Stop = lambda: None) -> Tally:
    """Encodes one part into its file, a batch of rows at a time."""
    tally, first = Tally(), part.first
    with pa.OSFile(str(part.target), "wb") as sink, pa.ipc.new_file(sink, schema_of(rules.kind)) as file:
        for table in _tables(part):
            stop()
            batch, counted = encode_batch(rows_of(table), first, tokenizer, rules)
            file.write_batch(batch)
            tally.add(counted)
            first += table.num_rows
    return tally


def _tables(part: Part) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(part.source) as file:
            for batch in file.iter_batches(BATCH, row_groups=list(part.groups)):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(part.source, error) from None


def _alone(parts: list[Part], model_folder: Path, rules: Rules, stop: Stop) -> Iterator[tuple[int, Tally]]:
    tokenizer = Tokenizer.load(model_folder)
    for number, part in enumerate(parts):
        yield number, encode_part(part, tokenizer, rules, stop)


def _pooled(parts: list[Part], model_folder: Path, rules: Rules, stop: Stop) -> Iterator[tuple[int, Tally]]:
    """Parts as they are done. Processes are spawned: one forked from a process with threads may hang."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(cores(), len(parts)), context, _start_worker, (model_folder, rules))
    try:
        waiting: dict[Future[Tally], int] = {pool.submit(_work, part): number for number, part in enumerate(parts)}
        while waiting:
            stop()
            ready, _ = wait(waiting, LOOK, FIRST_COMPLETED)
            for future in ready:
                yield waiting.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_given: tuple[Tokenizer, Rules]


def _start_worker(model_folder: Path, rules: Rules) -> None:
    """Makes a worker ready: one thread a process, and an end with the process that started it."""
    global _given  # noqa: PLW0603
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _given = Tokenizer.load(model_folder), rules


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(part: Part) -> Tally:
    return encode_part(part, *_given)
