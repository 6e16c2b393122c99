"""Answers to the prompts of a dataset."""

import random
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.synthesis.generator import MAKERS, Maker
from workbench.synthesis.items import Attempt, Message
from workbench.synthesis.run import Making
from workbench.synthesis.seeds import Seed

MARK = "answer:"


@MAKERS.register
class Answers(Maker):
    """Answers the prompts of a dataset, once or several times each.

    The rows keep the prompts as they are; the style only decides how the model is asked. chain_of_thought
    (https://arxiv.org/abs/2201.11903) asks for reasoning before the answer; few_shot shows it other rows' answers.
    """

    method: ClassVar[str] = "answers"
    title: ClassVar[str] = "Answer the prompts"
    makes_prompts: ClassVar[bool] = False

    samples: int = Field(
        1, ge=1, le=16, title="Answers per prompt", description="How many answers are written to each prompt."
    )
    style: Annotated[
        Literal["answer", "few_shot", "chain_of_thought"],
        Display(labels={
            "answer": "the prompt as it is", "few_shot": "after examples", "chain_of_thought": "reason first",
        }),
    ] = Field(
        "answer", title="Style", description="How the model is asked."
    )  # fmt: skip
    examples: Annotated[int, Display(unit="rows", shown_if={"style": "few_shot"})] = Field(
        3, ge=1, le=16, title="Examples",
        description="Rows of the dataset shown before the prompt: more guide better and take longer.",
    )  # fmt: skip
    keep_reasoning: Annotated[bool, Display(shown_if={"style": "chain_of_thought"})] = Field(
        True, title="Keep the reasoning", description="Keep the reasoning in the row, not only what follows 'Answer:'."
    )
    template: Annotated[str, ADVANCED] = Field(
        "", title="Prompt template", description="A text of your own (Jinja) in place of the style's."
    )

    def templates(self) -> dict[str, str]:
        return {self.style: self.template}

    def check(self, home: Home, seeds: list[Seed], problems: Problems) -> None:
        answered = sum(bool(seed.answer) for seed in seeds)
        if self.style == "few_shot" and answered < self.examples + 1:
            remedy = "Choose a dataset with answers, fewer examples, or another style."
            problems.add(("maker", "examples"), f"only {answered} rows of the dataset have answers to show.", remedy)

    def seeds_wanted(self, limit: int) -> int:
        return -(-limit // self.samples)

    def make(self, work: Making) -> None:
        todo = [(seed, sample) for seed in work.seeds for sample in range(self.samples)][: work.plan.limit]
        work.planned = len(todo)
        for start in range(0, len(todo), work.plan.batch):
            batch = todo[start : start + work.plan.batch]
            work.finish([work.item(self._item(seed, sample, work)) for seed, sample in batch])

    def _item(self, seed: Seed, sample: int, work: Making) -> Attempt:
        provenance = {"prompt": work.prompts[self.style].provenance(), "operation": self.style, "sample": sample}
        return Attempt(f"{seed.row}.{sample}", seed.prompt, (seed.row,), provenance)

    def question(self, item: Attempt, work: Making) -> list[Message]:
        values: dict[str, Any] = {"prompt": item.text}
        if self.style == "few_shot":
            shown = self._shown(item, work)
            values["examples"] = [{"prompt": seed.text, "answer": seed.answer} for seed in shown]
            item.provenance["examples"] = [seed.row for seed in shown]
        text = work.prompts[self.style].render(**values)
        return [*item.prompt[:-1], {"role": "user", "content": text}]

    def _shown(self, item: Attempt, work: Making) -> list[Seed]:
        """Other rows with answers, drawn anew for each item; never the row itself."""
        pool = [seed for seed in [*work.seeds, *work.existing] if seed.answer and seed.row not in item.seeds]
        return random.Random(f"{work.plan.seed}/examples/{item.id}").sample(pool, min(self.examples, len(pool)))

    def answer_in(self, text: str) -> str:
        if self.style != "chain_of_thought" or self.keep_reasoning:
            return text
        index = text.lower().rfind(MARK)
        return text[index + len(MARK) :].strip(" *\n") if index >= 0 else ""
