"""Mixing types and quantizing them equal llama.cpp's own llama_model_quantize, byte for byte.

gguf_reference.json was made by that function (ggml 0.26.0, commit 86a2835) from the files of tests/gguf_files.py: for
each layout, type and use of an importance matrix the SHA-256 of the whole file and the types of its tensors in order.
"""

import hashlib
import itertools
import json
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gguf_files import BLOCK, SORTS, Sort, importance, write
from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.gguf.layout import TYPES
from workbench.gguf.quantizing import choices, quantize
from workbench.gguf.reading import read_header
from workbench.gguf.tensor_traits import Traits, Weight, is_quantized
from workbench.gguf.types import BY_QUALITY, KINDS, more_bits, type_mixture

REFERENCE: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "gguf_reference.json").read_text())
SAMPLE = [key for key in REFERENCE if key.split()[0] in ("plain", "odd", "experts") and "IQ" not in key] + [
    "plain IQ4_XS importance", "plain IQ2_M importance", "shared IQ2_XXS importance", "odd IQ4_XS", "shared Q4_K_M",
    "fused Q5_K_M", "falcon Q4_K_M", "deep Q3_K_M",
]  # fmt: skip


def parts(key: str) -> tuple[str, str, bool]:
    name, kind, *more = key.split()
    return name, kind, bool(more)


@cache
def weights(name: str) -> tuple[list[Weight], Traits]:
    """The tensors of a layout without writing it."""
    from tests.gguf_files import tensors

    sort = SORTS[name]
    made = [
        Weight(tensor, tuple(reversed(data.shape)), "F32" if data.ndim == 1 else "F16")
        for tensor, data in tensors(sort).items()
    ]
    return made, Traits(sort.architecture, sort.layers, sort.heads, sort.key_heads, sort.experts)


def runs(types: list[str]) -> str:
    grouped = [(kind, len(list(group))) for kind, group in itertools.groupby(types)]
    return " ".join(f"{kind}*{count}" if count > 1 else kind for kind, count in grouped)


@pytest.mark.parametrize("key", REFERENCE)
def test_every_tensor_gets_the_type_llama_cpp_gives_it(key: str) -> None:
    name, kind, weighed = parts(key)
    tensors, traits = weights(name)
    assert runs([choice.type for choice in type_mixture(tensors, traits, kind, weighed)]) == REFERENCE[key]["types"]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the reference was made on x86-64")
@pytest.mark.parametrize("key", SAMPLE)
def test_the_file_equals_llama_cpps_byte_for_byte(key: str, tmp_path: Path) -> None:
    name, kind, weighed = parts(key)
    write(tmp_path / "plain.gguf", SORTS[name])
    made = quantize(
        tmp_path / "plain.gguf", tmp_path / "made.gguf", kind, importance(SORTS[name]) if weighed else None, threads=2
    )
    assert hashlib.sha256((tmp_path / "made.gguf").read_bytes()).hexdigest() == REFERENCE[key]["sha256"]
    assert made.tensors == len(read_header(tmp_path / "made.gguf").tensors)


def test_the_reference_covers_every_type() -> None:
    assert {parts(key)[1] for key in REFERENCE} == set(KINDS) == set(BY_QUALITY)
    assert {parts(key)[0] for key in REFERENCE} == set(SORTS)


@pytest.mark.parametrize("kind", ["IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XXS"])
def test_without_the_importance_matrix_small_types_are_refused(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "plain.gguf", SORTS["plain"])
    with pytest.raises(UserError, match="needs an importance matrix"):
        quantize(tmp_path / "plain.gguf", tmp_path / "made.gguf", kind)


def test_widths_no_block_fits_become_f16(tmp_path: Path) -> None:
    write(tmp_path / "plain.gguf", Sort(layers=1, block=dict.fromkeys(BLOCK, 40)))
    planned = choices(read_header(tmp_path / "plain.gguf"), "Q4_K_M")
    assert {choice.type for choice in planned if is_quantized(choice.weight)} == {"F16"}
    assert all(choice.is_fallback for choice in planned if is_quantized(choice.weight))


def test_a_third_of_the_middle_layers_gets_more_bits() -> None:
    assert [place for place in range(16) if more_bits(place, 16)] == [0, 1, 4, 7, 10, 13, 14, 15]


def test_quantized_files_are_not_quantized_again(tmp_path: Path) -> None:
    write(tmp_path / "plain.gguf", SORTS["plain"])
    quantize(tmp_path / "plain.gguf", tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(UserError, match="already"):
        quantize(tmp_path / "q8.gguf", tmp_path / "q4.gguf", "Q4_K_M")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    write(tmp_path / "plain.gguf", SORTS["plain"])
    tensor = next(one for one in read_header(tmp_path / "plain.gguf").tensors if one.name == "blk.3.ffn_up.weight")
    with (tmp_path / "plain.gguf").open("r+b") as file:
        file.seek(tensor.start)
        file.write(np.float16(value).tobytes())
    for kind in ("Q4_K_M", "F16"):
        with pytest.raises(UserError, match=r"blk\.3\.ffn_up\.weight holds values that are no numbers"):
            quantize(tmp_path / "plain.gguf", tmp_path / "made.gguf", kind)


def test_a_matrix_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "plain.gguf", SORTS["plain"])
    wrong = {"blk.0.attn_q.weight": np.ones(128, np.float32)}
    with pytest.raises(UserError, match=r"does not fit blk\.0\.attn_q\.weight"):
        quantize(tmp_path / "plain.gguf", tmp_path / "made.gguf", "Q4_K_M", wrong)


def test_progress_is_told_and_it_stops_between_tensors(tmp_path: Path) -> None:
    write(tmp_path / "plain.gguf", SORTS["plain"])
    heard: list[Any] = []

    def stop() -> None:
        if len(heard) > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(tmp_path / "plain.gguf", tmp_path / "a.gguf", "Q8_0", task=Task(lambda *a: heard.append(a), stop))
    assert [index for index, _, _ in heard] == list(range(len(heard)))
    quantize(tmp_path / "plain.gguf", tmp_path / "b.gguf", "Q8_0", task=Task(lambda *a: heard.append(a)))
    assert heard[-1][0] == heard[-1][1] == len(read_header(tmp_path / "b.gguf").tensors)


def test_types_lie_as_the_official_package_has_them() -> None:
    import gguf

    known = {kind.name: (int(kind), *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert known == TYPES
