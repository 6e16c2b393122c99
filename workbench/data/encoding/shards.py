"""Encoding a large split shard by shard, on all cores: each shard is some row groups, each worker a process.

A worker reads its row groups itself and writes its own file, so that rows never travel between processes. The shards
and what is in them do not depend on how many workers there are.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.core.parallel import cores
from workbench.core.tasks import Task
from workbench.data.encoding.batches import Rules, Tally, encode_batch, encoded_schema
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.table import damaged_parquet, rows_of

SHARD_BYTES = 4 << 20  # bytes of rows in a shard, a second or two of work
ALONE_SHARDS = 2  # shards that are done sooner here than other processes start
BATCH_ROWS = 256  # rows rendered and tokenized together
LOOK_SECONDS = 0.2  # seconds between looks at whether to stop


@dataclass(frozen=True)
class Shard:
    """Row groups `groups` of `source`, whose first row has the number `first`, and the file they are encoded into."""

    source: Path
    groups: tuple[int, ...]
    first: int
    rows: int
    target: Path


def shards_of(source: Path, folder: Path) -> list[Shard]:
    """The shards of a Parquet file, in order; raises `UserError` when it is damaged."""
    try:
        metadata = pq.read_metadata(source)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(source, error) from None
    shards: list[Shard] = []
    groups: list[int] = []
    first = rows = size = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        size += metadata.row_group(group).total_byte_size
        if size >= SHARD_BYTES or group == metadata.num_row_groups - 1:
            shards.append(Shard(source, tuple(groups), first, rows, folder / f"part-{len(shards):05}.arrow"))
            groups, first, rows, size = [], first + rows, 0, 0
    return shards


def encode_shards(shards: list[Shard], model_folder: Path, rules: Rules, task: Task) -> Tally:
    """Encodes all shards; the tally of all their rows. `task` may stop it; so does the first shard that fails."""
    total = sum(shard.rows for shard in shards)
    encoded_count = 0
    tallies: dict[int, Tally] = {}
    work = _alone if len(shards) <= ALONE_SHARDS or cores() == 1 else _pooled
    for number, tally in work(shards, model_folder, rules, task):
        tallies[number] = tally
        encoded_count += shards[number].rows
        task.update(encoded_count, total, f"Encoded {encoded_count:,} of {total:,} rows")
    whole = Tally()
    for number in sorted(tallies):
        whole.add(tallies[number])
    return whole


def encode_shard(shard: Shard, tokenizer: Tokenizer, rules: Rules, task: Task) -> Tally:
    """Encodes one shard into its file, a batch of rows at a time."""
    tally, first = Tally(), shard.first
    with pa.OSFile(str(shard.target), "wb") as sink, pa.ipc.new_file(sink, encoded_schema(rules.kind)) as file:
        for table in _tables(shard):
            task.check_stop()
            batch, counted = encode_batch(rows_of(table), first, tokenizer, rules)
            file.write_batch(batch)
            tally.add(counted)
            first += table.num_rows
    return tally


def _tables(shard: Shard) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(shard.source) as file:
            for batch in file.iter_batches(BATCH_ROWS, row_groups=list(shard.groups)):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(shard.source, error) from None


def _alone(shards: list[Shard], model_folder: Path, rules: Rules, task: Task) -> Iterator[tuple[int, Tally]]:
    tokenizer = Tokenizer.load(model_folder)
    for number, shard in enumerate(shards):
        yield number, encode_shard(shard, tokenizer, rules, task)


def _pooled(shards: list[Shard], model_folder: Path, rules: Rules, task: Task) -> Iterator[tuple[int, Tally]]:
    """Parts as they are done. Processes are spawned: one forked from a process with threads may hang."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(cores(), len(shards)), context, _start_worker, (model_folder, rules))
    try:
        waiting: dict[Future[Tally], int] = {pool.submit(_work, shard): number for number, shard in enumerate(shards)}
        while waiting:
            task.check_stop()
            ready, _ = wait(waiting, LOOK_SECONDS, FIRST_COMPLETED)
            for future in ready:
                yield waiting.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_worker_state: tuple[Tokenizer, Rules]


def _start_worker(model_folder: Path, rules: Rules) -> None:
    """Makes a worker ready: one thread a process, and an end with the process that started it."""
    global _worker_state  # noqa: PLW0603
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker_state = Tokenizer.load(model_folder), rules


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(shard: Shard) -> Tally:
    return encode_shard(shard, *_worker_state, Task())
