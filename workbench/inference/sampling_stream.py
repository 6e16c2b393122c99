"""An answer in the making, a few tokens at a time. Imports torch: only job and chat processes import this."""

import time
from typing import Any

import torch
from transformers import TopPLogitsWarper

from workbench.inference.decoding import Decoding
from workbench.inference.loaded_model import LoadedModel
from workbench.inference.stream import TOKENS_PER_TURN, ChatMessages

MANY_TOKENS = 1024  # tokens that nearly always make up the probability top-p asks for


class TopP:
    """What transformers' warper does, without sorting the whole vocabulary for every token, which takes longer than a
    small model's step."""

    def __init__(self, whole: TopPLogitsWarper):
        self.whole = whole

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (1, vocabulary), those left out at -inf."""
        likely = scores.topk(min(MANY_TOKENS, scores.shape[-1]))
        chances = (likely.values - scores.logsumexp(-1, keepdim=True)).exp()
        reached = chances.cumsum(-1)
        if reached[0, -1] < self.whole.top_p and scores.shape[-1] > MANY_TOKENS:
            filtered: torch.Tensor = self.whole(ids, scores)
            return filtered
        count = int((reached - chances < self.whole.top_p).sum())
        out = torch.full_like(scores, self.whole.filter_value)
        return out.scatter(-1, likely.indices[:, :count], likely.values[:, :count])


class Stream:
    """One model's answer. `advance` makes the next few tokens; `finish` says how it ended."""

    def __init__(self, model: LoadedModel, messages: ChatMessages, decoding: Decoding):
        self.model, self.name, self.decoding = model, model.name, decoding
        self.prompt = model.prompt_ids(messages)
        self.stops = model.stops
        self.remaining_context = model.room(self.prompt)
        self.generated_ids: list[int] = []
        self.text = self.finish = self.note = ""
        self.seconds = 0.0
        self._cache: Any = None
        self._generator: Any = None
        self._processors = [
            TopP(processor) if isinstance(processor, TopPLogitsWarper) else processor
            for processor in decoding.processors()
        ]

    @torch.inference_mode()
    def advance(self, tokens: int = TOKENS_PER_TURN) -> str:
        """Makes up to `tokens` tokens; returns the new text (may be '' in the middle of a character)."""
        began = time.perf_counter()
        for _ in range(tokens):
            self.take(self._choose(self.scores()))
            if self.finish:
                break
        self.seconds += time.perf_counter() - began
        return self._new_text()

    def scores(self) -> torch.Tensor:
        """What the next token is chosen by, (1, vocabulary)."""
        return self.shaped(self.logits())

    def shaped(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits after penalty, temperature, top-k and top-p, (1, vocabulary)."""
        ids = torch.tensor([self.prompt + self.generated_ids], device=logits.device)
        for process in self._processors:
            logits = process(ids, logits)
        return logits

    def logits(self) -> torch.Tensor:
        """The model's own logits of the next token in float32, (1, vocabulary)."""
        model = self.model.torch_model()
        feed = self.prompt if self._cache is None else self.generated_ids[-1:]
        out = model(
            input_ids=torch.tensor([feed], device=model.device), past_key_values=self._cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        self._cache = out.past_key_values
        last: torch.Tensor = out.logits[:, -1].float()
        return last

    def take(self, token: int) -> None:
        """Adds a token to the answer, or ends it."""
        if token in self.stops:
            self.finish = "eos"
            return
        self.generated_ids.append(token)
        if len(self.generated_ids) >= min(self.decoding.max_new_tokens, self.remaining_context):
            self.finish = "length"

    def _choose(self, scores: torch.Tensor) -> int:
        if self.decoding.greedy:
            return int(scores.argmax())
        if self._generator is None:
            self._generator = torch.Generator(device=scores.device).manual_seed(self.decoding.seed)
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._generator))

    def _new_text(self) -> str:
        text = self.model.decode(self.generated_ids)
        if text.endswith("\ufffd") and not self.finish:
            return ""  # the rest of this character is still to come
        new = text[len(self.text) :]
        self.text = text
        return new
