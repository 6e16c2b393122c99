"""Hostile sources: clear errors that name the place and the remedy, and nothing half-made."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.reading import compressed, lines, opening
from workbench.data.recipes.importing import import_by_recipe, import_dataset, import_recipe, rejected, source_of
from workbench.data.recipes.step import StepWork
from workbench.data.sources.source import SOURCES
from workbench.data.store import datasets

ROW = '{"prompt": "q", "completion": "a"}\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def refused(home: Home, path: Path, reason: str, **options: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        import_dataset(home, path, "x", **options)  # type: ignore[arg-type]
    assert caught.value.remedy and list(home.datasets.glob("[!.]*")) == []


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_bombs(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    pack = gzip.compress if suffix == "gz" else zstd
    monkeypatch.setattr(compressed, "CALM_BYTES", 1_000_000)
    bomb = write(tmp_path, f"a.jsonl.{suffix}", pack(b'{"text": "' + b"x" * 20_000_000))
    refused(home, bomb, "more than 200 times its size")
    monkeypatch.setattr(compressed, "MOST_BYTES", 1000)
    refused(home, write(tmp_path, f"b.jsonl.{suffix}", pack(ROW.encode() * 100)), r"unpacks to more than .* GB")


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_damaged_archives(home: Home, tmp_path: Path, suffix: str) -> None:
    pack = gzip.compress if suffix == "gz" else zstd
    noise = "".join(f'{{"text": "{number * 7919 % 10007}"}}\n' for number in range(5000)).encode()
    refused(home, write(tmp_path, f"a.jsonl.{suffix}", pack(noise)[:-500]), "is damaged")
    refused(home, write(tmp_path, f"b.jsonl.{suffix}", b"no archive at all"), "is damaged")
    refused(home, write(tmp_path, f"c.jsonl.{suffix}", pack(b"")), "holds no rows")


def test_a_line_without_end(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 3000)
    monkeypatch.setattr(opening, "BLOCK_BYTES", 1000)
    endless = '{"prompt": "' + "é" * 20_000
    path = write(tmp_path, "a.jsonl", ROW + endless + '"}\n' + ROW)
    made = import_dataset(home, path, "a", eval_fraction=0)
    assert made.info["rows"]["train"] == 2 and made.info["rejected"] == 1
    found = rejected(home, "a")[0]
    assert found.where == "a.jsonl line 2" and "longer than 64 MB" in found.reason and len(found.raw) <= 500
    datasets.delete_dataset(home, "a")
    refused(home, write(tmp_path, "b.jsonl", endless), "longer than 64 MB")


@pytest.mark.parametrize("block", [7, 64, 2**21])
def test_bad_lines_are_named_and_the_others_kept(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(opening, "BLOCK_BYTES", block)
    bad = {
        2: ('{"prompt": "q", "completion": "a\0"}', "NUL bytes"),
        3: ('{"prompt": ' + "[" * 20_000 + "]" * 20_000 + "}", "not usable JSON"),
        4: ('{"prompt": "q", "completion": "\\ud83d"}', "surrogate"),
        5: ('{"prompt": "q", "completion": NaN}', "is nan, not text"),
        6: ('{"prompt": "q", "completion": ' + "9" * 5000 + "}", "not usable JSON"),
        7: ('{"prompt": "q", "completion": {"a": 1}}', "is an object, not text"),
        8: ('{"prompt": "q"}', "no column 'completion'"),
        9: ('{"prompt": "q", "completion": "a"', "not valid JSON"),
    }
    text = (
        ROW + "\n".join(line for line, _ in bad.values()) + "\n" + ROW * 9 + '{"late": 1, "prompt": 1, "completion": 2}'
    )
    made = import_dataset(home, write(tmp_path, "a.jsonl", text), "a", eval_fraction=0)
    assert made.info["rows"]["train"] == 11 and made.info["rejected"] == len(bad)
    found = rejected(home, "a")
    assert [row.line for row in found] == list(bad)
    for row in found:
        assert bad[row.line][1] in row.reason, row
    assert rejected(home, "a", 3, 2) == found[3:5] and rejected(home, "a", 99) == []
    assert datasets.rows(home, "a")[-1]["messages"][1]["content"] == "2"


def test_text_is_kept_literally(home: Home, tmp_path: Path) -> None:
    said = "${HOME} {{x}} <script>alert(1)</script> %s \u2028 \x7f \\n"
    row = {"messages": [{"role": "user", "content": said}, {"role": "assistant", "content": said + "\u0000"}]}
    import_dataset(home, write(tmp_path, "a.jsonl", json.dumps(row)), "a")
    assert datasets.rows(home, "a") == [row]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_encodings(home: Home, tmp_path: Path, encoding: str, name: str) -> None:
    text = '{"prompt": "é", "completion": "ß"}\n' if name == "a.jsonl" else "prompt,completion\né,ß\n"
    chosen = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    import_dataset(home, write(tmp_path, name, text.encode(encoding)), "a", encoding=chosen)
    assert [turn["content"] for turn in datasets.rows(home, "a")[0]["messages"]] == ["é", "ß"]


def test_wrong_encodings_name_the_byte(home: Home, tmp_path: Path) -> None:
    latin = write(tmp_path, "a.jsonl", ROW.encode() * 3000 + '{"prompt": "é"}'.encode("latin-1"))
    refused(home, latin, f"a.jsonl is not UTF-8: byte {len(ROW) * 3000 + 12:,} cannot be decoded")
    refused(home, write(tmp_path, "c.csv", b"prompt,completion\n\x81,b\n"), "byte 18", encoding="cp1252")
    refused(home, write(tmp_path, "d.jsonl", "\ufeffab".encode("utf-16-le")[:-1]), "UTF-16|decoded", encoding="utf-16")
    with pytest.raises(UserError, match="surrogate"):
        import_dataset(home, '{"text": "\ud83d"}', "x")


def test_duplicate_keys_and_mixed_columns(home: Home, tmp_path: Path) -> None:
    text = '{"text": "first", "text": "second"}\n{"text": 5, "x": 1}\n{"text": "t", "x": [1]}\n{"x": {}, "text": "u"}\n'
    made = import_dataset(home, write(tmp_path, "a.jsonl", text), "a", eval_fraction=0)
    assert made.info["rejected"] == 0
    assert [row["text"] for row in datasets.rows(home, "a")] == ["second", "5", "t", "u"]


@pytest.mark.parametrize("name", ["../up", "/etc/x", "a/b", "..", "a\0b", "~"])
def test_names_that_lead_elsewhere(home: Home, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="name"):
        import_dataset(home, write(tmp_path, "a.jsonl", ROW), name)
    assert list(home.datasets.iterdir()) == []


def test_links(home: Home, tmp_path: Path) -> None:
    real = write(tmp_path, "real.jsonl", ROW)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.jsonl").symlink_to(real)
    import_dataset(home, folder / "link.jsonl", "named")
    with pytest.raises(UserError, match="link out of"):
        import_dataset(home, SOURCES.parse({"method": "files", "paths": [str(folder)]}), "x")
    assert [path.name for path in home.datasets.iterdir()] == ["named"]


def test_a_stop_leaves_nothing(home: Home, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    recipe = import_recipe("x", source_of(write(tmp_path, "a.jsonl", ROW)), 0.1, 0)
    with pytest.raises(Stopped):
        import_by_recipe(home, recipe, StepWork(home, Task(check_stop=stop)))
    assert list(home.datasets.iterdir()) == []
