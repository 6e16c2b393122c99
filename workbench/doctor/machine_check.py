"""A check: one thing proved of this machine, in a process of its own."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from workbench.core.children import Credential
from workbench.core.errors import UserError
from workbench.core.registry import Method, Registry
from workbench.doctor.finding import Fact

REINSTALL = "Install the packages again: pip install -r requirements.txt"


class NotRun(UserError):
    """A check cannot be run here: why, and what would make it possible."""


class CheckProbe:
    """What a check may use, and what it reports to.

    home: the home's folder, which need not be one that can be used. scratch: an empty folder for what it makes.
    """

    def __init__(self, home: Path, scratch: Path, report: Callable[[Fact], None]):
        self.home, self.scratch, self._report = home, scratch, report
        self.notes: list[UserError] = []

    def fact(self, name: str, value: bool | int | float | str, unit: str = "") -> None:
        """Reports something measured, at once: it is known whatever happens to the check later."""
        self._report(Fact(name=name, value=value, unit=unit))

    def warn(self, message: str, remedy: str = "") -> None:
        """Says what works, but not as well as it could."""
        self.notes.append(UserError(message, remedy))


class Check(Method):
    """Base of every check; each is a file in workbench/doctor/checks/.

    `measure` returns when all is well. It raises `NotRun`, or `UserError` with a remedy for a problem; what else it
    raises is a problem, too, and so is the death of its process or running longer than `limit_seconds`.
    """

    order: ClassVar[int] = 1000
    slow: ClassVar[bool] = False
    """Whether a quick look leaves it out."""
    limit_seconds: ClassVar[float] = 60
    remedy: ClassVar[str] = REINSTALL
    """What to do when it crashes or fails in a way it does not know."""
    online: ClassVar[bool] = False
    """Whether it asks a hub; the others are kept from that."""
    credentials: ClassVar[tuple[Credential, ...]] = ()

    @abstractmethod
    def measure(self, probe: CheckProbe) -> None:
        """Measures, and raises what is wrong."""


CHECKS: Registry[Check] = Registry("check", "workbench.doctor.checks", listed=False)


def ordered_checks() -> list[type[Check]]:
    """Every check, the quick and basic ones first."""
    return sorted(CHECKS, key=lambda check: (check.order, check.method))
