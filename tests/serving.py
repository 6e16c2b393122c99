"""The server's layers around a small page, asked without a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.testclient import TestClient

from tabs.serving.asking import asker
from tabs.serving.config import Serving
from tabs.serving.page import Page
from tabs.serving.server import mounted
from tabs.serving.stack import stack
from tabs.shell.kit import component

LOCAL = "http://127.0.0.1:7860"


class SmallPage:
    """A page that says who asks, by an event and by a server function, and takes a file."""

    def __init__(self) -> None:
        def by_event(request: gr.Request) -> str:
            return asker(request).browser

        def by_function(query: dict[str, Any], request: Any) -> dict[str, Any]:
            return {"browser": asker(request).browser, "login": asker(request).login}

        with Page() as self.demo:
            self.component = component("pulse", "", {"who": by_function}, ("", "", ""))
            gr.Button().click(by_event, None, gr.Textbox(), api_name="who", queue=False)
            taken = gr.Textbox()
            gr.Button().click(str, gr.File(), taken, api_name="take", queue=False)
            self.add_parts()
        self.app = mounted(self.demo)

    def add_parts(self) -> None:
        """More of the page, for a test that needs it."""

    def client(self, serving: Serving | None = None, folder: Path = Path("/nowhere"), **options: Any) -> TestClient:
        """A browser of its own; redirects are not followed."""
        client = {"base_url": LOCAL, "follow_redirects": False, "raise_server_exceptions": False} | options
        return TestClient(stack(self.app, serving or Serving(), folder), **client)

    def call(self, client: TestClient, **options: Any) -> Any:
        """What the server function answers."""
        body = {"component_id": self.component._id, "fn_name": "who", "data": {}, "session_hash": "s"}
        return client.post("/gradio_api/component_server/", json=body, **options)


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Every route an app and what is mounted or included in it answers, as (method, path)."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or (None if hasattr(route, "methods") else route.app)
        if inner is not None:
            yield from routes(inner)
        else:
            yield from ((method, route.path) for method in route.methods or ())
