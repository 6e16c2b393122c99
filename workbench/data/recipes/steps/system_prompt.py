"""Adding, replacing or removing system prompts."""

import hashlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, Row, Step, StepWork, Verdict, each
from workbench.data.recipes.turns import settle
from workbench.rows.digests import row_text
from workbench.rows.split_rows import Rows

Message = dict[str, Any]


@STEPS.register
class SystemPrompt(Step):
    """Puts a system prompt before rows, replaces the one they have, or removes it.

    Of several texts one is drawn for each row, as Orca did to teach different manners: https://arxiv.org/abs/2306.02707.
    """

    method: ClassVar[str] = "system_prompt"
    title: ClassVar[str] = "System prompt"
    group: ClassVar = "Conversations"
    kinds: ClassVar[tuple[str, ...]] = ("conversation", "preference", "unpaired", "prompts")

    action: Annotated[
        Literal["add where missing", "replace where present", "set everywhere", "remove"],
        Display(labels={
            "add where missing": "add where missing", "replace where present": "replace where present",
            "set everywhere": "set everywhere", "remove": "remove everywhere",
        }),
    ] = Field(
        "add where missing", title="Rows", description="Which rows get the system prompt, or that all lose theirs."
    )  # fmt: skip
    texts: Annotated[list[str], Display(control="lines")] = Field(
        default=["You are a helpful assistant."], title="System prompts",
        description="The system prompt; of several, one is drawn for each row.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=2**31, title="Random seed", description="Another seed draws other texts."
    )

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if self.action != "remove" and not any(self.texts):
            problems.add("texts", "there is no system prompt.", "Write at least one.")
        for index, text in enumerate(self.texts):
            if self.action != "remove" and not text.strip():
                problems.add(("texts", index), "is empty.", "Write the system prompt, or leave it out.")

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        outcome = Outcome()
        for index, row in each(rows, work, self.title):
            self._edit(outcome, rows.kind, index, row)
        return outcome

    def _edit(self, outcome: Outcome, kind: str, index: int, row: Row) -> None:
        name = "messages" if kind == "conversation" else "prompt"
        turns: list[Message] = row[name]
        had = turns[0]["role"] == "system"
        if self.action in ("replace where present", "remove") and not had:
            return
        if self.action == "add where missing" and had:
            return
        new = [] if self.action == "remove" else [{"role": "system", "content": self._drawn(row)}]
        new += turns[1:] if had else turns
        if new != turns:
            participle = "removed" if self.action == "remove" else "replaced" if had else "added"
            old_prompt = (turns[0]["content"],) if had else ()
            settle(outcome, kind, index, {**row, name: new}, Verdict(f"System prompt {participle}.", old_prompt))

    def _drawn(self, row: Row) -> str:
        """The text for a row: hangs on what the row says and the seed, not on where it stands."""
        if len(self.texts) == 1:
            return self.texts[0]
        mark = hashlib.blake2b(f"{self.seed} {row_text(row)}".encode(), digest_size=8).digest()
        return self.texts[int.from_bytes(mark) % len(self.texts)]
