"""What a merge takes and makes: parameters, bytes on the disk and in memory, a free name."""

import math
import shutil
from dataclasses import dataclass

import psutil

from workbench.core.units import human_size
from workbench.merging.checking.context import View
from workbench.merging.checking.model_facts import BUFFERS, is_vocabulary
from workbench.merging.checking.precision import result_dtype
from workbench.merging.checking.rows import result_rows
from workbench.merging.stack import Segment, layer_of
from workbench.models.anatomy import FLOAT_BYTES
from workbench.models.shelf import check_free

PROCESS_BYTES = 600_000_000  # bytes the engine takes before it holds a tensor


@dataclass(frozen=True)
class Estimate:
    """The result's parameters and bytes on the disk, and about the bytes of memory merging takes."""

    parameters: int
    bytes: int
    memory: int


def estimate_of(view: View) -> Estimate:
    """Memory: (models + 2) times the largest tensor in the precision of the maths, and the process itself."""
    loose: dict[str, int] = {}
    largest = 0
    for facts in view.models.values():
        for name, (shape, _) in facts.shapes.items():
            size = math.prod(shape)
            if is_vocabulary(name) and shape:
                size = size // max(1, shape[0]) * result_rows(view)
            if layer_of(name) is None and not BUFFERS.search(name):
                loose.setdefault(name, size)
            largest = max(largest, size)
    parameters = sum(loose.values()) + sum(_layer_size(view, segment) for segment in view.segments)
    models = max((len(segment.inputs) for segment in view.segments), default=0)
    memory = PROCESS_BYTES + (models + 2) * largest * FLOAT_BYTES[result_dtype(view, maths=True)]
    return Estimate(parameters, parameters * FLOAT_BYTES[result_dtype(view)], memory)


def _layer_size(view: View, segment: Segment) -> int:
    """Parameters of a part's layers, counted in its first source."""
    source = segment.inputs[0]
    facts = view.models.get(source.model)
    inner = ((layer_of(name), shape) for name, (shape, _) in (facts.shapes.items() if facts else ()))
    return sum(math.prod(shape) for layer, shape in inner if layer is not None and source.first <= layer < source.last)


def room(view: View, output: str, estimate: Estimate) -> None:
    """A free name, and room on the disk and in memory."""
    if output:
        check_free(view.home, output, view.problems)
    free = shutil.disk_usage(view.home.root).free
    if estimate.bytes > free:
        view.problems.add(
            "output", f"the result takes {human_size(estimate.bytes)}; the disk has {human_size(free)} left.",
            "Delete what is not needed, or set out_dtype to a smaller one.",
        )  # fmt: skip
    available = psutil.virtual_memory().available
    if estimate.memory > available:
        view.note(
            "models", f"merging takes about {human_size(estimate.memory)} of memory; {human_size(available)} are free.",
            "Merge fewer models at once, or set dtype: bfloat16.",
        )  # fmt: skip
