"""ggml's quantizing functions, called by ctypes in the shared library that xllamacpp brings.

The library is found without importing the package. https://github.com/ggml-org/ggml/blob/master/include/ggml.h
"""

import ctypes
import functools
import importlib.util
import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.gguf.layout import TYPES

FUNCTIONS = ("ggml_quantize_chunk", "ggml_quantize_init", "ggml_row_size", "ggml_validate_row_data")
INSTALL = "Install xllamacpp, which carries llama.cpp: pip install -r requirements.txt."


def library_path() -> Path | None:
    """The shared library, or None when xllamacpp is not installed."""
    spec = importlib.util.find_spec("xllamacpp")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((path for folder in folders for path in sorted(Path(folder).glob("xllamacpp*.so"))), None)


def unavailable() -> str:
    """Why nothing can be quantized to GGUF here, or ''."""
    return "" if library_path() else INSTALL


@functools.cache
def knows(architecture: str) -> bool:
    """Whether this llama.cpp has a model of that name: its table of names holds it as a C string."""
    path = library_path()
    if not path:
        raise UserError("xllamacpp is not installed.", INSTALL)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(architecture.encode() + b"\0") >= 0


class Library:
    """Quantizes rows. One may be used by several threads at once: the work happens outside Python's lock."""

    def __init__(self) -> None:
        path = library_path()
        if not path:
            raise UserError("xllamacpp is not installed.", INSTALL)
        self._library = ctypes.CDLL(str(path))
        if not all(hasattr(self._library, name) for name in FUNCTIONS):
            raise UserError("This version of xllamacpp does not export ggml's quantizers.", INSTALL)
        floats = ctypes.c_void_p
        self._quantize = self._library.ggml_quantize_chunk
        self._quantize.argtypes = [ctypes.c_int, floats, ctypes.c_void_p, *[ctypes.c_int64] * 3, floats]
        self._quantize.restype = ctypes.c_size_t
        self._row = self._library.ggml_row_size
        self._row.argtypes, self._row.restype = [ctypes.c_int, ctypes.c_int64], ctypes.c_size_t
        self._validate = self._library.ggml_validate_row_data
        self._validate.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
        self._validate.restype = ctypes.c_bool

    def prepare(self, kind: str) -> None:
        """Builds the tables a type needs; before threads use it."""
        self._library.ggml_quantize_init(ctypes.c_int(TYPES[kind][0]))

    def quantize(
        self, rows: NDArray[np.float32], kind: str, importance: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """The bytes of float32 rows × width as a type; `importance` weighs the columns. Raises `ValueError` on NaN."""
        number, (count, width) = TYPES[kind][0], rows.shape
        quantized = np.empty(count * self._row(number, width), np.uint8)
        weights = importance.ctypes.data if importance is not None else None
        size = self._quantize(number, rows.ctypes.data, quantized.ctypes.data, 0, count, width, weights)
        if size != quantized.nbytes or not self._validate(number, quantized.ctypes.data, quantized.nbytes):
            raise ValueError(f"{kind} came out invalid")
        return quantized

    def valid(self, data: NDArray[np.uint8], kind: str) -> bool:
        """Whether these bytes hold numbers only: no NaN, no infinity."""
        return bool(self._validate(TYPES[kind][0], data.ctypes.data, data.nbytes))
