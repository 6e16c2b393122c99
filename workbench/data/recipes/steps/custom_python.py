"""A step of one's own in Python."""

import ast
import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, safe_join
from workbench.core.settings import Settings, variable_of
from workbench.data.recipes.step import STEPS, Outcome, Row, Step, StepWork, Verdict, each
from workbench.rows.canonical import check_row
from workbench.rows.split_rows import Rows

FOLDER, ALLOW = "steps", variable_of("allow_python")


@STEPS.register
class CustomPython(Step):
    """Runs a Python file of yours from the home's folder steps on every row; allowed by whoever starts the workbench.

    The file defines step(row), which gives back the row (changed or not), None to drop it, or a text that says why it
    is dropped. Files run with all rights of the workbench, so only those in that folder can be named.
    """

    method: ClassVar[str] = "custom_python"
    title: ClassVar[str] = "Your own Python"
    group: ClassVar = "Which rows stay"

    file: str = Field(
        examples=["my_step.py"], title="File", description="Name of a Python file in the home's folder steps."
    )

    @classmethod
    def unavailable(cls) -> str:
        allowed = Settings.current().allow_python
        return "" if allowed else f"Start the workbench with {ALLOW}=1 to let recipes run Python files."

    def check(self, home: Home, kind: str, problems: Problems) -> None:
        try:
            self._code(home)
        except UserError as error:
            problems.collect("file", error)

    def inputs(self, home: Home) -> list[str]:
        return [hashlib.sha256(self._path(home).read_bytes()).hexdigest()]

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        step, outcome = self._loaded(work.home), Outcome()
        for index, row in each(rows, work, self.title):
            self._judge(outcome, rows.kind, index, row, self._asked(step, row, int(rows.ids[index])))
        return outcome

    def _judge(self, outcome: Outcome, kind: str, index: int, row: Row, answer: Any) -> None:
        if answer is None:
            outcome.removed[index] = Verdict(f"Taken out by {self.file}.")
        elif isinstance(answer, str):
            outcome.removed[index] = Verdict(answer.strip()[:500] or f"Taken out by {self.file}.")
        elif answer != row:
            try:
                outcome.changed[index] = (check_row(kind, answer), Verdict(f"Changed by {self.file}."))
            except UserError as error:
                wrong = f"{self.file} makes something of row {index:,} that is no {kind} row: {error.message}"
                raise UserError(wrong, error.remedy, "file") from None

    def _asked(self, step: Callable[[Row], Any], row: Row, number: int) -> Any:
        try:
            return step(copy.deepcopy(row))
        except Exception as error:
            # Whatever a file of somebody's own raises must name the row it happened on.
            raise UserError(
                f"{self.file} fails on row {number:,}: {type(error).__name__}: {error}", "", "file"
            ) from error

    def _path(self, home: Home) -> Path:
        """The file; raises `UserError` when it may not run or is not there."""
        if self.unavailable():
            raise UserError("Python files may not run here.", self.unavailable(), "file")
        folder = home.root / FOLDER
        path = safe_join(folder, self.file, "file")
        if path.suffix != ".py" or not path.is_file():
            names = ", ".join(sorted(entry.name for entry in folder.glob("*.py"))) if folder.is_dir() else ""
            raise UserError(f"There is no {self.file!r} in {folder}.", f"There are: {names or 'none yet'}.", "file")
        return path

    def _code(self, home: Home) -> Any:
        """The file compiled, not run; raises `UserError` unless it is Python and defines step."""
        path = self._path(home)
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except (SyntaxError, ValueError) as error:
            raise UserError(f"{self.file} is not Python: {error}.", "Mend the file.", "file") from None
        if not any(isinstance(node, ast.FunctionDef) and node.name == "step" for node in tree.body):
            raise UserError(f"{self.file} has no function step(row).", "Define one.", "file")
        return compile(tree, str(path), "exec")

    def _loaded(self, home: Home) -> Callable[[Row], Any]:
        names: dict[str, Any] = {"__name__": f"workbench_step_{Path(self.file).stem}"}
        try:
            exec(self._code(home), names)  # noqa: S102 -- the operator allowed it
        except UserError:
            raise
        except Exception as error:
            # As above: the file's own fault, told as such.
            raise UserError(f"{self.file} cannot be loaded: {type(error).__name__}: {error}", "", "file") from error
        return names["step"]  # type: ignore[no-any-return]
