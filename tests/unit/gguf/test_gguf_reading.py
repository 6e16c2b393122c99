"""Headers of strangers: read right, and refused with a reason wherever they lie."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gguf_files import SORTS, Sort, write
from workbench.core.errors import UserError
from workbench.gguf.reading import Array, read_header

KEY = "general.architecture"


def text(words: str | bytes) -> bytes:
    data = words.encode() if isinstance(words, str) else words
    return struct.pack("<Q", len(data)) + data


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def tensor(name: str = "a.weight", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


ARCHITECTURE = key(KEY, 8, text("llama"))


def built(
    path: Path, keys: list[bytes], tensors: list[bytes], data: int = 128, version: int = 3,
    counts: tuple[int, int] | None = None,
) -> Path:  # fmt: skip
    number = counts or (len(tensors), len(keys))
    header = b"GGUF" + struct.pack("<IQQ", version, *number) + b"".join(keys) + b"".join(tensors)
    path.write_bytes(header + bytes(-len(header) % 32) + bytes(data))
    return path


def raw(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_it_tells_what_a_file_is(tmp_path: Path) -> None:
    made = write(tmp_path / "plain.gguf", SORTS["plain"], template="{{ messages }}")
    header = read_header(tmp_path / "plain.gguf")
    assert header.to_dict() == {
        "architecture": "llama", "type": "F16", "parameters": sum(data.size for data in made.values()),
        "context_length": 512, "chat_template": True, "tokenizer": "gpt2",
    }  # fmt: skip
    assert {tensor.name: tensor.shape for tensor in header.tensors} == {n: d.shape[::-1] for n, d in made.items()}
    assert header.values["tokenizer.ggml.tokens"] == Array(8, 3000)
    content = (tmp_path / "plain.gguf").read_bytes()
    assert all(content[one.start : one.start + one.size] == made[one.name].tobytes() for one in header.tensors)
    start, end = header.spans["llama.context_length"]
    assert content[start:end] == key("llama.context_length", 4, struct.pack("<I", 512))


def test_it_reads_what_the_official_reader_reads(tmp_path: Path) -> None:
    from gguf import GGUFReader

    write(tmp_path / "experts.gguf", SORTS["experts"])
    header, theirs = read_header(tmp_path / "experts.gguf"), GGUFReader(tmp_path / "experts.gguf")
    assert [(one.name, one.shape, one.start, one.size) for one in header.tensors] == [
        (one.name, tuple(int(size) for size in one.shape), one.data_offset, one.n_bytes) for one in theirs.tensors
    ]
    assert set(header.values) == {name for name in theirs.fields if not name.startswith("GGUF.")}


ONE = [ARCHITECTURE]
LIES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no magic": (lambda path: raw(path, b"PK\3\4" + bytes(60)), "is no GGUF file"),
    "empty": (lambda path: raw(path, b""), "ends early"),
    "big-endian": (lambda path: raw(path, b"GGUF" + struct.pack(">IQQ", 3, 0, 0)), "big-endian"),
    "version 1": (lambda path: built(path, ONE, [], version=1), "version 1"),
    "version 99": (lambda path: built(path, ONE, [], version=99), "version 99"),
    "countless tensors": (lambda path: built(path, ONE, [], counts=(2**63, 1)), "claims to hold"),
    "more tensors than room": (lambda path: built(path, ONE, [], counts=(5000, 1)), "claims to hold"),
    "countless keys": (lambda path: built(path, ONE, [], counts=(0, 2**40)), "claims to hold"),
    "endless key": (lambda path: built(path, [struct.pack("<Q", 2**62)], []), "a text claims"),
    "endless text": (lambda path: built(path, [key(KEY, 8, struct.pack("<Q", 2**62))], []), "a text claims"),
    "long text, short file": (lambda path: built(path, [key(KEY, 8, struct.pack("<Q", 10_000))], []), "ends early"),
    "nameless key": (lambda path: built(path, [key("", 4, bytes(4))], []), "has no name"),
    "key twice": (lambda path: built(path, ONE * 2, []), "is there twice"),
    "strange type": (lambda path: built(path, [key("a", 77, bytes(64))], []), "the type 77"),
    "nested arrays": (lambda path: built(path, [key("a", 9, struct.pack("<IQ", 9, 1) + bytes(64))], []), "arrays"),
    "endless array": (lambda path: built(path, [key("a", 9, struct.pack("<IQ", 4, 2**60))], []), "claims to hold"),
    "endless texts": (lambda path: built(path, [key("a", 9, struct.pack("<IQ", 8, 2**60))], []), "claims to hold"),
    "text leads out": (
        lambda path: built(path, [key("a", 9, struct.pack("<IQ", 8, 3000) + struct.pack("<Q", 2**60) * 3000)], []),
        "ends early",
    ),
    "alignment 0": (lambda path: built(path, [key("general.alignment", 4, struct.pack("<I", 0))], []), "alignment"),
    "alignment 48": (lambda path: built(path, [key("general.alignment", 4, struct.pack("<I", 48))], []), "alignment"),
    "huge alignment": (
        lambda path: built(path, [key("general.alignment", 4, struct.pack("<I", 2**31))], []),
        "alignment",
    ),
    "alignment in words": (lambda path: built(path, [key("general.alignment", 8, text("32"))], []), "alignment"),
    "no dimensions": (lambda path: built(path, ONE, [tensor(shape=())]), "0 dimensions"),
    "nine dimensions": (lambda path: built(path, ONE, [tensor(shape=(1,) * 9)]), "9 dimensions"),
    "empty dimension": (lambda path: built(path, ONE, [tensor(shape=(32, 0))]), "cannot have the shape"),
    "overflowing shape": (lambda path: built(path, ONE, [tensor(shape=(2**32, 2**32))]), "cannot have the shape"),
    "half a block": (lambda path: built(path, ONE, [tensor(shape=(40,), kind=8)]), "cannot have the shape"),
    "unknown tensor type": (lambda path: built(path, ONE, [tensor(kind=4)]), "has the type 4"),
    "long tensor name": (lambda path: built(path, ONE, [tensor("n" * 64)]), "a text claims"),
    "tensor twice": (lambda path: built(path, ONE, [tensor(), tensor(offset=128)], data=256), "is there twice"),
    "unaligned": (lambda path: built(path, ONE, [tensor(offset=8)], data=256), "not aligned"),
    "overlapping": (lambda path: built(path, ONE, [tensor(), tensor("b.weight", offset=64)], data=512), "overlaps"),
    "after the end": (lambda path: built(path, ONE, [tensor(offset=2**62)]), "after the file"),
    "cut off": (lambda path: built(path, ONE, [tensor()], data=96), "ends 32 bytes after the file"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_in_words_and_little_memory(lie: str, tmp_path: Path) -> None:
    make, reason = LIES[lie]
    path = make(tmp_path / "lie.gguf")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=reason) as told:
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert told.value.remedy and told.value.field == "path"


def test_every_cut_and_every_changed_byte_is_refused_or_read(tmp_path: Path) -> None:
    """Nothing but a `UserError` comes out of a damaged file."""
    write(tmp_path / "plain.gguf", Sort(layers=1))
    content = (tmp_path / "plain.gguf").read_bytes()
    end = read_header(tmp_path / "plain.gguf").data_start
    damaged = tmp_path / "damaged.gguf"
    for place in [*range(0, 600, 3), *range(600, end, 997)]:
        for changed in (content[:place], content[:place] + b"\xff" + content[place + 1 :]):
            damaged.write_bytes(changed)
            try:
                read_header(damaged)
            except UserError as error:
                assert error.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_header(tmp_path / "missing.gguf")


def test_a_file_without_a_type_has_that_of_most_weights(tmp_path: Path) -> None:
    tensors = [tensor(shape=(32,)), tensor("b.weight", shape=(256,), kind=12, offset=128)]
    header = read_header(built(tmp_path / "a.gguf", ONE, tensors, data=512))
    assert (header.type, header.parameters, header.context_length) == ("Q4_K", 288, 0)
