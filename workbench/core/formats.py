"""The versions of the small files a home is made of, and the upgrades that bring older ones to the form read today.

A file tells its version under `format`; one without it is of version 1, from before versions were written. To change a
file's form, append to its format's `upgrades` a function that takes its data as the last version wrote them to the
data of the next: the version is their number plus one. Nothing else has to be counted up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import UserError

VERSION_KEY = "format"
UNVERSIONED = 1
UPDATE = "Update this LLM Workbench."

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


class NewerVersion(UserError):
    """What was to be read was written by a newer version of this program."""


@dataclass(frozen=True)
class FileFormat:
    """One kind of file: its name, where a home has them, and how its data reach the version written today.

    `patterns` are those of the files that are rewritten when a home is upgraded. Recipes and ensembles have none: the
    digest in their artifact's manifest covers them, so they stay as they were written and are upgraded when read.
    """

    file_name: str
    patterns: tuple[str, ...] = ()
    upgrades: tuple[Upgrade, ...] = ()

    @property
    def version(self) -> int:
        """The version that is written today."""
        return UNVERSIONED + len(self.upgrades)

    def stamp(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data with today's version, ready to be written."""
        return {VERSION_KEY: self.version, **data}

    def upgrade(self, data: Any, where: str = "") -> Any:
        """The data of a file in today's form, without their version; what is no mapping is left to who reads it.

        where: whose file it is, for messages. Raises `NewerVersion` for a version above today's, and `UserError` for
        one that is no version at all. `data` itself is not changed.
        """
        if not isinstance(data, dict):
            return data
        version = self.version_of(data, where)
        content = {key: value for key, value in data.items() if key != VERSION_KEY}
        for older, step in enumerate(self.upgrades[version - UNVERSIONED :], start=version):
            try:
                content = step(content)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise UserError(
                    f"{self._name(where)} cannot be upgraded from version {older}: it is not as that version wrote it "
                    f"({type(error).__name__}: {error}).",
                    "Mend it by hand, or delete what it belongs to.",
                ) from error
        return content

    def version_of(self, data: Mapping[str, Any], where: str = "") -> int:
        """The version the data tell, at most today's; raises as `upgrade` does."""
        version = data.get(VERSION_KEY, UNVERSIONED)
        name = self._name(where)
        if not is_version(version):
            raise UserError(
                f"{version!r} is no version of {name}.",
                "It is a whole number from 1; files without it are 1.",
                "format",
            )
        if version > self.version:
            raise NewerVersion(
                f"{name} has version {version}, this program reads up to {self.version}: "
                "it was written by a newer LLM Workbench.",
                UPDATE,
                "format",
            )
        return int(version)

    def _name(self, where: str) -> str:
        return f"{self.file_name} of {where}" if where else self.file_name


def is_version(value: Any) -> bool:
    """Whether a value read from a file can be a version."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= UNVERSIONED


MANIFEST_FORMAT = FileFormat("manifest.yaml", ("models/*/manifest.yaml", "datasets/*/manifest.yaml"))
JOB_FORMAT = FileFormat("job.yaml", ("jobs/*/job.yaml",))
RECIPE_FORMAT = FileFormat("recipe.yaml")
ENSEMBLE_FORMAT = FileFormat("ensemble.yaml")
NOTES_FORMAT = FileFormat("notes.yaml", tuple(f"{shelf}/*/notes.yaml" for shelf in ("models", "datasets", "jobs")))
FORMAT_VERSIONS = (MANIFEST_FORMAT, JOB_FORMAT, RECIPE_FORMAT, ENSEMBLE_FORMAT, NOTES_FORMAT)
