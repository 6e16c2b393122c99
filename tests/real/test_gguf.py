"""The starter model as GGUF: converted, quantized twice, opened by llama.cpp, and it answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.compression.jobs.quantize import Quantize
from workbench.compression.quantizers.gguf import Gguf
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.gguf.preview import preview_size
from workbench.jobs.job import JobContext
from workbench.models import starter
from workbench.models.model_references import gguf_file, resolve

pytestmark = pytest.mark.timeout(300)
PROMPT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
ASK = """
import json, sys, xllamacpp
settings = xllamacpp.CommonParams()
settings.model.path, settings.n_ctx, settings.n_parallel = sys.argv[1], 256, 1
asked = {"prompt": sys.argv[2], "max_tokens": 24, "temperature": 0}
print("\\n" + json.dumps(xllamacpp.Server(settings).handle_completions(asked)), flush=True)
import os; os._exit(0)
"""


def answer(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", ASK, str(path), PROMPT], capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout.splitlines()[-1])["choices"][0]["text"])


def test_the_starter_answers_from_gguf(starter_home: Home) -> None:
    folder = starter_home.jobs / "gguf"
    folder.mkdir()
    made = Quantize(model=starter.STARTER_NAME, quantizers=[Gguf(type="Q8_0"), Gguf(type="Q4_K_M")]).run(
        JobContext(starter_home, folder)
    )
    for name, kind in zip(made["models"], ("Q8_0", "Q4_K_M"), strict=True):
        path, info = gguf_file(starter_home, name), read_manifest(starter_home.models / name).info
        assert "Paris" in answer(path)
        # llama.cpp splits numerals such as ① from the space before them, the tokenizer does not
        assert info["tokenizer_check"]["equal"] >= info["tokenizer_check"]["texts"] - 1
        assert (info["type"], info["parameters"], info["context_length"]) == (kind, 134_515_008, 8192)
        assert info["fallbacks"] == (180 if kind == "Q4_K_M" else 0)
        told = preview_size(resolve(starter_home, starter.STARTER_NAME), kind)
        assert told.bytes == pytest.approx(path.stat().st_size, rel=0.01)
