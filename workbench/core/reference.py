"""References: settings that name something of a home, and what is said of them where the setting is declared."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from workbench.core.errors import NestedSpecError, Problem, UserError

SCHEMA_KEY = "x-ref"


class Reference(ABC):
    """The mark of a setting that names something: `Annotated[str, ModelRef("model", "adapter")]`.

    It stands on a text, a list of texts or a mapping whose keys are the texts; an empty text names nothing. kinds: what
    is taken; () takes whatever the shelf has. Page, command line and JSON schema draw the setting from it alone.
    """

    shelf: ClassVar[str]
    """Where what is named lies: 'models', 'datasets', 'sessions', 'jobs', or of what else there is a list."""

    def __init__(self, *kinds: str):
        self.kinds = kinds

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.kinds))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.kinds))})"

    @property
    def key(self) -> str:
        """One text for all marks that take the same, by which lists of it are told apart."""
        return f"{self.shelf}({','.join(self.kinds)})"

    @abstractmethod
    def accepted(self) -> str:
        """What is taken, as words: 'a whole model, an adapter or BASE+ADAPTER'."""

    def parse(self, text: str) -> str:
        """The text in its one spelling; raises `UserError` for one that can name nothing, on whatever shelf."""
        return text.strip()

    def schema(self) -> dict[str, Any]:
        """What a JSON schema says of it, under `x-ref`; page, command line and documents read no more than that."""
        return {"shelf": self.shelf, "kinds": list(self.kinds), "accepted": self.accepted(), "key": self.key}

    def _read(self, value: Any) -> Any:
        try:
            if isinstance(value, str):
                return self.parse(value)
            if isinstance(value, dict):
                return {self.parse(text): of for text, of in value.items()}
            return [self.parse(text) for text in value] if isinstance(value, list) else value
        except UserError as error:
            raise NestedSpecError([Problem((), error.message, error.remedy)]) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), SCHEMA_KEY: self.schema()}


def reference_of(info: FieldInfo) -> Reference | None:
    """The mark of a setting that is a reference, of one that may be None too."""
    return next(_references([*info.metadata, info.annotation]), None)


def _references(marks: Any) -> Iterator[Reference]:
    for mark in marks:
        if isinstance(mark, Reference):
            yield mark
        elif (metadata := getattr(mark, "__metadata__", None)) is not None:
            yield from _references(metadata)
        elif type(None) in (alternatives := get_args(mark)):
            yield from _references(alternatives)


def either(words: list[str] | tuple[str, ...]) -> str:
    """'a, b or c'."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
