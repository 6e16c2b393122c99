"""A Hugging Face Space on this machine: the hub with its login, TLS before both, and a browser that believes it.

The names are the real ones, `huggingface.co` and a `.hf.space`, so that cookies, frames and policies are what they are
there: two sites, both by TLS. Chromium is told where they lie, and to take certificates that nobody vouches for.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from tests.hub_stand_in import CLIENT_ID, CLIENT_SECRET, HubStandIn
from tests.self_signed import tls_context
from tests.waiting import until

SPACE_NAME, HUB_NAME = "me-bench.hf.space", "huggingface.co"
SPACE_URL, HUB_PAGE = f"https://{SPACE_NAME}/", f"https://{HUB_NAME}/spaces/me/bench"


@dataclass
class SimulatedSpace:
    """hub: the stand-in, whose user can be changed. app_port: where the workbench must listen."""

    hub: HubStandIn
    app_port: int
    space_front: int
    hub_front: int

    @property
    def flags(self) -> tuple[str, str]:
        """For Chromium."""
        rules = (
            f"MAP {SPACE_NAME}:443 127.0.0.1:{self.space_front}, MAP {HUB_NAME}:443 127.0.0.1:{self.hub_front}, "
            "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        )
        return f"--host-resolver-rules={rules}", "--ignore-certificate-errors"

    @property
    def settings(self) -> dict[str, str]:
        """What the hub sets in the environment of the workbench."""
        return {
            "SPACE_ID": "me/bench", "SPACE_HOST": SPACE_NAME, "SPACE_AUTHOR_NAME": "me", "WORKBENCH_HOST": "127.0.0.1",
            "SPACE_CREATOR_USER_ID": "1" * 24, "OAUTH_CLIENT_ID": CLIENT_ID, "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "OAUTH_SCOPES": "openid profile", "OPENID_PROVIDER_URL": self.hub.issuer,
        }  # fmt: skip


@contextlib.contextmanager
def simulated_space(folder: Path, app_port: int) -> Iterator[SimulatedSpace]:
    """The hub and the fronts, for as long as the block runs. `folder` takes the certificate."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        hub_port = listening.getsockname()[1]
        hub = HubStandIn(f"{SPACE_URL}login/callback", f"http://127.0.0.1:{hub_port}", framed=SPACE_URL)
        config = uvicorn.Config(hub.app(), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = threading.Thread(target=server.run, args=([listening],), daemon=True)
        serving.start()
        tls = tls_context(folder, HUB_NAME, SPACE_NAME)
        with _front(app_port, tls) as space_front, _front(hub_port, tls) as hub_front:
            until(lambda: server.started)
            yield SimulatedSpace(hub, app_port, space_front, hub_front)
        server.should_exit = True
        serving.join(10)


@contextlib.contextmanager
def _front(port: int, tls: ssl.SSLContext) -> Iterator[int]:
    """A port that takes TLS and passes on what is in it, as the proxy before a Space does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while piece := await source.read(65_536):
                target.write(piece)
                await target.drain()
        target.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # the server is down, as it is between two starts
            writer.close()
            return
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=tls), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
