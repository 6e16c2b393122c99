"""A recipe: where a dataset comes from, and the steps that make it what it is. YAML in and out."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

from workbench.core.errors import Problem, Problems, SpecError, UserError
from workbench.core.formats import RECIPE_FORMAT
from workbench.core.home import Home
from workbench.core.limits import bounded_text
from workbench.core.yaml_spec import YamlSpec
from workbench.data.recipes.step import STEPS, Step
from workbench.data.sources.source import SOURCES, Source

RECIPE = RECIPE_FORMAT.file_name
MOST_STEPS = 100


def brief(step: Step) -> dict[str, Any]:
    """A step without the settings that are as they come."""
    usual = {name: info.get_default(call_default_factory=True) for name, info in type(step).model_fields.items()}
    settings = step.to_dict()
    return {name: value for name, value in settings.items() if name == "method" or value != usual.get(name)}


Steps = Annotated[
    list[Annotated[Step, STEPS]],
    Field(max_length=MOST_STEPS),
    PlainSerializer(lambda steps: [brief(step) for step in steps]),
]
"""Steps in their order; settings that are as usual are not written."""


class Recipe(YamlSpec):
    """A dataset as source + steps."""

    begins_with: ClassVar[str] = "A recipe has name, source and steps; see an existing recipe.yaml."

    name: str = Field(title="Dataset", description="Name of the dataset it makes.")
    source: Annotated[Annotated[Source, SOURCES] | None, BeforeValidator(lambda source: source or None)] = Field(
        None, title="Source", description="Where its rows come from; empty for rows made here, such as votes."
    )
    steps: Steps = Field(default_factory=list, title="Steps", description="What is done to the rows, in this order.")

    @classmethod
    def upgraded(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The settings of this version or an earlier one; raises `SpecError` for a later one."""
        name = data.get("name")
        try:
            return dict(RECIPE_FORMAT.upgrade(data, name if isinstance(name, str) else ""))
        except UserError as error:
            raise SpecError([Problem(("format",), error.message, error.remedy)]) from None

    @model_serializer(mode="wrap")
    def _stamped(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return RECIPE_FORMAT.stamp({**plain(self), "source": self.source_settings})

    @property
    def source_settings(self) -> dict[str, Any]:
        """The source as it is written; {} for none."""
        return self.source.to_dict() if self.source else {}

    @classmethod
    def at(cls, folder: Path) -> "Recipe":
        """The recipe of a dataset's folder; one without steps when it has none."""
        path = folder / RECIPE
        if not path.is_file():
            return cls(name=folder.name)
        # the folder may have been given another name since
        return cls.parse(bounded_text(path)).model_copy(update={"name": folder.name})

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        """Adds what is wrong with the steps."""
        for index, step in enumerate(self.steps):
            step_problems = Problems()
            if reason := step.unavailable():
                step_problems.add("", "cannot run here.", reason)
            elif kind and kind not in step.kinds:
                step_problems.add("", f"does not work on {kind} rows.", f"It works on: {', '.join(step.kinds)}.")
            elif self.name in step.datasets():
                step_problems.add("", "reads the dataset it makes.", "Choose another dataset.")
            else:
                try:
                    step.check(home, kind, step_problems)
                except UserError as error:
                    step_problems.collect("", error)
            problems.nest(("steps", index), step_problems.found)
