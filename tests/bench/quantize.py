"""Our quantizing against a bare loop over the same library's function that writes the same file.

The bare loop knows the types beforehand, holds one tensor whole in memory, checks nothing and uses as many threads, as
llama-quantize does.
"""

import ctypes
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench._common import prepared_home
from workbench.gguf.converting import convert
from workbench.gguf.layout import TYPES, padded_size
from workbench.gguf.library import library_path
from workbench.gguf.quantizing import as_floats, choices, quantize
from workbench.gguf.reading import read_header
from workbench.models import starter
from workbench.models.model_references import resolve

ROUNDS, THREADS = 5, 2


def measure() -> Iterator[tuple[Any, ...]]:
    """Ratio of seconds for two types, the median of rounds in which both take turns."""
    home = prepared_home()
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        source, ours, theirs = (Path(folder) / name for name in ("source.gguf", "ours.gguf", "bare.gguf"))
        convert(resolve(home, starter.STARTER_NAME), source)
        for kind in ("Q8_0", "Q4_K_M"):
            quantize(source, ours, kind, threads=THREADS)
            ratios = []
            for _ in range(ROUNDS):
                bare = _seconds(lambda: _bare(source, theirs, ours, kind))  # noqa: B023
                ratios.append(_seconds(lambda: quantize(source, ours, kind, threads=THREADS)) / bare)  # noqa: B023
            assert ours.read_bytes() == theirs.read_bytes()
            yield f"quantize_over_bare_{kind.lower()}", statistics.median(ratios), 1.2, ""
            yield f"quantize_seconds_{kind.lower()}", _seconds(lambda: quantize(source, ours, kind)), None, "s"  # noqa: B023


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _bare(source: Path, target: Path, ours: Path, kind: str) -> None:
    library = ctypes.CDLL(str(library_path()))
    call = library.ggml_quantize_chunk
    call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    call.restype = ctypes.c_size_t
    header = read_header(source)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    with source.open("rb") as file, ours.open("rb") as made, target.open("wb") as out:
        out.write(made.read(read_header(ours).data_start))
        for choice in choices(header, kind):
            tensor = tensors[choice.weight.name]
            file.seek(tensor.start)
            data = np.frombuffer(file.read(tensor.size), np.uint8)
            if choice.type != tensor.type:
                data = _quantized(call, as_floats(data, tensor.type), tensor.shape, choice.type)
            out.write(data.data)
            out.write(bytes(padded_size(data.nbytes) - data.nbytes))


def _quantized(call: Any, floats: Any, shape: tuple[int, ...], kind: str) -> Any:
    number, block, size = TYPES[kind]
    width, rows = shape
    out = np.empty(floats.size // block * size, np.uint8)
    half = -(-rows // THREADS)
    threads = [
        threading.Thread(
            target=call,
            args=(number, floats.ctypes.data, out.ctypes.data, first * width, min(half, rows - first), width, None),
        )
        for first in range(0, rows, half)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out
