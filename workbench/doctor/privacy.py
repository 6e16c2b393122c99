"""What must not leave this machine with a report: secrets, who works here, and where."""

import getpass
import os
import platform
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from workbench.core.assets import ROOT
from workbench.core.children import is_secret
from workbench.core.errors import SpecError
from workbench.core.settings import Settings
from workbench.doctor.finding import MachineFinding

HIDDEN = "[hidden]"
LEAST_CHARACTERS = 4
"""A shorter value of a secret variable, such as '1', stands in too many other words."""
TOKENS = re.compile(r"\b(?:hf_|sk-|ghp_|github_pat_|glpat-|xox[abp]-|AKIA)[A-Za-z0-9_-]{8,}")
IN_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)[^/@\s]+@", re.IGNORECASE)
PROXY = re.compile(r"(?:HTTPS?|FTP|ALL|SOCKS)_PROXY", re.IGNORECASE)
NO_USERS = ("", "root", "user")
NO_HOSTS = ("", "localhost")


@dataclass(frozen=True)
class Privacy:
    """Texts that are replaced, longest first: (as it stands, what stands there instead)."""

    replacements: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def of_machine(cls, home: Path) -> "Privacy":
        """Knows this process's secrets, proxies, user, host, and the folders that name somebody."""
        texts = {value: HIDDEN for value in _secret_values() if len(value) >= LEAST_CHARACTERS}
        folders = {str(ROOT): ".", str(Path.home()): "~"}
        given = home.expanduser().absolute()
        folders |= {str(given): "~/home", str(given.resolve()): "~/home"}
        texts |= {folder: short for folder, short in folders.items() if folder != os.sep}
        ordered = sorted(texts, key=len, reverse=True)
        whole = [(re.compile(re.escape(text)), texts[text]) for text in ordered]
        return cls((*whole, *_words(_users(), "user"), *_words(_hosts(), "host")))

    def clean(self, text: str) -> str:
        """The text without them."""
        for pattern, short in self.replacements:
            text = pattern.sub(lambda _, short=short: short, text)  # type: ignore[misc]
        return IN_ADDRESS.sub(rf"\1{HIDDEN}@", TOKENS.sub(HIDDEN, text))

    def cleaned(self, finding: MachineFinding) -> MachineFinding:
        """A finding whose texts are without them."""
        facts = [
            fact.model_copy(update={"value": self.clean(fact.value)}) if isinstance(fact.value, str) else fact
            for fact in finding.facts
        ]
        texts = {"message": self.clean(finding.message), "remedy": self.clean(finding.remedy)}
        return finding.model_copy(update={"facts": facts, **texts})


def _words(names: Iterable[str], short: str) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])"), short) for name in names]


def _secret_values() -> set[str]:
    named = {value.strip() for name, value in os.environ.items() if is_secret(name, value) or PROXY.fullmatch(name)}
    try:
        settings = Settings.current()
    except SpecError:
        return named
    fields = (getattr(settings, name) for name in type(settings).model_fields)
    return named | {value.get_secret_value().strip() for value in fields if isinstance(value, SecretStr)}


def _users() -> list[str]:
    try:
        names = {getpass.getuser(), Path.home().name}
    except (OSError, KeyError):  # a container's process without an entry for its user
        names = {Path.home().name}
    return sorted(names.difference(NO_USERS))


def _hosts() -> list[str]:
    names = {socket.gethostname(), platform.node()}
    short = {name.partition(".")[0] for name in names}
    return sorted((names | short).difference(NO_HOSTS), key=len, reverse=True)
