"""What lies under the name of a safetensors file and is none is named for what it is, with the remedy that fits."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from workbench.core.errors import UserError
from workbench.inference.gguf_lora import _pairs
from workbench.models import tensors
from workbench.models.safetensors_files import MOST_HEADER_BYTES, check_header, opened
from workbench.models.weights import Tensors
from workbench.training.averaging import average

WHOLE = save({"a": np.ones((4, 8), np.float32), "b": np.zeros(3, np.float32)})
HEADER = 8 + int.from_bytes(WHOLE[:8], "little")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def zipped() -> bytes:
    file = io.BytesIO()
    torch.save({"a": torch.ones(3)}, file)
    assert zipfile.is_zipfile(file)
    return file.getvalue()


def message(content: bytes, folder: Path) -> str:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(tensors.shapes(folder))
    assert caught.value.remedy and "Copy the missing files" not in caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "says", "remedy"),
    [
        (b"", "is empty", "Download the file again"),
        (b"\0" * 4096, "its download was not finished", "Download the file again"),
        (bytes(range(7, 107)), "begins with the bytes 07 08", "Download the file again"),
        (POINTER, "a git LFS pointer", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page", "sign-in"),
        (b"\xef\xbb\xbf<html>" + "né".encode() * 400, "a web page", "sign-in"),
        (b'{"error": "Entry not found"}', "text: '{\"error\": \"Entry", "a server answered"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>" * 20, "text: \"<?xml", "a server answered"),
        (zipped(), "a zip archive, as torch.save", "pickles can run code"),
        (pickle.dumps({"a": [1.0] * 50}), "a Python pickle", "pickles can run code"),
        (b"GGUF\x03\0\0\0" + bytes(64), "a GGUF file", "Import it as a GGUF"),
        (b"\x1f\x8b\x08\0" + bytes(64), "a gzip archive", "Unpack it"),
        (WHOLE[: HEADER - 5], "ends within its header, after", "Download the file again"),
        (WHOLE[:-1], f"was cut off: it has {len(WHOLE) - 1:,} bytes of {len(WHOLE):,}", "Download the file again"),
        (struct.pack("<Q", 20) + b"{" * 40, "is damaged", "again"),
    ],
    ids=[
        "empty", "zeros", "garbage", "pointer", "page", "marked-page", "reply", "xml", "torch-save", "pickle", "gguf",
        "gzip", "half-a-header", "cut-off", "no-json",
    ],
)  # fmt: skip
def test_what_it_is_and_what_helps(content: bytes, says: str, remedy: str, tmp_path: Path) -> None:
    told = message(content, tmp_path)
    assert says in told and remedy in told


def test_a_header_over_the_limit_is_said_of_a_file_that_has_one(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    length = MOST_HEADER_BYTES + 8
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length) + b'{"a":')
        file.truncate(8 + length)
    with pytest.raises(UserError, match="over 32 MB"):
        check_header(path)


@given(st.one_of(st.binary(max_size=80), st.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end])))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "model.safetensors"
    path.write_bytes(content)
    try:
        with opened(path) as file:
            file.keys()
    except UserError as error:
        assert path.name in error.message and error.remedy


def test_every_reader_of_weights_says_so(tmp_path: Path) -> None:
    for name in ("model.safetensors", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes(POINTER)
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}))
    from tests.toys import EXACT
    from workbench.models.loading import load_base

    readers = (
        lambda: tensors.summary(tmp_path),
        lambda: Tensors(tmp_path),
        lambda: list(_pairs(tmp_path)),
        lambda: list(average([tmp_path, tmp_path], [0.5, 0.5], tmp_path / "out")),
        lambda: load_base(tmp_path, EXACT),
    )
    for read in readers:
        with pytest.raises(UserError, match="a git LFS pointer"):
            read()
    assert str(tensors.check_shards(tmp_path)[0]).endswith("Run git lfs pull where it was cloned.")
