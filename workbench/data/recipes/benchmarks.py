"""The prompts of benchmarks that training data must not contain, from the shelf or from files of the home."""

import hashlib
import json
from typing import Any

from workbench.core.errors import UserError
from workbench.core.home import Home, safe_join
from workbench.data.recipes.turns import in_one_piece
from workbench.data.store.datasets import dataset_folder, dataset_kind
from workbench.rows.split_rows import Rows
from workbench.rows.table import read_table_file

FOLDER = "benchmarks"
FIELDS = ("prompt", "question", "problem", "instruction", "text", "input", "query", "goal")
MOST_BYTES = 500_000_000


def dataset_prompts(home: Home, name: str) -> list[str]:
    """The prompts of a dataset of the shelf, train and eval; its texts where it is plain text. Raises `UserError`."""
    folder, kind = dataset_folder(home, name), dataset_kind(home, name)
    files = [path for split in ("train", "eval") if (path := folder / f"{split}.parquet").is_file()]
    scope: Any = "all" if kind == "text" else "user"
    texts_by_split = [in_one_piece(Rows(kind, read_table_file(path)).texts(scope)).to_pylist() for path in files]
    return [text for texts in texts_by_split for text in texts if text.strip()]


def file_prompts(home: Home, name: str) -> list[str]:
    """The prompts of a file in benchmarks/: a line each, or JSON lines with one of the usual fields.

    Raises `UserError` naming the first line that cannot be read.
    """
    path = _file(home, name)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{name} is not UTF-8 text.", "Save it as UTF-8.", "file") from None
    if path.suffix not in (".jsonl", ".json"):
        return [line.strip() for line in lines if line.strip()]
    return [_prompt(line, number, name) for number, line in enumerate(lines, 1) if line.strip()]


def file_digest(home: Home, name: str) -> str:
    """SHA-256 of a file in benchmarks/. Raises `UserError`."""
    with _file(home, name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(home: Home, name: str) -> Any:
    folder = home.root / FOLDER
    path = safe_join(folder, name, "file")
    if not path.is_file():
        names = (
            ", ".join(sorted(entry.name for entry in folder.glob("*") if entry.is_file())) if folder.is_dir() else ""
        )
        raise UserError(f"There is no file {name!r} in {folder}.", f"There are: {names or 'none yet'}.", "file")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{name} is larger than {MOST_BYTES // 1_000_000} MB.", "Import it as a dataset.", "file")
    return path


def _prompt(line: str, number: int, name: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"Line {number} of {name} is not JSON.", "Write one JSON object a line.", "file") from None
    if isinstance(row, str):
        return row
    texts = [row[field] for field in FIELDS if isinstance(row, dict) and isinstance(row.get(field), str)]
    if not texts:
        names = ", ".join(FIELDS)
        raise UserError(f"Line {number} of {name} has no prompt.", f"Name the field one of: {names}.", "file")
    return str(texts[0])
