"""How this server's cookies are written: never readable by scripts, never sent along from another site."""

from dataclasses import dataclass

from starlette.types import Scope

YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True)
class Cookie:
    """One cookie. `embedded`: the page is shown in a frame of another site, as on a Space.

    Cookies do not tell ports apart, so `name` holds the port where two servers on one machine must not share it.
    """

    name: str
    max_age: int
    embedded: bool

    def header(self, value: str, scope: Scope) -> tuple[bytes, bytes]:
        """The `Set-Cookie` header that stores `value` (letters, digits, '-', '_', '.' only) in the browser."""
        return self._header(value, self.max_age, scope)

    def removal(self, scope: Scope) -> tuple[bytes, bytes]:
        """The `Set-Cookie` header that makes the browser forget the cookie."""
        return self._header("", 0, scope)

    def _header(self, value: str, max_age: int, scope: Scope) -> tuple[bytes, bytes]:
        # `Partitioned`: a browser that blocks other sites' cookies still keeps this one, for the frame alone.
        if self.embedded:
            rules = "SameSite=None; Secure; Partitioned"
        elif scope.get("scheme") in ("https", "wss"):
            rules = "SameSite=Lax; Secure"
        else:
            rules = "SameSite=Lax"
        text = f"{self.name}={value}; Path=/; Max-Age={max_age}; HttpOnly; {rules}"
        return b"set-cookie", text.encode("ascii")
