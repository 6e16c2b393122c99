"""SECURITY.md is true: the tests it names exist, and its limits are those of the code."""

import re
from pathlib import Path

import pytest

from workbench.core import errors, limits
from workbench.data.reading import compressed, lines, readers
from workbench.gguf import reading
from workbench.models import safetensors_files
from workbench.rows import bounds

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
MB, GB = 1024**2, 1024**3


def named_tests() -> list[str]:
    return sorted(set(re.findall(r"`((?:browser/)?test_\w+)`", PAGE)))


@pytest.mark.parametrize("name", named_tests())
def test_a_test_that_is_named_exists(name: str) -> None:
    assert list((ROOT / "tests").rglob(f"{name}.py"))


def test_every_promise_names_a_test() -> None:
    tables = re.findall(r"^\| Promise .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    promises = [line for table in tables for line in table.splitlines()]
    assert len(promises) >= 40
    assert [line for line in promises if "test_" not in line.split("|")[3]] == []


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("one row, line, record or paragraph", (lines.MAX_LINE_BYTES // MB, "64 MB")),
        ("one row, line, record or paragraph", (bounds.MOST_COLUMNS, "10,000 columns")),
        ("one row, line, record or paragraph", (bounds.MOST_VALUES, "1,000,000 values")),
        ("one row, line, record or paragraph", (limits.MOST_LEVELS, "100 lists and objects")),
        ("a packed file (.gz, .zst) or a Parquet file", (compressed.MOST_RATIO, "200 times")),
        ("a packed file (.gz, .zst) or a Parquet file", (compressed.CALM_BYTES // MB, "from 64 MB on")),
        ("a packed file (.gz, .zst) or a Parquet file", (compressed.MOST_BYTES // GB, "packed files 4 GB")),
        ("a JSON file, which is read whole", (readers.MAX_JSON_BYTES // GB, "1 GB of text")),
        ("a JSON file, which is read whole", (bounds.MOST_JSON_VALUES, "20,000,000 values")),
        ("the header of a safetensors file", (safetensors_files.MOST_HEADER_BYTES // MB, "32 MB")),
        ("the header of a safetensors file", (safetensors_files.MOST_TENSORS, "100,000 tensors")),
        ("the header of a GGUF file", (reading.MOST_TENSORS, "100,000 tensors")),
        ("the header of a GGUF file", (reading.MOST_KEYS, "10,000 keys")),
        ("an error's text", (errors.MOST_CHARACTERS, "2,000 characters")),
        ("an error's text", (errors.MOST_PROBLEMS, "100 problems")),
    ],
)
def test_a_limit_is_what_the_page_says(what: str, limit: tuple[int, str]) -> None:
    value, text = limit
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {what} |"))
    assert text in line and f"{value:,}" in text
