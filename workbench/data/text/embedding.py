"""Texts as vectors of meaning, by a sentence model that the operator provides: nothing is downloaded.

WORKBENCH_EMBEDDER names a folder with tokenizer.json and a model that is pooled by the mean, such as all-MiniLM-L6-v2
(https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2): model.onnx (or onnx/model.onnx), which needs
onnxruntime, or model.safetensors with config.json.
"""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.core.settings import Settings, variable_of
from workbench.models.safetensors_files import check_header

FOLDER = variable_of("embedder")
LONGEST_TOKENS = 256
Vectors = NDArray[np.float32]
Embed = Callable[[list[str]], Vectors]


def embedding_unavailable() -> str:
    """Why texts cannot be embedded here and what to do, or ''."""
    folder = _folder()
    if folder is None:
        return f"Set {FOLDER} to a folder with a sentence model such as all-MiniLM-L6-v2."
    if _onnx(folder):
        has = importlib.util.find_spec("onnxruntime")
        return "" if has else "It needs the package onnxruntime: pip install onnxruntime."
    wanted = ("tokenizer.json", "config.json", "model.safetensors")
    lacking = [name for name in wanted if not (folder / name).is_file()]
    return f"{FOLDER} names {folder}, which lacks {' and '.join(lacking)}." if lacking else ""


def load_embedding() -> Embed:
    """embed(texts) → (texts, size) float32 vectors of length 1. Raises `UserError` when there is no model."""
    folder = _folder()
    if folder is None or embedding_unavailable():
        raise UserError("There is no sentence model here.", embedding_unavailable(), "method")
    return _onnx_model(folder) if _onnx(folder) else _torch_model(folder)


def model_digest() -> str:
    """Changes when the model does; '' when there is none."""
    folder = _folder()
    path = folder and (_onnx(folder) or folder / "model.safetensors")
    if not path or not path.is_file():
        return ""
    stat = path.stat()
    return hashlib.sha256(f"{path} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()


def _folder() -> Path | None:
    folder = Settings.current().embedder
    return folder.expanduser() if folder else None


def _onnx(folder: Path) -> Path | None:
    models = [path for path in (folder / "model.onnx", folder / "onnx" / "model.onnx") if path.is_file()]
    return models[0] if models and (folder / "tokenizer.json").is_file() else None


def _tokenizer(folder: Path) -> Callable[[list[str]], dict[str, NDArray[np.int64]]]:
    """tokenize(texts) → input_ids, attention_mask, token_type_ids, (texts, tokens) each."""
    import tokenizers

    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(LONGEST_TOKENS)
    backend.enable_padding()

    def tokenize(texts: list[str]) -> dict[str, NDArray[np.int64]]:
        encodings = backend.encode_batch(texts)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}

    return tokenize


def _onnx_model(folder: Path) -> Embed:
    import onnxruntime

    tokenize = _tokenizer(folder)
    session = onnxruntime.InferenceSession(str(_onnx(folder)), providers=["CPUExecutionProvider"])
    names = {model_input.name for model_input in session.get_inputs()}

    def embed(texts: list[str]) -> Vectors:
        inputs = tokenize(texts)
        states = session.run(None, {name: value for name, value in inputs.items() if name in names})[0]
        return pooled(np.asarray(states, np.float32), inputs["attention_mask"])

    return embed


def _torch_model(folder: Path) -> Embed:
    import torch
    from transformers import AutoModel

    check_header(folder / "model.safetensors")
    tokenize = _tokenizer(folder)
    model = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False).eval()

    def embed(texts: list[str]) -> Vectors:
        inputs = tokenize(texts)
        ids, mask = (torch.from_numpy(inputs[name]) for name in ("input_ids", "attention_mask"))
        with torch.inference_mode():
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        return pooled(states.float().numpy(), inputs["attention_mask"])

    return embed


def pooled(states: NDArray[np.float32], mask: NDArray[np.int64]) -> Vectors:
    """The mean of the states (texts, tokens, size) under the mask (texts, tokens), scaled to length 1."""
    weights = mask[:, :, None].astype(np.float32)
    mean = (states * weights).sum(1) / np.maximum(weights.sum(1), 1)
    result: NDArray[np.float32] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return result
