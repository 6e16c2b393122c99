"""A recipe: where a dataset comes from, and the steps that make it what it is. YAML in and out."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from workbench.core.errors import NestedSpecError, Problem, Problems, SpecError, UserError
from workbench.core.formats import RECIPE_FORMAT
from workbench.core.home import Home
from workbench.core.limits import bounded_text
from workbench.core.spec import Spec, dump_yaml, load_yaml
from workbench.data.recipes.step import STEPS, Step

RECIPE = RECIPE_FORMAT.file_name
MOST_STEPS = 100


def _source(data: Any) -> Any:
    """A source's settings, checked; {} stands for rows the workbench made itself."""
    from workbench.data.sources.source import SOURCES

    try:
        return SOURCES.parse(data).to_dict() if data else {}
    except SpecError as error:
        raise NestedSpecError(error.problems) from None


class Recipe(Spec):
    """A dataset as source + steps."""

    name: str = Field(description="The dataset it makes.")
    source: Annotated[dict[str, Any], BeforeValidator(_source)] = Field(
        default_factory=dict, description="Where its rows come from; empty for rows made here, such as votes."
    )
    steps: list[Annotated[Step, STEPS]] = Field(
        default_factory=list, description="What is done to the rows, in this order.", max_length=MOST_STEPS
    )

    @classmethod
    def parse(cls, data: Any) -> Self:
        """From plain data of this version or an earlier one; raises `SpecError`."""
        name = data.get("name") if isinstance(data, dict) else None
        try:
            data = RECIPE_FORMAT.upgrade(data, name if isinstance(name, str) else "")
        except UserError as error:
            raise SpecError([Problem("format", error.message, error.remedy)]) from None
        return super().parse(data)

    @classmethod
    def read(cls, text: str) -> "Recipe":
        """From YAML text; raises `SpecError`."""
        data = load_yaml(text)
        if not isinstance(data, dict):
            raise UserError("A recipe is a YAML object with name, source and steps.", "See an existing recipe.yaml.")
        return cls.parse(data)

    @classmethod
    def at(cls, folder: Path) -> "Recipe":
        """The recipe of a dataset's folder; one without steps when it has none."""
        path = folder / RECIPE
        return cls.read(bounded_text(path)) if path.is_file() else cls(name=folder.name)

    def to_yaml(self) -> str:
        return dump_yaml(self.written())

    def written(self) -> dict[str, Any]:
        """As it is written down: settings that are as usual are left out of the steps."""
        steps = [brief(step) for step in self.steps]
        return RECIPE_FORMAT.stamp({"name": self.name, "source": self.source, "steps": steps})

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        """Adds what is wrong with the steps, each under steps.N, counted from 1."""
        for number, step in enumerate(self.steps, start=1):
            field = f"steps.{number} ({step.title})"
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
            for problem in step_problems.found:
                problems.add(f"{field} {problem.field}".strip(), problem.message, problem.remedy)


def brief(step: Step) -> dict[str, Any]:
    """A step without the settings that are as they come."""
    usual = {name: info.get_default(call_default_factory=True) for name, info in type(step).model_fields.items()}
    settings = step.to_dict()
    return {name: value for name, value in settings.items() if name == "method" or value != usual.get(name)}
