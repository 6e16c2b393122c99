"""A recipe with everything its models' files say: what all checks look at."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from workbench.core.errors import Problem, Problems
from workbench.core.home import Home
from workbench.merging.checking.model_facts import Seen, see_all
from workbench.merging.recipe import Recipe
from workbench.merging.stack import Part, parts_of

MOST_LAYERS = 1000  # looked at in one part; no model has more, though a range may say so


@dataclass
class View:
    """A recipe with what is known of its models; `first` is the one whose config and tokenizer the result has."""

    home: Home
    recipe: Recipe
    models: dict[str, Seen]
    parts: list[Part]
    problems: Problems = field(default_factory=Problems)
    notes: list[Problem] = field(default_factory=list)

    @property
    def first(self) -> Seen | None:
        return next(iter(self.models.values()), None)

    @property
    def donor(self) -> Seen | None:
        """The model whose tokenizer is copied, or is built upon."""
        return self.models.get(self.tokenizer or "", self.first)

    @property
    def tokenizer(self) -> str | None:
        config = self.recipe.config
        return config.tokenizer.source if config.tokenizer else config.tokenizer_source

    def note(self, where: str, message: str, remedy: str = "") -> None:
        self.notes.append(Problem(where, message, remedy))

    def same(self, one: str, other: str | None) -> bool:
        return other is not None and self.key(one) == self.key(other)

    def key(self, name: str) -> Hashable:
        return self.models[name].identity if name in self.models else name


def look(home: Home, recipe: Recipe) -> View:
    """Reads what the files of a recipe's models say; models that cannot be read become problems of the view."""
    problems = Problems()
    found = see_all(home, recipe.references(), problems)
    depth: Callable[[str], int] = lambda name: found[name].depth if name in found else 0  # noqa: E731
    parts = parts_of(recipe, depth, {name: seen.identity for name, seen in found.items()})
    return View(home, recipe, found, parts, problems)
