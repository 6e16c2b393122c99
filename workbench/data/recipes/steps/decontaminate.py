"""Taking out rows that contain questions of a benchmark."""

from typing import Annotated, ClassVar

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.recipes.benchmarks import dataset_prompts, file_digest, file_prompts
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import slices, turn_texts
from workbench.data.store.dataset_reference import DatasetRef
from workbench.rows.split_rows import Rows, TurnScope


@STEPS.register
class Decontaminate(Step):
    """Takes out rows that share a run of words with a prompt of a benchmark, so that its score stays honest.

    Overlap of word runs as in GPT-3's appendix C, https://arxiv.org/abs/2005.14165. Prompts shorter than a run count
    where a whole turn is equal to them.
    """

    method: ClassVar[str] = "decontaminate"
    title: ClassVar[str] = "Benchmark overlap"
    group: ClassVar = "Duplicates and leaks"
    version: ClassVar[int] = 2

    dataset: Annotated[str, DatasetRef()] = Field(
        "", title="Dataset", description="A dataset of the shelf whose prompts must not occur."
    )
    file: str = Field(
        "", title="Benchmark file",
        description="Or a file in the home's folder benchmarks: a prompt a line, or JSON lines.",
    )  # fmt: skip
    words: Annotated[int, Display(unit="words")] = Field(
        8, ge=4, le=50, title="Run length",
        description="Words in a row that count as overlap: 8 find near copies too, 13 hardly any by chance.",
    )  # fmt: skip
    part: TurnScope = Field("all", title="Turns", description="Which turns are searched.")

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not self.dataset and not self.file:
            problems.add("dataset", "there is no benchmark.", "Name a dataset, or a file in the folder benchmarks.")
            return
        try:
            if not self._prompts(home):
                problems.add("file" if self.file else "dataset", "there are no prompts in it.", "Choose another one.")
        except UserError as error:
            problems.collect("dataset", error)

    def datasets(self) -> list[str]:
        return [self.dataset] if self.dataset else []

    def inputs(self, home: Home) -> list[str]:
        return super().inputs(home) + ([file_digest(home, self.file)] if self.file else [])

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        from workbench.data.text.overlap import Index, shared_text
        from workbench.data.text.shingles import blocks

        prompts = self._prompts(work.home)
        index, outcome = Index(prompts, self.words), Outcome()
        for start, some in slices(rows, work, self.title):
            turns, reached = turn_texts(some, self.part), 0
            for block in blocks(turns.texts):
                work.task.check_stop()
                for overlap in index.overlaps(block):
                    text = block[overlap.text].as_py()
                    row_index = start + int(turns.rows[reached + overlap.text])
                    got = shared_text(text, overlap.words, self.words) if overlap.words else (text,)
                    outcome.removed.setdefault(row_index, Verdict(self._reason(overlap.prompt, overlap.runs), got))
                reached += len(block)
        outcome.removed = dict(sorted(outcome.removed.items()))
        outcome.notes.append(f"Compared with {len(prompts):,} prompts.")
        return outcome

    def _prompts(self, home: Home) -> list[str]:
        prompts = dataset_prompts(home, self.dataset) if self.dataset else []
        return prompts + (file_prompts(home, self.file) if self.file else [])

    def _reason(self, prompt: int, runs: int) -> str:
        name = " and ".join(name for name in (self.dataset, self.file) if name)
        if not runs:
            return f"A turn is prompt {prompt + 1:,} of {name} word for word."
        many = f"{runs:,} runs of {self.words} words" if runs > 1 else f"a run of {self.words} words"
        return f"Shares {many} with prompt {prompt + 1:,} of {name}."
