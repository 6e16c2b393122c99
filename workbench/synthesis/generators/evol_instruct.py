"""Evol-Instruct: prompts made harder or broader, round by round."""

import random
import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.synthesis import filters
from workbench.synthesis.generator import MAKERS, Maker
from workbench.synthesis.items import Attempt, Message
from workbench.synthesis.replies import CUT_OFF, Reply, Request
from workbench.synthesis.run import Making
from workbench.synthesis.seeds import Seed

OPERATIONS = ("add_constraints", "breadth", "concretise", "deepen", "widen")
NO_GAIN = "evolve_no_gain"
LABEL = re.compile(r"^[\s*#]*(the )?(rewritten|created) prompt[\s*#]*:[\s*]*", re.IGNORECASE)


@dataclass
class Line:
    """A prompt of the pool as it stands: its id and text, and what it was made of."""

    id: str
    prompt: list[Message]
    seed: int
    ancestors: tuple[str, ...]

    @property
    def text(self) -> str:
        return str(self.prompt[-1]["content"])


@MAKERS.register
class EvolInstruct(Maker):
    """Rewrites the prompts of a dataset into harder ones (in depth) or rarer ones (in breadth), in rounds.

    https://arxiv.org/abs/2304.12244. Every round draws one operation for each prompt of the pool. A prompt that fails
    (section 3.2: no gain, an answer that is a short apology or only stop words, copied words of the instructions) is
    left out, and the one it was made of is tried again in the next round. All rounds' prompts become rows.
    """

    method: ClassVar[str] = "evol_instruct"
    title: ClassVar[str] = "Harder and broader prompts (Evol-Instruct)"

    rounds: int = Field(
        2, ge=1, le=10, title="Rounds",
        description="How often the prompts are evolved: more become harder and stray further.",
    )  # fmt: skip
    deepen: bool = Field(True, title="Deepen", description="Ask for more depth and breadth of the same topic.")
    widen: bool = Field(True, title="More reasoning steps", description="Ask for reasoning in several steps.")
    concretise: bool = Field(True, title="Concretise", description="Replace general concepts by specific ones.")
    add_constraints: bool = Field(True, title="Add constraints", description="Add a constraint or requirement.")
    breadth: bool = Field(
        True, title="In-breadth evolving", description="Write a new, rarer prompt of the same domain."
    )
    ask_gain: bool = Field(
        True, title="Check for a gain", description="Ask the model whether the new prompt differs from the old one."
    )
    template: Annotated[str, ADVANCED] = Field(
        "", title="Prompt template",
        description="A text of your own (Jinja: prompt, operation) in place of every operation's built-in one.",
    )  # fmt: skip

    @property
    def operations(self) -> list[str]:
        return [name for name in OPERATIONS if getattr(self, name)]

    def templates(self) -> dict[str, str]:
        templates = {f"evolve_{name}": self.template for name in self.operations}
        return {**templates, NO_GAIN: ""} if self.ask_gain else templates

    def check(self, home: Home, seeds: list[Seed], problems: Problems) -> None:
        if not self.operations:
            problems.add("maker", "no operation is chosen.", f"Choose at least one of {', '.join(OPERATIONS)}.")

    def seeds_wanted(self, limit: int) -> int:
        return -(-limit // self.rounds)  # every round can make a row of each

    def make(self, work: Making) -> None:
        pool = [Line(f"seed {seed.row}", seed.prompt, seed.row, (f"seed {seed.row}",)) for seed in work.seeds]
        work.planned = self.rounds * len(pool)
        for number in range(1, self.rounds + 1):
            for start in range(0, len(pool), work.plan.batch):
                if work.wanted <= 0:
                    work.planned = 0
                    return
                batch = pool[start : start + work.plan.batch]
                pool[start : start + work.plan.batch] = self._evolved(batch, number, work)

    def _evolved(self, lines: list[Line], number: int, work: Making) -> list[Line]:
        """The lines after a round: evolved where that went well, else as they were."""
        items = [work.item(self._item(line, number, work)) for line in lines]
        requests = [self._request(line, item, work) for line, item in zip(lines, items, strict=True)]
        work.requests += len(requests)
        written = []
        for line, item, reply in zip(lines, items, work.ask(requests), strict=True):
            if self._written(line, item, reply, work):
                written.append((line, item))
        accepted = {item.id: item for item in work.finish(self._gained(written, work))}
        return [
            Line(item.id, item.prompt, line.seed, (*line.ancestors, item.id)) if item.id in accepted else line
            for line, item in zip(lines, items, strict=True)
        ]

    def _item(self, line: Line, number: int, work: Making) -> Attempt:
        operation = random.Random(f"{work.plan.seed}/evolve/{number}/{line.seed}").choice(self.operations)
        provenance = {
            "prompt": work.prompts[f"evolve_{operation}"].provenance(),
            "operation": operation,
            "round": number,
        }
        return Attempt(f"{line.seed}.{number}", [], (line.seed,), provenance, line.ancestors)

    def _request(self, line: Line, item: Attempt, work: Making) -> Request:
        operation = item.provenance["operation"]
        text = work.prompts[f"evolve_{operation}"].render(prompt=line.text, operation=operation)
        return work.request(f"evolve/{item.id}", text, item.seeds)

    def _written(self, line: Line, item: Attempt, reply: Reply, work: Making) -> bool:
        """Puts the evolved text into the item; False when the paper's rules about the text alone end it here."""
        if reply.failure:
            work.fail(item, f"evolve: {reply.failure}")
            return False
        text = LABEL.sub("", reply.text).strip().strip('"').strip()
        if not text or reply.finish == CUT_OFF:
            work.drop(item, "evolve: cut off at the limit of tokens" if text else "evolve: nothing in the reply")
            return False
        item.prompt = [*line.prompt[:-1], {"role": "user", "content": text}]
        item.provenance["sampling"] = reply.sampling
        if filters.copied_words(text):
            work.drop(item, "evolve: copied words of the instructions")
        elif filters.only_stop_words(text):
            work.drop(item, "evolve: only punctuation and stop words")
        elif work.novelty.same(text, line.id):
            work.drop(item, "evolve: no gain (the same words)")
        else:
            return True
        return False

    def _gained(self, written: list[tuple[Line, Attempt]], work: Making) -> list[Attempt]:
        """Those the model does not find equal to what they were made of. An unclear verdict counts for the prompt."""
        if not self.ask_gain or not written:
            return [item for _, item in written]
        asked = []
        for line, item in written:
            text = work.prompts[NO_GAIN].render(first=line.text, second=item.text)
            asked.append(work.request(f"gain/{item.id}", text, item.seeds, greedy=True, max_new_tokens=16))
        good = []
        for (_, item), reply in zip(written, work.ask(asked), strict=True):
            if reply.failure:
                work.fail(item, f"gain: {reply.failure}")
            elif finds_equal(reply.text):
                work.drop(item, "evolve: no gain (the model finds them equal)")
            else:
                good.append(item)
        return good

    def objection(self, item: Attempt) -> str:
        if filters.short_apology(item.answer):
            return "answer: a short apology"
        return "answer: only punctuation and stop words" if filters.only_stop_words(item.answer) else ""


def finds_equal(text: str) -> bool:
    """Whether a verdict says 'equal' and not 'not equal' (or 'unequal')."""
    return bool(re.search(r"\bequal\b", text, re.IGNORECASE)) and not re.search(r"\bnot\b", text, re.IGNORECASE)
