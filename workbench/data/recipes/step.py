"""A step of a recipe: rows in, rows out, with a reason for every row it takes out or changes. One a file in steps/."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home, safe_join
from workbench.core.lineage import read_manifest
from workbench.core.registry import Method, Registry
from workbench.core.tasks import Task
from workbench.rows.canonical import KINDS
from workbench.rows.split_rows import Rows

Row = dict[str, Any]
StepGroup = Literal[
    "Duplicates and leaks", "Which rows stay", "Text", "Conversations", "Split, order and share", "More"
]  # fmt: skip
MOST_EXCERPTS, EXCERPT_CHARACTERS = 20, 200


@dataclass(frozen=True)
class Verdict:
    """Why a row is taken out, changed or flagged; `excerpts` are the pieces of its text that are the reason."""

    reason: str
    excerpts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pieces = dict.fromkeys(piece[:EXCERPT_CHARACTERS] for piece in self.excerpts if piece)
        object.__setattr__(self, "excerpts", tuple(pieces)[:MOST_EXCERPTS])


@dataclass
class Outcome:
    """What a step did, by position in the rows it was given.

    removed, flagged: the verdicts (a flagged row stays). changed: the new row and why. order: the positions of the
    rows that stay, in their new order; one may come several times. added: new canonical rows, put at the end.
    splits: 'train' or 'eval' for rows that move. notes: sentences worth knowing.
    """

    removed: dict[int, Verdict] = field(default_factory=dict)
    changed: dict[int, tuple[Row, Verdict]] = field(default_factory=dict)
    flagged: dict[int, Verdict] = field(default_factory=dict)
    order: list[int] | None = None
    added: list[Row] | pa.Table = field(default_factory=list)
    splits: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def keeps_rows(self) -> bool:
        """Whether the rows given stay as and where they are, but for their splits."""
        return not self.removed and not self.changed and self.order is None


DropOrFlag = Annotated[Literal["drop", "flag"], Display(labels={"drop": "take out", "flag": "flag for review"})]
"""What becomes of the rows a step finds."""


@dataclass
class StepWork:
    """What a step may use; `task` is the step's own share of the work."""

    home: Home
    task: Task = field(default_factory=Task)


class Step(Method):
    """Base of every step. The same rows and settings give the same outcome, however many threads there are.

    group: where it is offered. kinds: the kinds of dataset it works on. reorders: whether rows change their order.
    version: raised when the outcome for the same settings changes, so that results kept from before are not used any
    more.
    """

    group: ClassVar[StepGroup] = "More"
    kinds: ClassVar[tuple[str, ...]] = KINDS
    reorders: ClassVar[bool] = False
    version: ClassVar[int] = 1

    restored: Annotated[list[int], Display(control="hidden")] = Field(
        default_factory=list, title="Restored rows",
        description="Numbers of rows kept as they are, whatever this step says.",
    )  # fmt: skip

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        """Adds everything that would make it fail later."""

    def datasets(self) -> list[str]:
        """Names of the datasets of the shelf it reads."""
        return []

    def inputs(self, home: Home) -> list[str]:
        """Digests of what it reads besides the rows and its settings: other datasets, files, a tokenizer."""
        return [read_manifest(safe_join(home.datasets, name)).digest for name in self.datasets()]

    @abstractmethod
    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        """What it does with these rows. Raises `UserError` or `JobStopped`."""


class Filter(Step):
    """A step that takes rows out, each judged by itself."""

    @abstractmethod
    def judge(self, row: Row) -> Verdict | None:
        """Why the row is taken out, or None if it stays."""

    def judge_batch(self, rows: list[Row], work: StepWork) -> list[Verdict | None]:
        """The verdicts on a thousand rows at a time, for what is faster together."""
        return [self.judge(row) for row in rows]

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        outcome = Outcome()
        for start, batch in rows.batches():
            work.task.check_stop()
            work.task.update(start, len(rows), self.title)
            verdicts = self.judge_batch(batch, work)
            outcome.removed |= {start + offset: verdict for offset, verdict in enumerate(verdicts) if verdict}
        return outcome


STEPS: Registry[Step] = Registry("step", "workbench.data.recipes.steps")

PARTS = {"messages", "prompt", "chosen", "rejected", "completion"}


def each(rows: Rows, work: StepWork, title: str) -> Iterator[tuple[int, Row]]:
    """Every row with its position; tells of progress, and stops when asked to."""
    for start, batch in rows.batches():
        work.task.check_stop()
        work.task.update(start, len(rows), title)
        yield from enumerate(batch, start)
