"""Answers of the model that learns to chosen prompts, every so many steps: what the loss does not tell.

Imports torch: only job processes import this.
"""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerCallback

from workbench.jobs.job import JobContext
from workbench.rendering.rendered import Tokenizer, render_prompt, render_text
from workbench.rendering.templates import Template
from workbench.training.account import Account


@dataclass(frozen=True)
class SamplePrompts:
    """texts: the prompts as written. ids: as the model reads them. stops: the tokens that end an answer."""

    texts: list[str]
    ids: list[list[int]]
    stops: list[int]
    most_tokens: int

    @classmethod
    def of(
        cls, texts: list[str], tokenizer: Tokenizer, template: Template | None, stops: list[int], most_tokens: int
    ) -> "SamplePrompts":
        """The prompts as user turns of a template, or, without one, as the beginning of a text. Raises `UserError`."""
        ids = [
            render_prompt([{"role": "user", "content": text}], tokenizer, template).ids
            if template
            else [token for token in render_text(text, tokenizer).ids if token not in stops]
            for text in texts
        ]
        return cls(texts, ids, stops, most_tokens)


class Sampler(TrainerCallback):
    """Answers the prompts greedily before the first step, every `every` steps and after the last.

    Greedy decoding draws no random numbers: the run learns exactly what it would without samples.
    """

    def __init__(self, ctx: JobContext, trainer: Any, prompts: SamplePrompts, every: int, account: Account):
        self.ctx, self.trainer, self.prompts, self.every, self.account = ctx, trainer, prompts, every, account
        self._has_begun = False  # training begins again where the memory ran out

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 0 and not self._has_begun:
            self._answer(0)
        self._has_begun = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        is_last = state.global_step >= state.max_steps
        if state.global_step % self.every == 0 or is_last:
            self._answer(state.global_step)

    def _answer(self, step: int) -> None:
        model = self.trainer.model
        was_training = model.training
        model.eval()
        with self.account.of("samples"):
            self._say_answers(model, step)
        model.train(was_training)

    def _say_answers(self, model: Any, step: int) -> None:
        for index, (text, ids) in enumerate(zip(self.prompts.texts, self.prompts.ids, strict=True)):
            self.ctx.sample(step, index, text, self._generated(model, ids))

    @torch.no_grad()
    def _generated(self, model: Any, ids: list[int]) -> str:
        prompt = torch.tensor([ids], device=model.device)
        with self.trainer.accelerator.autocast():
            answer = model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=self.prompts.most_tokens,
                do_sample=False,
                eos_token_id=self.prompts.stops or None,
                pad_token_id=self.prompts.stops[0] if self.prompts.stops else 0,
                use_cache=True,
            )
        new = answer[0, len(ids) :].tolist()
        return str(self.trainer.processing_class.decode(new, skip_special_tokens=True)).strip()
