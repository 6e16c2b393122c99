"""Self-Instruct: new tasks from examples of tasks."""

import random
import re
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.synthesis import filters, novelty
from workbench.synthesis.generator import MAKERS, Maker
from workbench.synthesis.items import Attempt
from workbench.synthesis.replies import CUT_OFF, Reply, Request
from workbench.synthesis.run import Making
from workbench.synthesis.seeds import Seed

FEWEST_WORDS, MOST_WORDS = 4, 150
NEEDS_MORE_THAN_TEXT = (
    "image, images, graph, graphs, picture, pictures, file, files, map, maps, draw, plot, go to, video, audio, music, "
    "flowchart, diagram"
)
COPIED = "more tasks, in the same way, without doing them, the tasks only"
NUMBERED = re.compile(r"^[ \t*#]*(?:task[ \t]*)?\d+[ \t]*[.:)][ \t*]*", re.IGNORECASE | re.MULTILINE)


@MAKERS.register
class SelfInstruct(Maker):
    """Shows the model examples of tasks, mostly the dataset's, and asks for more in the same way.

    https://arxiv.org/abs/2212.10560: in each request some examples are seeds and some were made so far, which keeps the
    tasks diverse; what is like an existing task (ROUGE-L 0.7), too short, too long, or needs more than text is left
    out, and so is what repeats the request itself, as small models do. Answers come in a second step. Left out of the
    paper's method: telling classification tasks apart, and separate inputs.
    """

    method: ClassVar[str] = "self_instruct"
    title: ClassVar[str] = "New tasks like these (Self-Instruct)"

    examples: Annotated[int, Display(unit="tasks")] = Field(
        8, ge=1, le=32, title="Examples per request",
        description="Tasks shown in each request: more vary the new ones and take longer.",
    )  # fmt: skip
    made_examples: Annotated[int, Display(unit="tasks", advanced=True)] = Field(
        2, ge=0, le=32, title="Generated examples per request",
        description="How many of the examples may be tasks generated so far: more stray further from the dataset.",
    )  # fmt: skip
    tasks: int = Field(
        4, ge=1, le=20, title="New tasks per request",
        description="New tasks asked for in each request: more are faster and more alike.",
    )  # fmt: skip
    avoid: Annotated[str, ADVANCED] = Field(
        NEEDS_MORE_THAN_TEXT, title="Avoid words",
        description="Tasks with one of these words are left out; separated by commas.",
    )  # fmt: skip
    template: Annotated[str, ADVANCED] = Field(
        "", title="Prompt template",
        description="A text of your own (Jinja: examples, wanted) in place of the built-in one.",
    )  # fmt: skip

    def templates(self) -> dict[str, str]:
        return {"self_instruct": self.template}

    def check(self, home: Home, seeds: list[Seed], problems: Problems) -> None:
        least = self.examples - self.made_examples
        if least < 1:
            problems.add(
                ("maker", "made_examples"), "leaves no room for a seed.", "Show more examples, or fewer made ones."
            )
        elif len(seeds) < least:
            remedy = f"Show {len(seeds)} examples, or choose a larger dataset."
            problems.add(("maker", "examples"), f"the dataset has only {len(seeds)} prompts to show.", remedy)

    def seeds_wanted(self, limit: int) -> int:
        return 10**9  # all of them: more seeds, more diverse tasks

    def make(self, work: Making) -> None:
        while work.may_ask:
            requests = [self._request(work, work.requests + n) for n in range(work.plan.batch)]
            work.requests += len(requests)
            items: list[Attempt] = []
            for request, reply in zip(requests, work.ask(requests), strict=True):
                items += self._items(request, reply, work)
            work.finish(items)

    def _request(self, work: Making, number: int) -> Request:
        """Examples for request `number`: seeds, some replaced by tasks made so far, in random order."""
        draw = random.Random(f"{work.plan.seed}/self_instruct/{number}")
        generated = draw.sample(work.accepted, min(self.made_examples, len(work.accepted)))
        seeds = draw.sample(work.seeds, min(self.examples - len(generated), len(work.seeds)))
        shown = [seed.text for seed in seeds] + [item.text for item in generated]
        draw.shuffle(shown)
        text = work.prompts["self_instruct"].render(examples=shown, wanted=self.tasks)
        return work.request(f"tasks/{number}", text, tuple(sorted(seed.row for seed in seeds)))

    def _items(self, request: Request, reply: Reply, work: Making) -> list[Attempt]:
        """The tasks in a reply that pass the paper's rules; the others are dropped here."""
        number = request.key.split("/")[1]
        provenance: dict[str, Any] = {"prompt": work.prompts["self_instruct"].provenance(), "sampling": reply.sampling}
        provenance |= {"operation": "self_instruct", "round": int(number)}
        if reply.failure:
            work.fail(work.item(Attempt(number, seeds=request.seeds)), f"tasks: {reply.failure}")
            return []
        tasks = tasks_in(reply.text, reply.finish == CUT_OFF)[: self.tasks]
        if not tasks:
            work.drop(work.item(Attempt(number, seeds=request.seeds)), "tasks: none in the reply")
        good = []
        for index, text in enumerate(tasks):
            prompt = [{"role": "user", "content": text}]
            item = work.item(Attempt(f"{number}.{index}", prompt, request.seeds, dict(provenance)))
            if reason := self._wrong(text):
                work.drop(item, reason)
            else:
                good.append(item)
        return good

    def _wrong(self, text: str) -> str:
        length = len(novelty.words(text))
        if length < FEWEST_WORDS:
            return "prompt: too short"
        if length > MOST_WORDS:
            return "prompt: too long"
        if filters.one_of(text, COPIED):
            return "prompt: copied words of the instructions"
        return "prompt: needs more than text" if filters.one_of(text, self.avoid) else ""


def tasks_in(text: str, cut_off: bool = False) -> list[str]:
    """The tasks of a numbered list; what stands before the first number counts unless it ends in a colon.

    The last one of a reply that was cut off is left out, as it may be unfinished.
    """
    first, *rest = NUMBERED.split(text)
    tasks = [piece.strip().strip("*").strip() for piece in rest]
    if first.strip() and not first.rstrip().rstrip("*").endswith(":"):
        tasks.insert(0, first.strip())
    return [piece for piece in (tasks[:-1] if cut_off else tasks) if piece]
