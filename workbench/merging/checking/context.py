"""A recipe with everything its models' files say: what all checks look at."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from workbench.core.errors import Problem, Problems, SettingPath, setting_path
from workbench.core.home import Home
from workbench.merging.checking.model_facts import ModelFacts, read_all_facts
from workbench.merging.recipe import MergeRecipe
from workbench.merging.stack import Segment, segments_of

MOST_LAYERS = 1000  # looked at in one part; no model has more, though a range may say so


@dataclass
class View:
    """A recipe with what is known of its models; `first` is the one whose config and tokenizer the result has."""

    home: Home
    recipe: MergeRecipe
    models: dict[str, ModelFacts]
    segments: list[Segment]
    problems: Problems = field(default_factory=Problems)
    notes: list[Problem] = field(default_factory=list)

    @property
    def first(self) -> ModelFacts | None:
        return next(iter(self.models.values()), None)

    @property
    def donor(self) -> ModelFacts | None:
        """The model whose tokenizer is copied, or is built upon."""
        return self.models.get(self.tokenizer or "", self.first)

    @property
    def tokenizer(self) -> str | None:
        config = self.recipe
        return config.tokenizer.source if config.tokenizer else config.tokenizer_source

    def note(self, where: str | SettingPath, message: str, remedy: str = "") -> None:
        self.notes.append(Problem(setting_path(where), message, remedy))

    def same(self, name: str, other: str | None) -> bool:
        return other is not None and self.key(name) == self.key(other)

    def key(self, name: str) -> Hashable:
        return self.models[name].identity if name in self.models else name


def read_context(home: Home, recipe: MergeRecipe) -> View:
    """Reads what the files of a recipe's models say; models that cannot be read become problems of the view."""
    problems = Problems()
    models = read_all_facts(home, recipe.references(), problems)
    depth: Callable[[str], int] = lambda name: models[name].depth if name in models else 0  # noqa: E731
    segments = segments_of(recipe, depth, {name: facts.identity for name, facts in models.items()})
    return View(home, recipe, models, segments, problems)
