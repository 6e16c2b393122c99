"""The order of the layers every request passes before Gradio sees it."""

from starlette.types import ASGIApp

from tabs.serving.asking import BrowserSessions
from tabs.serving.cookies import on_space


def stack(app: ASGIApp) -> ASGIApp:
    """The app behind its middleware, outermost last."""
    return BrowserSessions(app, embedded=on_space())
