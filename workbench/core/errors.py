"""Errors a person can act on, and the translation of the ones libraries raise."""

import contextlib
import difflib
import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

MOST_CHARACTERS = 2000  # of a message or a remedy: they quote what files hold
MOST_PROBLEMS = 100
SEE_LOG = "The log has the whole story."


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters; the cut is marked."""
    return text if len(text) <= most else text[: most - 1] + "…"


SettingPath = tuple[str | int, ...]
"""Where a setting stands: ("steps", 3, "share"), items of lists counted from 0; () for all of it."""


def setting_path(field: "str | SettingPath") -> SettingPath:
    """A path as it is; the name of one setting as a path, '' as that of all."""
    steps = ((field,) if field else ()) if isinstance(field, str) else field
    return tuple(shortened(step, MOST_CHARACTERS) if isinstance(step, str) else step for step in steps)


def dotted(path: SettingPath) -> str:
    """A path as it is written for people: 'steps[3].share'."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return shortened(text.removeprefix("."), MOST_CHARACTERS)


class UserError(Exception):
    """Something the person can put right: `message` says what is wrong, `remedy` what to do about it.

    field: the setting it concerns, by its name or its whole path, kept as `path`.
    """

    def __init__(self, message: str, remedy: str = "", field: str | SettingPath = ""):
        self.message, self.remedy = shortened(message, MOST_CHARACTERS), shortened(remedy, MOST_CHARACTERS)
        self.path = setting_path(field)
        super().__init__(self.message)

    @property
    def field(self) -> str:
        """The setting it concerns, as it is written for people; '' for none."""
        return dotted(self.path)

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.message}" + (f" {self.remedy}" if self.remedy else "")


class MemoryShortage(UserError):
    """There was not enough memory, of the machine or of its device."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: the setting it concerns, what is wrong, and the remedy."""

    path: SettingPath
    message: str
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", setting_path(self.path))
        for name in ("message", "remedy"):
            object.__setattr__(self, name, shortened(getattr(self, name), MOST_CHARACTERS))

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Problem":
        """The problem that `to_dict` wrote; raises `KeyError`."""
        return cls(tuple(data["path"]), data["message"], data["remedy"])

    def to_dict(self) -> dict[str, Any]:
        """Plain data: path, message and remedy, and the path as it is written for people."""
        return {"path": list(self.path), "field": self.field, "message": self.message, "remedy": self.remedy}

    @property
    def field(self) -> str:
        """The setting, as it is written for people; '' for all of them."""
        return dotted(self.path)

    def below(self, path: SettingPath) -> "Problem":
        """The problem of a spec that stands at this path of another."""
        return replace(self, path=(*path, *self.path))

    def __str__(self) -> str:
        text = f"{self.message} {self.remedy}".strip()
        return f"{self.field}: {text}" if self.path else text


class SpecError(UserError):
    """All problems of a configuration at once, found before any work starts."""

    def __init__(self, problems: list[Problem]):
        more = len(problems) - MOST_PROBLEMS
        note = [Problem((), f"There are {more:,} more problems.", "Mend these first.")] if more > 0 else []
        self.problems = problems = [*problems[:MOST_PROBLEMS], *note]
        super().__init__("\n".join(str(problem) for problem in problems))


def problems_in(error: UserError) -> list[Problem]:
    """All that an error tells, as problems."""
    return error.problems if isinstance(error, SpecError) else [Problem(error.path, error.message, error.remedy)]


class Problems:
    """Collects problems, then raises them together."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, field: str | SettingPath, message: str, remedy: str = "") -> None:
        """Adds a problem of a setting, by its name or its whole path."""
        self.found.append(Problem(setting_path(field), message, remedy))

    def collect(self, field: str | SettingPath, error: UserError) -> None:
        """Adds what another check raised, under this setting unless it names one."""
        if isinstance(error, SpecError):
            self.found.extend(error.problems)
        else:
            self.add(error.path or field, error.message, error.remedy)

    def nest(self, path: SettingPath, problems: list[Problem]) -> None:
        """Adds what was found in a setting that has settings of its own."""
        self.found += [problem.below(path) for problem in problems]

    def check(self) -> None:
        """Raises `SpecError` if anything was found."""
        if self.found:
            raise SpecError(self.found)


@contextlib.contextmanager
def concerning(path: SettingPath) -> Iterator[None]:
    """What is raised within is of the setting at this path, whatever name was given there."""
    try:
        yield
    except UserError as error:
        raise UserError(error.message, error.remedy, path) from None


FULL = ("The disk is full", "Free some space, then start or resume it again.")
REASONS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: ("The disk can only be read", "Mount it for writing, or set WORKBENCH_HOME to another folder."),
    errno.EFBIG: ("The file would be larger than is allowed here", "Raise the limit (ulimit -f), then try again."),
    errno.EIO: ("The disk reports an error", "Check it, then try again."),
}


@contextlib.contextmanager
def saying(failure: str, more: str = "") -> Iterator[None]:
    """Turns an error of the disk into a `UserError` that begins with `what` was not done."""
    try:
        yield
    except OSError as error:
        explained = explain(error)
        raise UserError(f"{failure}: {explained.message}", f"{explained.remedy} {more}".strip()) from error


def explain(error: BaseException, log: str = "") -> UserError:
    """Turns any exception into a `UserError`; what is unknown keeps its type and text.

    log: the sentence that says where its traceback is, from those who write it down.
    """
    if isinstance(error, UserError):
        return error
    text = f"{error}".strip() or type(error).__name__
    if isinstance(error, OSError) and error.errno in REASONS:
        where = f" ({error.filename})" if error.filename else ""
        return UserError(f"{REASONS[error.errno][0]}{where}.", REASONS[error.errno][1])
    if isinstance(error, FileNotFoundError) and error.filename:
        return UserError(f"There is no file {error.filename}.", "Check the path.")
    if isinstance(error, PermissionError):
        return UserError(f"No permission: {text}.", "Check who owns that folder, or choose another one.")
    if message := _out_of_memory(error, text):
        return MemoryShortage(
            message, "Lower the batch size or the maximum length, choose QLoRA, or free the device; then resume."
        )
    name = type(error).__name__
    sentence = name if text == name else f"{name}: {text[:500]}"
    return UserError(sentence if sentence.endswith((".", "!", "?")) else f"{sentence}.", log)


def _out_of_memory(error: BaseException, text: str) -> str:
    """The sentence for an error of missing memory, however a library puts it; '' for any other."""
    asked = re.search(r"can't allocate memory: you tried to allocate (\d+) bytes", text)  # torch, on the CPU
    if asked:
        return f"Out of memory: {int(asked[1]) / 1e9:,.3g} GB more were asked for than may be used."
    sign = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if sign or re.search(r"out of memory|cannot allocate memory|std::bad_alloc|^bad allocation", text, re.IGNORECASE):
        first = text.splitlines()[0][:200]
        return "Out of memory." if first in ("MemoryError", "std::bad_alloc") else f"Out of memory: {first}"
    return ""


class NestedSpecError(ValueError):
    """Carries a method's own problems through pydantic, which only passes on `ValueError`."""

    def __init__(self, problems: list[Problem]):
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def suggestion(name: str, names: list[str]) -> str:
    """'Did you mean …' with the nearest names, else the list of all."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(names)}." if names else ""
