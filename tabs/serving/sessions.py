"""Logins that outlive a restart: a signed cookie, a key kept in the home, and the list of those that were ended."""

import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from pathlib import Path

from itsdangerous import BadSignature, TimestampSigner

from tabs.serving.config import USER, Serving
from tabs.serving.cookies import Cookie

DAYS = 30
MAX_AGE_SECONDS = DAYS * 24 * 3600
KEY_FILE, ENDED_FILE = "server.key", "server.logins-ended"
_ID = re.compile(r"[0-9a-f]{32}")


def secret_key(path: Path) -> bytes:
    """The key in the file, which only its owner may read; made when it is missing."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(key := secrets.token_bytes(32))
    return key


class Sessions:
    """The one place that gives out, reads and ends logins.

    Signed for the password that everybody shares, so that another one ends them all; or for accounts, where there are.
    """

    def __init__(self, folder: Path, serving: Serving, max_age: int = MAX_AGE_SECONDS) -> None:
        self.password, self.max_age = serving.password, max_age
        self.cookie = Cookie(f"workbench-login-{serving.port}", max_age, serving.space)
        salt = b"accounts" if serving.accounts else hashlib.sha256(serving.password.encode()).digest()
        self._signer = TimestampSigner(secret_key(folder / KEY_FILE), salt, digest_method=hashlib.sha256)
        self._ended_file = folder / ENDED_FILE
        self._lock = threading.Lock()
        self._ended = self._read_ended()

    def is_right(self, name: str, password: str) -> bool:
        """Whether this name may log in with this password; takes as long for a wrong one as for the right one."""
        right_name = hmac.compare_digest(name.encode(), USER.encode())
        right_password = hmac.compare_digest(password.encode(), self.password.encode())
        return right_name and right_password

    def begin(self, login: str) -> str:
        """A new login as a cookie's value."""
        return self._signer.sign(f"{login}.{secrets.token_hex(16)}").decode("ascii")

    def login(self, value: str) -> str:
        """The name a cookie's value was given out for, "" when it is forged, too old or ended."""
        name, identifier = self._opened(value)
        return name if identifier and identifier not in self._ended else ""

    def end(self, value: str) -> None:
        """Ends this login, and no other one, for good."""
        _, identifier = self._opened(value)
        if not identifier:
            return
        with self._lock:
            self._ended[identifier] = time.time() + self.max_age
            with self._ended_file.open("a", encoding="ascii") as file:
                file.write(f"{identifier} {self._ended[identifier]:.0f}\n")
                file.flush()
                os.fsync(file.fileno())

    def _opened(self, value: str) -> tuple[str, str]:
        try:
            text = self._signer.unsign(value, max_age=self.max_age).decode("ascii")
        except (BadSignature, ValueError):
            return "", ""
        name, _, identifier = text.rpartition(".")
        return (name, identifier) if _ID.fullmatch(identifier) else ("", "")

    def _read_ended(self) -> dict[str, float]:
        """Those that were ended and have not become too old since; a line cut short by a crash is passed over."""
        found: dict[str, float] = {}
        if self._ended_file.is_file():
            for line in self._ended_file.read_text("ascii", "replace").splitlines():
                identifier, _, until = line.partition(" ")
                if _ID.fullmatch(identifier) and until.isdigit() and float(until) > time.time():
                    found[identifier] = float(until)
        return found
