"""The environment of child processes: what they need to run, and no credential but those of their work.

Whoever starts the workbench may have tokens, keys and passwords in the environment. A job runs templates, tokenizers
and converters that came with somebody's model, so that what it does not need is not there to be read.
"""

import os
import re
from collections.abc import Collection, Mapping
from typing import Literal, get_args

from workbench.core.logs import JOB_VARIABLE, current_job
from workbench.core.settings import variable_of
from workbench.core.telemetry import TELEMETRY_OFF

Credential = Literal["hub", "endpoint", "index", "labels", "tracker"]
"""The Hugging Face hub, the operator's endpoint, the package index, the database of the labels, Weights & Biases."""

LABELS_URL = variable_of("labels_url")
_SECRET = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY)S?|KEY|KEYS|PWD|PAT|AUTH|COOKIE"
    r"|DSN|DATABASE_URL|CONNECTION_STRING|NETRC|WEBHOOK(?:_URL)?|SSH_AUTH_SOCK)(?:$|_)",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"TOKENIZERS_PARALLELISM|PWD|OLDPWD", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/@\s]+@", re.IGNORECASE)
_PROXIES = re.compile(r"(?:HTTPS?|ALL|NO)_PROXY", re.IGNORECASE)
_OF: dict[Credential, re.Pattern[str]] = {
    "hub": re.compile(r"HF_.*|HUGGING_?FACE_.*"),
    "endpoint": re.compile(r"WORKBENCH_ENDPOINT_.*"),
    "index": re.compile(r"(?:PIP|UV)_.*|NETRC"),
    "tracker": re.compile(r"WANDB_.*"),
    "labels": re.compile(rf"{LABELS_URL}|PG[A-Z]+"),
}
WITHHELD = "withheld"


def is_secret(name: str, value: str) -> bool:
    """Whether a variable holds a credential: by its name, or as an address with a password in it."""
    if _HARMLESS.fullmatch(name):
        return False
    return bool(_SECRET.search(name) or _IN_ADDRESS.match(value) or name == LABELS_URL)


def withheld(needs: Collection[Credential] = (), environment: Mapping[str, str] | None = None) -> set[str]:
    """The names of the variables a child with these needs does not get."""
    credentials = os.environ if environment is None else environment
    patterns = [_OF[need] for need in needs]
    if {"hub", "endpoint", "index", "tracker"} & set(needs):
        patterns.append(_PROXIES)
    secrets = (name for name, value in credentials.items() if is_secret(name, value))
    return {name for name in secrets if not any(pattern.fullmatch(name) for pattern in patterns)}


def child_environment(
    *needs: Credential, only: Collection[str] | None = None, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment for every child process: this one's, without telemetry and credentials but those it `needs`,
    and with the id of the job that is worked on, for its log lines.

    only: the names to pass on at all. extra: variables set besides. Raises `ValueError` for an unknown need.
    """
    if unknown := set(needs) - set(get_args(Credential)):
        raise ValueError(f"unknown credentials: {unknown}")
    left_out = withheld(needs)
    passed = {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and (only is None or name in only)
    }  # fmt: skip
    if only is None and "hub" not in needs:
        passed["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"  # noqa: S105 -- nor the one in the user's own folder
    if only is None and LABELS_URL in left_out:
        passed[LABELS_URL] = WITHHELD  # is no address: with none at all, the home's own labels would be taken instead
    if job := current_job():
        passed[JOB_VARIABLE] = job
    return {**passed, **TELEMETRY_OFF, **(extra or {})}
