"""What a check found: numbers with their units, and what to do where something does not work."""

from typing import Literal

from pydantic import Field

from workbench.core.spec import Spec
from workbench.core.units import human_size

Status = Literal["ok", "note", "problem", "not run"]
STATUSES: tuple[Status, ...] = ("ok", "note", "problem", "not run")


class Fact(Spec):
    """One thing measured. unit: bytes, s, ms, share, … or '' for a plain number, text, or yes and no."""

    name: str
    value: bool | int | float | str
    unit: str = ""

    def text(self) -> str:
        """The value with its unit, as people read it."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.value, str):
            return self.value
        if self.unit == "bytes":
            return human_size(self.value)
        if self.unit == "share":
            return f"{100 * self.value:.3g} %"
        number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.3g}"
        return f"{number} {self.unit}".strip()


class MachineFinding(Spec):
    """How one check ended. message: what is wrong, or why it was not run; remedy: what to do about that."""

    check: str
    title: str
    status: Status
    facts: list[Fact] = Field(default_factory=list)
    message: str = ""
    remedy: str = ""
    seconds: float = 0.0

    def measured(self) -> str:
        """The facts in a line."""
        return "; ".join(f"{fact.name}: {fact.text()}" for fact in self.facts)
