"""Conversations whose turns do not take turns."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.data.recipes.step import STEPS, Outcome, Row, Step, StepWork, Verdict, each
from workbench.data.recipes.turns import settle
from workbench.rows.split_rows import Rows

Message = dict[str, Any]
ANSWERS = ("chosen", "rejected", "completion")
AFTER = {
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user",),
    "called": ("tool",),
    "tool": ("tool", "assistant"),
}


@STEPS.register
class RoleOrder(Step):
    """Holds rows to the order chat templates expect: system, then user and assistant in turn, tools after their calls.

    Templates such as Llama 2's and Mistral's refuse anything else,
    https://huggingface.co/docs/transformers/chat_templating.
    """

    method: ClassVar[str] = "role_order"
    title: ClassVar[str] = "Order of roles"
    group: ClassVar = "Conversations"
    kinds: ClassVar[tuple[str, ...]] = ("conversation", "preference", "unpaired", "prompts")

    action: Annotated[Literal["drop", "repair"], Display(labels={"drop": "take out", "repair": "repair"})] = Field(
        "repair", title="Rows out of order",
        description="Take such rows out, or merge turns of one role and cut off what follows the last answer; "
        "what that does not mend goes.",
    )  # fmt: skip

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        outcome = Outcome()
        for index, row in each(rows, work, self.title):
            fault = first_fault(row)
            if fault:
                self._mend(outcome, rows.kind, index, row, fault)
        return outcome

    def _mend(self, outcome: Outcome, kind: str, index: int, row: Row, fault: Verdict) -> None:
        new = repaired(row) if self.action == "repair" else row
        left = first_fault(new)
        if self.action == "drop" or left:
            outcome.removed[index] = fault
        else:
            settle(outcome, kind, index, new, fault)


def first_fault(row: Row) -> Verdict | None:
    """What is wrong with the order of a row's turns, or None."""
    for name in ("messages", *ANSWERS, "prompt"):
        if name in row:
            before = row.get("prompt", []) if name in ANSWERS else []
            fault = _fault([*before, *row[name]], ends=name != "prompt")
            if fault:
                return fault
    return None


def repaired(row: Row) -> Row:
    """The row with consecutive turns of one role merged, and cut off after its last answer."""
    new = dict(row)
    for name in ("messages", "prompt", *ANSWERS):
        if name in row:
            new[name] = _merged(row[name])
    if "messages" in new:
        last = max((at for at, turn in enumerate(new["messages"], 1) if turn["role"] == "assistant"), default=0)
        new["messages"] = new["messages"][:last]
    return new


def _fault(turns: list[Message], ends: bool) -> Verdict | None:
    state = ""
    for number, turn in enumerate(turns, 1):
        role = turn["role"]
        if role not in AFTER[state]:
            before = {"": "at the beginning", "called": "after a tool call"}.get(state, f"after {state}")
            return Verdict(f"Turn {number} is {role} {before}.", (turn["content"],))
        state = "called" if turn.get("tool_calls") else role
    if ends and state != "assistant":
        last_turn = "a tool call" if state == "called" else state or "nothing"
        return Verdict(f"The last turn is {last_turn}, not an answer.", (turns[-1]["content"],) if turns else ())
    return None


def _merged(turns: list[Message]) -> list[Message]:
    merged: list[Message] = []
    for turn in turns:
        plain = turn.keys() == {"role", "content"}
        if merged and plain and merged[-1].keys() == {"role", "content"} and merged[-1]["role"] == turn["role"]:
            merged[-1] = {**merged[-1], "content": f"{merged[-1]['content']}\n\n{turn['content']}"}
        else:
            merged.append(dict(turn))
    return merged
