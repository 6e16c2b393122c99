"""Where the page is served and who can reach it, as the operator's settings say."""

import ipaddress
import re
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from workbench.core.errors import UserError
from workbench.core.paths import PathGate
from workbench.core.settings import Settings, variable_of

USER = "workbench"
CALLBACK_PATH = "/login/callback"
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True)
class HubClient:
    """This Space as the hub's logins know it.

    provider_url: the hub. redirect_uri: where it sends browsers back to. author, creator_id: whose Space it is, by the
    name of a user or organisation, and by the id of the user who created it.
    """

    client_id: str
    client_secret: str = field(repr=False)
    provider_url: str
    redirect_uri: str
    author: str = ""
    creator_id: str = ""


@dataclass(frozen=True)
class Serving:
    """How this server is reached.

    host, port: what it binds. hosts: further names, with or without a port, under which browsers reach it, such as a
    reverse proxy's. password: what the login asks for, "" where there is no login. folders: what may be read of this
    machine besides uploads. space: whether this is a Hugging Face Space, whose page lies in a frame of the hub.
    accounts: whether people log in with accounts of their own, not with the password. hub: the login by the hub's
    accounts, None where there is none. password_login: whether people log in with passwords of their own.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    hosts: tuple[str, ...] = ()
    password: str = ""
    folders: tuple[Path, ...] = ()
    space: bool = False
    accounts: bool = False
    hub: HubClient | None = None
    password_login: bool = True

    @classmethod
    def configured(cls, accounts: bool = False) -> "Serving":
        """As the operator set it; a Space listens to everybody. `accounts`: whether the home has them.

        Where others can reach the page and no password is set, people log in with accounts, and so they do where the
        hub logs them in. Raises `UserError`.
        """
        settings = Settings.current()
        space = bool(settings.space_id)
        names = settings.hosts + (settings.space_host if space else ())
        host = settings.host or ("0.0.0.0" if space else "127.0.0.1")  # noqa: S104 -- a Space is reached from outside its container
        serving = cls(
            host.strip("[]"), settings.port, tuple(_host(name) for name in names),
            settings.password.get_secret_value(), _folders(settings.folders), space, accounts, _hub_client(settings),
            settings.password_login,
        )  # fmt: skip
        if not (serving.password_login or serving.hub):
            raise UserError(
                "Nobody could log in: passwords are switched off, and no login with Hugging Face is set up.",
                "Unset it, or set `hf_oauth: true` in the front matter of the Space's README.md.",
                variable_of("password_login"),
            )
        asks_accounts = serving.hub or not (serving.is_private or serving.password)
        return replace(serving, accounts=True) if asks_accounts else serving

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


def _hub_client(settings: Settings) -> HubClient | None:
    """The login that a Space gets from `hf_oauth: true`; None elsewhere."""
    secret = settings.oauth_client_secret.get_secret_value()
    names = settings.space_host
    if not (settings.space_id and names and settings.oauth_client_id and secret and settings.openid_provider_url):
        return None
    if not is_protected(settings.openid_provider_url):
        raise UserError("is no https address.", "Unset it where the hub did not set it.", "OPENID_PROVIDER_URL")
    # of several names the first is the hub's own, the one address it sends browsers back to
    return HubClient(
        settings.oauth_client_id, secret, settings.openid_provider_url, f"https://{names[0]}{CALLBACK_PATH}",
        settings.space_author_name or settings.space_id.partition("/")[0], settings.space_creator_user_id,
    )  # fmt: skip


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


def is_protected(url: str) -> bool:
    """Whether what is sent to this address cannot be read on the way: by TLS, or as it stays on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


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
