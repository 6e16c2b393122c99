"""The importance matrix: how much each input column of a layer matters, from what a dataset makes of it.

For every linear layer the mean over all tokens of the squared input, column by column, as llama-imatrix computes it
(https://github.com/ggml-org/llama.cpp/tree/master/tools/imatrix). Quantizing then errs where it matters least. Saved in
llama.cpp's own format, so its tools read it too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.gguf.layout import tensor_names
from workbench.gguf.reading import Header, read_header
from workbench.inference.loss import encode
from workbench.models.model_references import Resolved

LONGEST_ROW_TOKENS = 512  # tokens of a row that are looked at
SUMS, COUNTS = ".in_sum2", ".counts"
Rows = list[dict[str, Any]]


def importance_of(
    resolved: Resolved,
    source: Header,
    rows: Rows,
    kind: str,
    task: Task,
) -> dict[str, NDArray[np.float32]]:
    """Mean squared inputs by GGUF tensor name, for the matrices of `source`'s layers that the model multiplies with.

    `rows` of a dataset of `kind` run through the model once. Raises `UserError` when none of them can be used.
    """
    import torch

    from workbench.core.hardware import detect_hardware
    from workbench.models.loading import load_base

    encoded = encode(resolved, rows, kind, max_length=LONGEST_ROW_TOKENS)
    task.update(0, len(encoded), "Loading the model for the importance matrix")
    model = load_base(resolved.base, detect_hardware()).eval()
    sums, counts = _listen(model, _names(model, source))
    with torch.inference_mode():
        for index, row in enumerate(encoded):
            task.check_stop()
            task.update(index, len(encoded), f"Importance: {index} of {len(encoded)} rows")
            model(input_ids=torch.tensor([row["input_ids"]], device=model.device), use_cache=False)
    return {name: (total / max(counts[name], 1)).cpu().numpy().astype(np.float32) for name, total in sums.items()}


def _listen(model: Any, names: dict[str, str]) -> tuple[dict[str, Any], dict[str, int]]:
    """Sums of squared inputs and numbers of tokens by GGUF name, filled while the model runs."""
    sums: dict[str, Any] = {}
    counts: dict[str, int] = {}

    def hook(name: str) -> Callable[..., None]:
        def heard(_: Any, inputs: tuple[Any, ...]) -> None:
            columns = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).float()
            squared = columns.square().sum(0).double()
            sums[name] = sums[name] + squared if name in sums else squared
            counts[name] = counts.get(name, 0) + len(columns)

        return heard

    for path, module in model.named_modules():
        if path in names:
            module.register_forward_pre_hook(hook(names[path]))
    return sums, counts


def _names(model: Any, source: Header) -> dict[str, str]:
    """The GGUF tensor of each linear layer in the blocks, which are the ones llama-imatrix takes."""
    columns = {tensor.name: tensor.shape[0] for tensor in source.tensors}
    mapped = tensor_names(source.architecture, source.number(f"{source.architecture}.block_count", 0))
    names = {}
    for path, module in model.named_modules():
        shape = tuple(getattr(getattr(module, "weight", None), "shape", ()))
        name = mapped(f"{path}.weight") if len(shape) == 2 else ""
        if name.startswith("blk.") and columns.get(name) in shape:
            names[path] = name
    return names


def save_importance(path: Path, matrix: dict[str, NDArray[np.float32]], dataset: str, rows: int) -> None:
    """Writes llama.cpp's format: sums of squares with their counts, here means with a count of one."""
    import gguf

    writer = gguf.GGUFWriter(path, "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", [dataset or "unnamed"])
    writer.add_uint32("imatrix.chunk_count", rows)
    writer.add_uint32("imatrix.chunk_size", LONGEST_ROW_TOKENS)
    for name, columns in sorted(matrix.items()):
        writer.add_tensor(name + SUMS, columns.astype(np.float32).reshape(1, -1))
        writer.add_tensor(name + COUNTS, np.ones((1, 1), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load_importance(path: Path) -> dict[str, NDArray[np.float32]]:
    """The means by tensor name; raises `UserError` when the file is no importance matrix."""
    header = read_header(path)
    if header.text("general.type") != "imatrix":
        raise UserError(f"{path.name} is no importance matrix.", "Choose one that llama-imatrix made.", "path")
    data = {
        tensor.name: np.fromfile(path, np.float32, tensor.weights, offset=tensor.start) for tensor in header.tensors
    }
    matrix: dict[str, NDArray[np.float32]] = {}
    for name, sums in data.items():
        if name.endswith(SUMS):
            counts = np.maximum(data.get(name.removesuffix(SUMS) + COUNTS, np.ones(1, np.float32)), 1)
            matrix[name.removesuffix(SUMS)] = np.divide(
                sums.reshape(len(counts), -1), counts[:, None], dtype=np.float32
            ).reshape(-1)
    return matrix
