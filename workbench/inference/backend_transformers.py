"""A model of safetensors, or the exact weights of a GGUF, run by transformers.

Imports torch: only the child processes of the `cost` job import this.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from numpy.typing import NDArray

from workbench.core.hardware import Hardware, detect_hardware
from workbench.inference.backend import BLOCK_POSITIONS, LogitsBackend, float_copy
from workbench.inference.loss import longest
from workbench.models.loading import load_whole
from workbench.models.model_references import Resolved
from workbench.models.tensors import summary
from workbench.rendering.tokenizer import Tokenizer

ROOM_SHARE = 0.6  # of the free memory that weights may take


class TransformersBackend(LogitsBackend):
    """Runs on this machine's device, in its precision unless the model comes in another."""

    def __init__(self, model: Any, threads: int, tokenizer: Tokenizer | None = None, texts: Sequence[str] = ()):
        torch.set_num_threads(threads)
        self.model = model.eval()
        self.tokenizer, self._texts = tokenizer, texts
        self.device = str(model.device.type)
        self.parameters = int(model.num_parameters())
        self.longest = longest(model) or self.longest
        self.words = f"transformers {transformers.__version__}, {str(model.dtype).removeprefix('torch.')}"
        self._cache: Any = None

    @classmethod
    def of(cls, resolved: Resolved, threads: int, exact: bool = False) -> "TransformersBackend":
        """A model of the shelf, an adapter over its base. `exact`: computed in float32 where that has room."""
        hardware = detect_hardware()
        exact = exact and 4 * summary(resolved.base).parameters < ROOM_SHARE * _free(hardware)
        dtype = torch.float32 if exact else None  # the weights as they are in the files, all arithmetic in float32
        model = load_whole(resolved.base, resolved.adapter, hardware, dtype=dtype)
        return cls(model, threads, Tokenizer.load(resolved.home_of_template))

    @classmethod
    def of_gguf(cls, path: Path, threads: int) -> "TransformersBackend":
        """The weights of a GGUF unpacked, which is exact, and computed in float32."""
        from gguf import GGUFReader

        model = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True, trust_remote_code=False,
            quantization_config=transformers.GgufConfig(dequantize=True),
        )  # fmt: skip
        return cls(model, threads, texts=GGUFReader(path).fields["tokenizer.ggml.tokens"].contents())

    @torch.inference_mode()
    def logits(self, ids: Sequence[int], positions: Sequence[int]) -> Iterator[NDArray[Any]]:
        batch = torch.tensor([list(ids)], device=self.model.device)
        wanted = torch.tensor(list(positions), device=self.model.device)
        out = self.model(input_ids=batch, use_cache=False, logits_to_keep=wanted).logits[0]
        if len(out) != len(positions):  # an architecture that gives them all
            out = out[wanted]
        for start in range(0, len(positions), BLOCK_POSITIONS):
            yield float_copy(out[start : start + BLOCK_POSITIONS].float().cpu().numpy())

    def prompt(self, ids: Sequence[int]) -> int:
        self._cache = None
        return self._next(list(ids))

    def step(self, token: int) -> int:
        return self._next([token])

    @torch.inference_mode()
    def _next(self, ids: list[int]) -> int:
        out = self.model(
            input_ids=torch.tensor([ids], device=self.model.device), past_key_values=self._cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        self._cache = out.past_key_values
        return int(out.logits[0, -1].argmax())

    def token_text(self, token: int) -> str | None:
        if self.tokenizer:
            return self.tokenizer.backend.id_to_token(token)
        return self._texts[token] if token < len(self._texts) else None

    def tokenize(self, text: str) -> list[int] | None:
        return list(self.tokenizer.encode([text])[0].ids) if self.tokenizer else None

    def retokenizer(self) -> Tokenizer | None:
        return self.tokenizer

    def peak(self) -> int:
        return int(torch.cuda.max_memory_allocated()) if self.device == "cuda" else super().peak()

    def forget_peak(self) -> None:
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        super().forget_peak()


def _free(hardware: Hardware) -> int:
    return torch.cuda.mem_get_info()[0] if hardware.device == "cuda" else psutil.virtual_memory().available
