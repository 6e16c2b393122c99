"""Turns with nothing in them, and turns that say the same again."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.data.recipes.step import STEPS, Outcome, Row, Step, StepWork, Verdict, each
from workbench.data.recipes.turns import TURN_COLUMNS, settle
from workbench.rows.split_rows import Rows

Message = dict[str, object]


@STEPS.register
class EmptyTurns(Step):
    """Takes out turns without a letter, digit or sign worth reading, and turns repeated word for word.

    Repeated is a turn with the role and text of the one before it. Turns that call tools are never blank.
    """

    method: ClassVar[str] = "empty_turns"
    title: ClassVar[str] = "Blank and repeated turns"
    group: ClassVar = "Conversations"

    blank: bool = Field(
        True, title="Blank turns", description="Take out turns of nothing but invisible characters, dots and dashes."
    )
    repeated: bool = Field(True, title="Repeated turns", description="Take out turns that repeat the one before them.")
    action: Annotated[
        Literal["drop turn", "drop row"], Display(labels={"drop turn": "the turn", "drop row": "the whole row"})
    ] = Field(
        "drop turn", title="Take out",
        description="Only the turn, or the whole row; a row that needs the turn goes as a whole.",
    )  # fmt: skip

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        outcome = Outcome()
        for index, row in each(rows, work, self.title):
            self._look(outcome, rows.kind, index, row)
        return outcome

    def _look(self, outcome: Outcome, kind: str, index: int, row: Row) -> None:
        if kind == "text":
            if self.blank and is_blank(row["text"]):
                outcome.removed[index] = Verdict("There is nothing in the text.")
            return
        new, gone, reason = self._cleaned(row)
        if not reason:
            return
        verdict = Verdict(reason, tuple(gone))
        if self.action == "drop row":
            outcome.removed[index] = verdict
        else:
            settle(outcome, kind, index, new, verdict)

    def _cleaned(self, row: Row) -> tuple[Row, list[str], str]:
        """The row without such turns, their texts, and what is said of them; '' when there are none."""
        new, blank, repeated = dict(row), [], []
        for name in [name for name in TURN_COLUMNS if name in row]:
            remaining: list[Message] = []
            for turn in row[name]:
                if self.blank and "tool_calls" not in turn and is_blank(turn["content"]):
                    blank.append(turn["content"])
                elif self.repeated and remaining and remaining[-1] == turn:
                    repeated.append(turn["content"])
                else:
                    remaining.append(turn)
            new[name] = remaining
        counted = (("blank", blank), ("repeated", repeated))
        summary = " and ".join(f"{len(texts)} {word} turn{'s' * (len(texts) > 1)}" for word, texts in counted if texts)
        return new, blank + repeated, f"{summary[:1].upper()}{summary[1:]}." if summary else ""


def is_blank(text: str) -> bool:
    """Whether a text has nothing but white space, invisible characters, dots, dashes and underscores."""
    return not any(letter not in BLANK and not letter.isspace() for letter in text)


BLANK = frozenset(".…-–—_\u200b\u200c\u200d\u2060\ufeff\u00ad")
