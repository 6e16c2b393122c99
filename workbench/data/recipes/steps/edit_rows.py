"""What a person changed by hand: rows edited, deleted and added."""

from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.rows.canonical import check_row
from workbench.rows.split_rows import Rows


@STEPS.register
class EditRows(Step):
    """Rows edited, deleted or added by hand, known by their numbers."""

    method: ClassVar[str] = "edit_rows"
    title: ClassVar[str] = "Edits by hand"

    changed: dict[int, dict[str, Any]] = Field(
        default_factory=dict, title="Changed rows", description="The new row by the number of the row it replaces."
    )
    deleted: list[int] = Field(default_factory=list, title="Deleted rows", description="Numbers of the rows taken out.")
    added: list[dict[str, Any]] = Field(
        default_factory=list, title="Added rows", description="New rows, put at the end."
    )

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        if not kind:  # the source is not read yet; the rows are checked before the steps begin
            return
        for name, rows in (("changed", self.changed.values()), ("added", self.added)):
            for row in rows:
                try:
                    check_row(kind, row)
                except UserError as error:
                    problems.add((name, *error.path), error.message, error.remedy)

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        places = {int(row_id): index for index, row_id in enumerate(rows.ids)}
        gone = [row_id for row_id in (*self.changed, *self.deleted) if row_id not in places]
        changed = {
            places[row_id]: (row, Verdict("Edited by hand."))
            for row_id, row in self.changed.items()
            if row_id in places
        }
        removed = {places[row_id]: Verdict("Deleted by hand.") for row_id in self.deleted if row_id in places}
        changed = {index: new for index, new in changed.items() if index not in removed}
        notes = (
            [f"{len(gone)} rows edited here are not there any more: an earlier step takes them out."] if gone else []
        )
        return Outcome(removed=removed, changed=changed, added=list(self.added), notes=notes)
