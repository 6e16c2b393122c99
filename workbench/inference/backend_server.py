"""A GGUF run by xllamacpp's server, for builds that do not show llama.cpp's functions: speed and memory, no logits.

Quality is then measured on the exact weights of the file by transformers.
"""

import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.inference.backend import Backend

NOTE = (
    "Quality is that of the file's weights, unpacked and computed in float32: this build of xllamacpp gives no logits. "
    "llama.cpp's own arithmetic differs a little."
)


class ServerBackend(Backend):
    """One GGUF in xllamacpp's server, in this process."""

    notes = (NOTE,)

    def __init__(self, path: Path, threads: int, room: int):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.verbosity = room, 1, -1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        self._server = xllamacpp.Server(params)
        self.words = f"llama.cpp (xllamacpp {importlib.metadata.version('xllamacpp')})"

    def run(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        asked = {
            "prompt": list(prompt),
            "n_predict": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        answer: Any = self._server.handle_completions(asked)
        times = (json.loads(answer) if isinstance(answer, str | bytes) else answer)["timings"]
        return times["prompt_ms"] / 1000, times["predicted_ms"] / 1000
