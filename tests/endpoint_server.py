"""A server that speaks chat completions, and misbehaves as a test tells it to."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret-0123456789"

Say = Callable[[dict[str, Any], int], Any]


@dataclass
class Bad:
    """An answer that is none: a status, headers and body, or nothing at all after some seconds."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    hang: float = 0
    drip: float = 0
    close: bool = False


@dataclass
class Server:
    """`say(body, n)` gives the text (or a whole reply, or a `Bad`) for the n-th request; `asked` are their bodies."""

    say: Say
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def last(self) -> str:
        return last(self.asked[-1])


def last(body: dict[str, Any]) -> str:
    """The last message of a request."""
    return str(body["messages"][-1]["content"])


def completion(text: str | None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish, **more}
    return {"object": "chat.completion", "choices": [choice], "usage": {"completion_tokens": 7}}


@contextlib.contextmanager
def serving(say: Say) -> Iterator[Server]:
    """The server in threads of its own, for as long as the block lasts."""
    server = Server(say)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    httpd.daemon_threads = True
    server.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.asked.append(body)
                server.keys.add(self.headers.get("Authorization", ""))
                server.times.append(time.monotonic())
                number = len(server.asked)
            made = server.say(body, number)
            with contextlib.suppress(OSError):
                self._send(made if isinstance(made, Bad) else _good(made))

        def _send(self, made: Bad) -> None:
            time.sleep(made.hang)
            if made.close:
                self.connection.close()
                return
            content = made.body.encode()
            self.send_response(made.status)
            for name, value in {"Content-Length": str(len(content)), **made.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for place in range(0, len(content), 10 if made.drip else len(content) or 1):
                self.wfile.write(content[place : place + (10 if made.drip else len(content))])
                self.wfile.flush()
                time.sleep(made.drip)

    return Handler


def _good(made: Any) -> Bad:
    return Bad(
        200, {"Content-Type": "application/json"}, json.dumps(completion(made) if isinstance(made, str) else made)
    )
