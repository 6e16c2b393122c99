"""How GGUF names and lays out its types: numbers, block sizes and file types.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
from collections.abc import Callable

# name: (number in the file, weights in a block, bytes of a block)
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22),
    "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34), "Q8_1": (9, 32, 40), "Q2_K": (10, 256, 84), "Q3_K": (11, 256, 110),
    "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "Q8_K": (15, 256, 292),
    "IQ2_XXS": (16, 256, 66), "IQ2_XS": (17, 256, 74), "IQ3_XXS": (18, 256, 98), "IQ1_S": (19, 256, 50),
    "IQ4_NL": (20, 32, 18), "IQ3_S": (21, 256, 110), "IQ2_S": (22, 256, 82), "IQ4_XS": (23, 256, 136),
    "I8": (24, 1, 1), "I16": (25, 1, 2), "I32": (26, 1, 4), "I64": (27, 1, 8), "F64": (28, 1, 8),
    "IQ1_M": (29, 256, 56), "BF16": (30, 1, 2), "TQ1_0": (34, 256, 54), "TQ2_0": (35, 256, 66),
    "MXFP4": (39, 32, 17), "NVFP4": (40, 64, 36), "Q1_0": (41, 128, 18),
}  # fmt: skip
TYPE_NAMES = {number: name for name, (number, _, _) in TYPES.items()}
FLOATS = ("F32", "F16", "BF16")

# general.file_type, what a file mostly consists of
FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20,
    "Q2_K_S": 21, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
    "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4": 38, "NVFP4": 39, "Q1_0": 40,
}  # fmt: skip
FILE_TYPE_NAMES = {number: name for name, number in FILE_TYPES.items()}
ALIGNMENT_BYTES = 32
QUANTIZATION_VERSION = 2


def tensor_bytes(shape: tuple[int, ...], kind: str) -> int:
    """Bytes of a tensor whose first dimension is its row's width; raises `ValueError` if blocks do not fill a row."""
    _, block, size = TYPES[kind]
    if shape[0] % block:
        raise ValueError(f"rows of {shape[0]} cannot be {kind}")
    return math.prod(shape) // block * size


def padded_size(size: int, alignment: int = ALIGNMENT_BYTES) -> int:
    """The next multiple of the alignment, in bytes."""
    return -(-size // alignment) * alignment


def tensor_names(architecture: str, layers: int) -> Callable[[str], str]:
    """From a tensor's name in transformers to its name in GGUF, '' where it has none; the official package's table."""
    import gguf

    architectures = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    table = gguf.get_tensor_name_map(architectures.get(architecture, gguf.MODEL_ARCH.LLAMA), layers)
    return lambda name: table.get_name(name, try_suffixes=(".weight", ".bias")) or ""
