"""The port the page is served at: free, ours, or another program's."""

import contextlib
import errno
import http.client
import socket
from typing import ClassVar

import psutil

from workbench.core.errors import UserError
from workbench.core.settings import Settings, variable_of
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe

HERE = "127.0.0.1"
PAGE_TITLE = "LLM Workbench"
ANSWER_SECONDS = 5
ANSWER_BYTES = 200_000
TRIED_PORTS = 50


@CHECKS.register
class Port(Check):
    """The port of the page: free, taken by this workbench, or by another program, which is named."""

    method: ClassVar[str] = "port"
    title: ClassVar[str] = "Port of the page"
    order: ClassVar[int] = 35

    def measure(self, probe: CheckProbe) -> None:
        settings = Settings.current()
        host = settings.host or HERE
        probe.fact("port", str(settings.port))
        try:
            free = is_free(host, settings.port)
        except OSError as error:
            raise UserError(
                f"The address {host}:{settings.port} cannot be served at: {error.strerror}.",
                f"Set {variable_of('host')} to an address of this machine, {variable_of('port')} to 1024 or above.",
            ) from None
        if free:
            probe.fact("state", "free")
            return
        if answers_as_workbench(HERE if host in ("0.0.0.0", "::") else host, settings.port):  # noqa: S104 -- compared
            probe.fact("state", "this workbench, or another one, is served there")
            return
        probe.fact("state", "taken")
        other = next((port for port in range(settings.port + 1, settings.port + TRIED_PORTS) if is_free(host, port)), 0)
        name = listener(settings.port)
        raise UserError(
            f"Port {settings.port} is taken by {name or 'another program'}.",
            f"Set {variable_of('port')}={other or 'another port'}, or end {name or 'that program'}.",
        )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there; raises `OSError` for an address that cannot be used at all."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def answers_as_workbench(host: str, port: int) -> bool:
    """Whether the page, or its login, answers there."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        for path in ("/", "/login"):
            connection.request("GET", path)
            if PAGE_TITLE.encode() in connection.getresponse().read(ANSWER_BYTES):
                return True
    return False


def listener(port: int) -> str:
    """The program that listens there with its process id; '' where the system does not say."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
