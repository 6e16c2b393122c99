"""A maker: a way of making rows from rows. One a file in makers/."""

from abc import abstractmethod
from typing import ClassVar

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.registry import Method, Registry
from workbench.synthesis.items import Attempt, Message
from workbench.synthesis.prompts import get_prompt
from workbench.synthesis.run import Making
from workbench.synthesis.seeds import Seed


class Maker(Method):
    """Base of every maker.

    makes_prompts: its prompts are new, so that they are checked for novelty, and answers to them may be left out.
    """

    makes_prompts: ClassVar[bool] = True

    @abstractmethod
    def templates(self) -> dict[str, str]:
        """The templates it asks with: name → a person's own text for it, or ''."""

    def check(self, home: Home, seeds: list[Seed], problems: Problems) -> None:
        """Adds everything that would make it fail later; `seeds` are rows of the dataset."""

    def check_templates(self, problems: Problems) -> None:
        for name, own in self.templates().items():
            try:
                get_prompt(name, own)
            except UserError as error:
                problems.collect("template", error)

    def seeds_wanted(self, limit: int) -> int:
        """How many seeds it needs to make `limit` rows."""
        return limit

    @abstractmethod
    def make(self, work: Making) -> None:
        """Asks and finishes items through `work` until there are enough, or nothing more to try."""

    def question(self, item: Attempt, work: Making) -> list[Message]:
        """What a model is asked for the item's answer: its prompt, the last turn put into the template 'answer'."""
        text = work.prompts["answer"].render(prompt=item.text)
        item.provenance["answer_prompt"] = work.prompts["answer"].provenance()
        return [*item.prompt[:-1], {"role": "user", "content": text}]

    def answer_in(self, text: str) -> str:
        """The answer in a reply; '' when there is none in it."""
        return text

    def objection(self, item: Attempt) -> str:
        """Why an item with an answer is dropped by the rules of this method; '' if it is not."""
        return ""


MAKERS: Registry[Maker] = Registry("maker", "workbench.synthesis.generators")
