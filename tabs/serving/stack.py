"""The order of the layers every request passes before Gradio sees it."""

from collections.abc import Mapping
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.account_login import AccountLogin, AccountSwitch
from tabs.serving.asking import BrowserSessions
from tabs.serving.calls import CallLimit
from tabs.serving.config import Serving
from tabs.serving.first_owner import FirstOwner
from tabs.serving.guard import Guard
from tabs.serving.headers import SecurityHeaders
from tabs.serving.login import Login, NoLogin
from tabs.serving.page_cache import PageCache
from tabs.serving.permissions import RolePages
from tabs.serving.routes import PAGE, session_page
from tabs.serving.sessions import Sessions
from workbench.core.home import Home
from workbench.people.roles import Role


def stack(
    app: ASGIApp,
    serving: Serving,
    folder: Path,
    others: Mapping[Role, ASGIApp] | None = None,
    switch: AccountSwitch | None = None,
) -> ASGIApp:
    """The app behind its layers: headers, guard, browser cookie, login, size, the page of the role.

    `folder` is the home's, which keeps the key of the logins; `others` are the pages of other roles than the owner's;
    `switch` switches accounts on where there are none.
    """
    pages = {role: PageCache(page) for role, page in (others or {}).items()}
    app = CallLimit(RolePages(PageCache(app), pages, serving.accounts))
    if serving.accounts:
        app = AccountLogin(app, Home(folder), serving, Sessions(folder, serving))
    else:
        first = FirstOwner(app, Home(folder), serving, switch) if switch else None
        app = Login(app, serving, Sessions(folder, serving), first) if serving.password else NoLogin(app, first)
    app = BrowserSessions(app, serving.space)
    app = Guard(app, serving)
    return _PackedPage(SecurityHeaders(app, serving))


class _PackedPage:
    """Compresses the page, which `SecurityHeaders` needs unpacked; Gradio compresses the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self.plain, self.packed = app, GZipMiddleware(app, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and (scope["path"] == PAGE or session_page(scope["path"])[0])
        await (self.packed if is_page else self.plain)(scope, receive, send)
