"""How accounts are switched on where there are none: by an owner's link, on whose page the first account is made."""

from dataclasses import replace

from starlette.types import ASGIApp, Receive, Scope, Send

from tabs.serving.account_login import AccountLogin, AccountSwitch
from tabs.serving.config import Serving
from tabs.serving.sessions import Sessions
from workbench.core.home import Home


class FirstOwner:
    """ASGI app that answers an invitation's address; an owner's link switches accounts on, any other waits for that.

    The key that signs logins is made with the first request, not where nobody ever asks for accounts.
    """

    def __init__(self, app: ASGIApp, home: Home, serving: Serving, switch: AccountSwitch) -> None:
        self.app, self.home, self.switch = app, home, switch
        self.serving = replace(serving, accounts=True)
        self._login: AccountLogin | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._login is None:
            sessions = Sessions(self.home.root, self.serving)
            self._login = AccountLogin(self.app, self.home, self.serving, sessions, switch=self.switch)
        await self._login(scope, receive, send)
