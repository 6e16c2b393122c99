"""Keeping rows by their number of turns."""

from typing import Annotated, ClassVar

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Filter, Row, Verdict


@STEPS.register
class Turns(Filter):
    """Keeps rows with so many turns; system prompts do not count, of a pair the longer side does."""

    method: ClassVar[str] = "turns"
    title: ClassVar[str] = "Number of turns"
    group: ClassVar = "Which rows stay"
    kinds: ClassVar[tuple[str, ...]] = ("conversation", "preference", "unpaired", "prompts")

    least: Annotated[int, Display(limit="min")] = Field(
        2, ge=0, le=100_000, title="Minimum turns", description="Fewest turns a row may have."
    )
    most: Annotated[int, Display(limit="max")] = Field(
        0, ge=0, le=100_000, title="Maximum turns", description="Most turns a row may have; 0 sets no limit."
    )

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if self.most and self.most < self.least:
            problems.add("most", f"{self.most} is less than the fewest, {self.least}.", "Raise it, or lower the other.")

    def judge(self, row: Row) -> Verdict | None:
        count = number_of_turns(row)
        if count < self.least:
            return Verdict(f"{_turns(count)}, fewer than {self.least}.")
        if self.most and count > self.most:
            return Verdict(f"{_turns(count)}, more than {self.most}.")
        return None


def number_of_turns(row: Row) -> int:
    """The messages of a row that are no system prompts."""
    answers = max((len(row.get(name, ())) for name in ("chosen", "rejected", "completion")), default=0)
    asked = row.get("messages") or row.get("prompt") or []
    return int(sum(turn["role"] != "system" for turn in asked) + answers)


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count:,} turns"
