"""Finding rows that ask or say the same in other words."""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.recipes.keep_policy import Compare, compared
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.data.recipes.turns import row_name
from workbench.data.text import embedding
from workbench.rows.split_rows import Rows

BATCH_TEXTS, BLOCK_ROWS = 32, 1024
MOST_ROWS = 100_000


@STEPS.register
class SemanticDuplicates(Step):
    """Flags rows whose meaning is close to an earlier row's, for review; none is taken out.

    Cosine similarity of sentence vectors, after SemDeDup, https://arxiv.org/abs/2303.09540. Sentence models also find
    'open' and 'close' alike, so look before you delete.
    """

    method: ClassVar[str] = "semantic_duplicates"
    title: ClassVar[str] = "Semantic duplicates"
    group: ClassVar = "Duplicates and leaks"
    version: ClassVar[int] = 2

    threshold: Annotated[float, Display(limit="min")] = Field(
        0.88, ge=0.5, le=1, title="Cosine similarity",
        description="From which likeness on a row is flagged: higher flags fewer.",
    )  # fmt: skip
    compare: Compare = Field(
        "prompt", title="Compare", description="What is compared: what comes before the answers, or the whole row."
    )

    @classmethod
    def unavailable(cls) -> str:
        return embedding.embedding_unavailable()

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if kind == "text" and self.compare == "prompt":
            problems.add("compare", "plain texts have no prompt.", "Choose 'all'.")

    def inputs(self, home: Home) -> list[str]:
        return [embedding.model_digest()]

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        if len(rows) > MOST_ROWS:
            raise UserError(
                f"{len(rows):,} rows are too many to compare each with each.",
                f"Sample {MOST_ROWS:,} of them first.",
                "method",
            )
        texts = compared(rows, self.compare).to_pylist()
        used = np.array([index for index, text in enumerate(texts) if text.strip()], np.int64)
        vectors = self._vectors([texts[index] for index in used.tolist()], work)
        flagged = {}
        for index, (other, alike) in nearest_before(vectors, self.threshold, work).items():
            name = row_name(int(rows.ids[used[other]]))
            flagged[int(used[index])] = Verdict(f"Means much the same as {name}: cosine similarity {alike:.2f}.")
        return Outcome(flagged=flagged)

    def _vectors(self, texts: list[str], work: StepWork) -> embedding.Vectors:
        """(texts, size), embedded in batches of like length."""
        embed = embedding.load_embedding()
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        batches: list[NDArray[np.float32]] = []
        for start in range(0, len(order), BATCH_TEXTS):
            work.task.check_stop()
            work.task.update(start, len(order), "Embedding")
            batches.append(embed([texts[index] for index in order[start : start + BATCH_TEXTS]]))
        whole = np.concatenate(batches) if batches else np.zeros((0, 1), np.float32)
        back = np.empty_like(whole)
        back[order] = whole
        return back


def nearest_before(vectors: embedding.Vectors, threshold: float, work: StepWork) -> dict[int, tuple[int, float]]:
    """For each vector that is at least so like one before it: the most like of those and the cosine similarity."""
    nearest = {}
    for start in range(0, len(vectors), BLOCK_ROWS):
        work.task.check_stop()
        work.task.update(start, len(vectors), "Comparing")
        alike = vectors[start : start + BLOCK_ROWS] @ vectors[: start + BLOCK_ROWS].T
        own = np.arange(len(alike))[:, None] + start
        alike[np.arange(alike.shape[1])[None, :] >= own] = -1
        best = alike.argmax(1)
        for row in np.flatnonzero(alike[np.arange(len(alike)), best] >= threshold).tolist():
            nearest[start + row] = (int(best[row]), min(float(alike[row, best[row]]), 1.0))
    return nearest
