"""What entries of LLaMA-Factory and of axolotl have in common: which keys are honoured, the files meant, the hub."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.data.reading.format import FORMATS, Format
from workbench.data.sources.source import SOURCES, Source

Entry = dict[str, Any]
OTHERS = {"others": "keep"}  # an entry says which columns are read, and so that the others are not
SPLIT = re.compile(r"(?P<name>[\w.-]+)\s*(?P<part>\[.*\])?")
UNSET: tuple[Any, ...] = (None, "", False, [], {})


@dataclass(frozen=True)
class EntryKeys:
    """The keys of an object of an entry, by what becomes of them, each with the sentence that says so.

    `noted` concern the training and not the rows: the import says so in a remark. `refused` come with the reason.
    """

    honoured: dict[str, str]
    noted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def check(self, problems: Problems, settings: Any, prefix: str = "") -> list[str]:
        """The remarks; adds a problem for every key that is refused or unknown. Unset values ask for nothing."""
        if not isinstance(settings, dict):
            problems.add(prefix.rstrip("."), "is no object.", "Write names and values.")
            return []
        remarks = []
        for key, value in settings.items():
            name = f"{prefix}{key}"
            if key in self.honoured or value in UNSET:
                continue
            if key in self.noted:
                remarks.append(f"{name} is not taken over. {self.noted[key]}")
            else:
                error = unsupported(name, self.refused.get(key, ""))
                problems.add(error.path, error.message, error.remedy)
        return remarks


@dataclass(frozen=True)
class Reading:
    """How the rows of an entry are read: the format's settings, which of them, and what to tell."""

    format: dict[str, Any]
    split: str = "train"
    samples: int = 0
    notes: list[str] = field(default_factory=list)

    def parsed(self) -> Format:
        return FORMATS.parse({**self.format, **OTHERS})

    def hub(self, dataset: Any, config: Any = "", revision: Any = "") -> Source:
        """The dataset of the hub."""
        location = {"dataset": str(dataset), "config": str(config or ""), "split": self.split}
        rest = {"revision": str(revision or ""), "samples": self.samples, "notes": self.notes}
        return SOURCES.parse({"method": "hub", **location, **rest, "format": self.parsed()})

    def files(self, paths: list[Path], folder: Path) -> Source:
        """These files, which must lie in the folder the description came with. Raises `UserError`."""
        for path in paths:
            if not path.resolve().is_relative_to(folder.resolve()):
                raise UserError(
                    f"{path.name!r} leads outside the folder.", "Name a file that lies beside the list.", "file_name"
                )
            if not path.exists():
                where = path.relative_to(folder) if path.is_relative_to(folder) else path
                raise UserError(
                    f"There is no file {where}.",
                    "It should lie beside the list. In the page give both together.",
                    "file_name",
                )
        rows = {"rows": part_of_split(self.split), "samples": self.samples, "notes": self.notes}
        return SOURCES.parse(
            {"method": "files", "paths": [str(path) for path in paths], "format": self.parsed(), **rows}
        )


def part_of_split(split: str) -> str:
    """Which rows of files a split means: files are one split, train. Raises `UserError`."""
    match = SPLIT.fullmatch(split.strip())
    if match is None:
        raise UserError(f"The split {split!r} is not understood.", "Write train, or a part as in train[:20%].", "split")
    if match["name"] != "train":
        raise UserError(
            f"The split {match['name']!r} is none of these files, whose rows are all of the split train.",
            "Name the file that holds the split, and train as its split.",
            "split",
        )
    return (match["part"] or "").replace(" ", "")


def whole_number(value: Any, name: str) -> int:
    """A count of an entry, 0 where there is none. Raises `UserError`."""
    if value in UNSET:
        return 0
    if type(value) is not int or value < 1:
        raise UserError(f"{name} is {value!r}, not a count of rows.", "Write a whole number from 1 on.", name)
    return int(value)


def unsupported(key: str, reason: str = "") -> UserError:
    """The error that refuses a key of an entry by its name."""
    return UserError(
        f"{key} is not supported here{f': {reason}' if reason else '.'}",
        "Take it out, or import the files with a format by hand.",
        key,
    )
