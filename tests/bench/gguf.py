"""GGUF against transformers: how fast it answers, and how long it takes to make.

Both sides answer in processes of their own with all cores, after a first answer that is not counted.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench._common import ROOT, prepared_home
from workbench.core.home import Home
from workbench.models import starter
from workbench.models.model_references import resolve

PROMPT = "<|im_start|>user\nTell me about the sea.<|im_end|>\n<|im_start|>assistant\n"
TOKENS, ROUNDS = 96, 3


def measure() -> Iterator[tuple[Any, ...]]:
    """Seconds from the starter to F16, Q8_0 and Q4_K_M; then tokens a second of Q8_0 and of transformers in bfloat16.

    Goals are upper bounds, so 'at least three times as fast' is asked as transformers_over_gguf <= 1/3.
    """
    home = prepared_home()
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        made = _child("make", str(home.root), folder)
        yield "gguf_seconds_f16_q8_q4", made["seconds"], 30.0, "s"
        yield "gguf_seconds_converting", made["converting"], None, "s"
        quick = _child("llama", f"{folder}/q8.gguf", "")["tokens"]
        plain = _child("transformers", str(home.models / starter.STARTER_NAME), "")["tokens"]
        yield "gguf_tokens_a_second", quick, None, "/s"
        yield "transformers_tokens_a_second", plain, None, "/s"
        yield "transformers_over_gguf", plain / quick, 1 / 3, ""


def _child(what: str, *given: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.gguf", what, *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def make(root: str, folder: str) -> dict[str, float]:
    """In a process that has torch imported already, as a warm worker has."""
    import torch  # noqa: F401

    from workbench.gguf.converting import convert
    from workbench.gguf.quantizing import quantize

    began = time.perf_counter()
    convert(resolve(Home.at(root), starter.STARTER_NAME), Path(folder) / "source.gguf")
    converting = time.perf_counter() - began
    for kind, name in (("F16", "f16"), ("Q8_0", "q8"), ("Q4_K_M", "q4")):
        quantize(Path(folder) / "source.gguf", Path(folder) / f"{name}.gguf", kind)
    return {"seconds": time.perf_counter() - began, "converting": converting}


def llama(path: str, _: str) -> dict[str, float]:
    import xllamacpp

    settings: Any = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_parallel, settings.offline = path, 512, 1, True
    server = xllamacpp.Server(settings)
    asked = {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
    return {"tokens": _best(lambda: server.handle_completions(asked)["usage"]["completion_tokens"])}


def transformers(folder: str, _: str) -> dict[str, float]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    given = AutoTokenizer.from_pretrained(folder)(PROMPT, return_tensors="pt")
    length = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
    known = given["input_ids"].shape[1]
    with torch.inference_mode():
        return {"tokens": _best(lambda: model.generate(**given, **length).shape[1] - known)}


def _best(answer: Callable[[], int]) -> float:
    """Tokens a second of the fastest answer, the prompt's time included; `answer` returns how many it made."""
    answer()
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        tokens = answer()
        assert tokens == TOKENS, f"{tokens} tokens instead of {TOKENS}"
        found.append(tokens / (time.perf_counter() - began))
    return max(found)


if __name__ == "__main__":
    figures = {"make": make, "llama": llama, "transformers": transformers}[sys.argv[1]](*sys.argv[2:])
    print("\n" + json.dumps(figures), flush=True)
