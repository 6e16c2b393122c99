"""Where the page is served and who can reach it, as the operator's settings say."""

import ipaddress
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.core.errors import UserError
from workbench.core.paths import PathGate
from workbench.core.settings import Settings, variable_of

USER = "workbench"
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True)
class Serving:
    """How this server is reached.

    host, port: what it binds. hosts: further names, with or without a port, under which browsers reach it, such as a
    reverse proxy's. password: what the login asks for, "" where there is no login. folders: what may be read of this
    machine besides uploads. space: whether this is a Hugging Face Space, whose page lies in a frame of the hub.
    accounts: whether people log in with accounts of their own, not with the password.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    hosts: tuple[str, ...] = ()
    password: str = ""
    folders: tuple[Path, ...] = ()
    space: bool = False
    accounts: bool = False

    @classmethod
    def configured(cls, accounts: bool = False) -> "Serving":
        """As the operator set it; a Space listens to everybody. `accounts`: whether the home has them.

        Where others can reach the page and no password is set, people log in with accounts. Raises `UserError`.
        """
        settings = Settings.current()
        space = bool(settings.space_id)
        names = settings.hosts + (settings.space_host if space else ())
        host = settings.host or ("0.0.0.0" if space else "127.0.0.1")  # noqa: S104 -- a Space is reached from outside its container
        serving = cls(
            host.strip("[]"), settings.port, tuple(_host(name) for name in names),
            settings.password.get_secret_value(), _folders(settings.folders), space, accounts,
        )  # fmt: skip
        return serving if serving.is_private or serving.password else replace(serving, accounts=True)

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches the page: bound to a loopback address, with no other name announced."""
        return is_loopback(self.host) and not self.hosts

    @property
    def asks_login(self) -> bool:
        """Whether anything is shown only after a login."""
        return self.accounts or bool(self.password)

    @property
    def url(self) -> str:
        """The address to print; that of this machine where every address is bound."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def gate(self, uploads: tuple[Path, ...]) -> PathGate:
        """Every path where only the owner of this machine reaches the page, else the operator's folders alone."""
        return PathGate(self.is_private and not self.asks_login, self.folders, uploads)

    def knows(self, host: str) -> bool:
        """Whether a `Host` header names this server, so that no other name can be pointed at it and read the page.

        Loopback names on a loopback address. Elsewhere any IP address, which nobody can point anywhere, and this
        machine's own name. The configured names always.
        """
        name, port = split_host(host)
        if any(name == own and port_of in ("", port) for own, port_of in map(split_host, self.hosts)):
            return True
        if is_loopback(name) or is_loopback(self.host):
            return is_loopback(name)
        return _is_address(name) or name in _own_names()

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether an `Origin` header is that of the page asked at `host`, or of a configured name."""
        scheme, _, rest = origin.partition("://")
        usual = {"http": "80", "https": "443"}.get(scheme)
        if usual is None:
            return False  # "null" too: a sandboxed frame or a file, which are nobody's page
        name, port = split_host(rest)
        port = port or usual
        asked, asked_port = split_host(host)
        if name == asked and port in ((asked_port,) if asked_port else ("80", "443")):
            return True
        return any(name == own and port == (port_of or usual) for own, port_of in map(split_host, self.hosts))


def split_host(text: str) -> tuple[str, str]:
    """`NAME:PORT` as name in lower case and port ("" if there is none); IPv6 addresses lose their brackets."""
    text = text.strip().lower().rstrip(".")
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = text.partition(":")
    return name.rstrip("."), port


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which nothing outside can answer to."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}


def _host(name: str) -> str:
    """A configured name; raises `UserError` when it is no host, such as a URL or a wildcard."""
    host, port = split_host(name)
    if not (_NAME.fullmatch(host) or _is_address(host)) or not (port.isdigit() or not port):
        raise UserError(f"{name!r} is no host.", "Give names such as workbench.example.org.", variable_of("hosts"))
    return name.lower()


def _folders(names: tuple[str, ...]) -> tuple[Path, ...]:
    """The operator's folders, links resolved; raises `UserError` for one that is not there."""
    folders = []
    for name in names:
        path = Path(name).expanduser()
        if not path.is_absolute() or not path.is_dir():
            raise UserError(f"{name!r} is no folder.", "Give whole paths of folders.", variable_of("folders"))
        folders.append(path.resolve())
    return tuple(folders)
