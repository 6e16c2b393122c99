"""What a setting is to a person beyond its type, bounds and help: written where it is declared, read in its schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Display:
    """The mark of a setting: `Annotated[int, Display(unit="tokens", advanced=True)]`; `Field(title=…)` is its label.

    Each stands in the JSON Schema under `x-…`. unit: of a number, or of each of several. group: the fold it lies
    in, which says what is set in it while it is closed; of an advanced one the heading it stands under among those.
    advanced: folded away at first. shown_if: values of other settings of the spec without which it has no effect, so
    that it is not shown. labels: what choices are called. limit: whether a number is the most or the least of
    something. control: 'text' for a text of several lines, 'markdown' for one that is shown as it will be drawn,
    'lines' for several such texts, 'column' for a column of the file that is read, 'columns' for several, 'hidden' for
    what no form sets.
    """

    unit: str = ""
    group: str = ""
    advanced: bool = False
    shown_if: Mapping[str, Any] | None = None
    labels: Mapping[Any, str] | None = None
    limit: Literal["", "min", "max"] = ""
    control: Literal["", "text", "markdown", "lines", "column", "columns", "hidden"] = ""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        keys = {f"x-{name.replace('_', '-')}": value for name, value in vars(self).items() if value}
        return {**handler(schema), **keys}


ADVANCED = Display(advanced=True)
