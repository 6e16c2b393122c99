"""The table of routes: everything this server can be asked for, and by whom. What is not in it does not exist.

Gradio serves more than the page needs: it fetches addresses, streams media, edits its own source, lists its calls. A
request is answered only if its route stands here, so that a route which a new version brings is closed until somebody
has looked at it; a test fails as long as it has no entry.
"""

import enum
import re
from dataclasses import dataclass
from functools import cached_property

from starlette.routing import compile_path

from tabs.serving.config import CALLBACK_PATH
from tabs.shell.scripts import SCRIPTS
from workbench.people.roles import Role

JSON, FORM, FILES = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
FILE = "/gradio_api/file={path_or_url:path}"
PAGE, LOGIN, LOGOUT, INVITE = "/", "/login", "/logout", "/invite"
BACKUPS = "/backups"
BACKUP = f"{BACKUPS}/{{name}}"
LABEL, RESULTS = "label", "results"
"""The pages of one session each, for those who judge and those who read results: /label/<session>."""
HUB_LOGIN, HUB_CALLBACK, HUB_CLAIM = "/login/huggingface", CALLBACK_PATH, "/login/claim"
HUB_PATHS = (HUB_LOGIN, HUB_CALLBACK, HUB_CLAIM)
_ABSOLUTE = re.compile(r"/(?!/)|[A-Za-z]:[\\/]")


class Who(enum.Enum):
    """Who may use something. Where no login is asked for everybody is an owner, and so is whoever has the password."""

    ANYONE = "anyone who reaches this server"
    MEMBER = "whoever is logged in, whatever their role"
    ANNOTATOR = "owners and annotators"
    VIEWER = "owners and viewers"
    OWNER = "owners"
    NOBODY = "nobody: the page does not need it"

    def allows(self, role: Role | None) -> bool:
        """Whether somebody of this role may; None for somebody who is not logged in."""
        return self is Who.ANYONE or role in _ROLES[self]


_ROLES: dict[Who, frozenset[Role]] = {
    Who.MEMBER: frozenset(Role),
    Who.ANNOTATOR: frozenset({Role.OWNER, Role.ANNOTATOR}),
    Who.VIEWER: frozenset({Role.OWNER, Role.VIEWER}),
    Who.OWNER: frozenset({Role.OWNER}),
    Who.NOBODY: frozenset(),
}


@dataclass(frozen=True)
class Route:
    """One route. `path` is a template as Starlette's, without a slash at its end.

    body: the only content type a POST may have; a form of another site cannot send JSON.
    linked: may be opened by a link from elsewhere.
    """

    methods: tuple[str, ...]
    path: str
    who: Who
    body: str = ""
    linked: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return compile_path(self.path)[0]

    @property
    def is_literal(self) -> bool:
        return "{" not in self.path


def _several(method: str, who: Who, *paths: str, body: str = "") -> list[Route]:
    return [Route((method,), path, who, body) for path in paths]


_GET = ("GET", "HEAD")

ROUTES: tuple[Route, ...] = (
    # ours
    Route(_GET, PAGE, Who.MEMBER, linked=True),
    *(Route(_GET, path, Who.ANNOTATOR, linked=True) for path in (f"/{LABEL}", f"/{LABEL}/{{session}}")),
    *(Route(_GET, path, Who.VIEWER, linked=True) for path in (f"/{RESULTS}", f"/{RESULTS}/{{session}}")),
    Route(_GET, LOGIN, Who.ANYONE, linked=True),
    Route(("POST",), LOGIN, Who.ANYONE, FORM),
    Route(("POST",), LOGOUT, Who.MEMBER, FORM),
    Route(_GET, INVITE, Who.ANYONE, linked=True),
    Route(("POST",), INVITE, Who.ANYONE, FORM),
    Route(("GET",), HUB_LOGIN, Who.ANYONE),
    Route(("GET",), HUB_CALLBACK, Who.ANYONE, linked=True),
    Route(("POST",), HUB_CLAIM, Who.ANYONE, FORM),
    Route(_GET, BACKUP, Who.OWNER),
    # what the page is made of
    Route(_GET, FILE, Who.MEMBER),
    Route(_GET, SCRIPTS, Who.MEMBER),
    *(
        Route(_GET, path, Who.MEMBER)
        for path in ("/assets/{path:path}", "/static/{path:path}", "/theme.css", "/gradio_api/theme.css", "/config",
                     "/favicon.ico", "/manifest.json", "/robots.txt")
    ),
    # what the page calls
    *_several("POST", Who.MEMBER, "/gradio_api/component_server", "/gradio_api/queue/join", "/gradio_api/cancel",
              "/gradio_api/run/{api_name}", "/gradio_api/reset", body=JSON),
    Route(("POST",), "/gradio_api/upload", Who.OWNER, FILES),
    *_several("GET", Who.MEMBER, "/gradio_api/queue/data", "/gradio_api/queue/status",
              "/gradio_api/heartbeat/{session_hash}", "/gradio_api/startup-events", "/gradio_api/login_check",
              "/gradio_api/app_id", "/gradio_api/info"),
    *_several("GET", Who.OWNER, "/gradio_api/upload_progress"),
    # what Gradio fetches, or lets others fetch through it
    *_several("GET", Who.NOBODY, "/gradio_api/proxy={url_path:path}", "/gradio_api/file/{path:path}"),
    # what it tells of itself, and its own logins
    *_several("GET", Who.NOBODY, "/openapi.json", "/gradio_api/openapi.json", "/gradio_api/user", "/gradio_api/token",
              "/logout", "/monitoring", "/monitoring/summary", "/monitoring/{key}", "/pwa_icon", "/pwa_icon/{size}",
              "/gradio_api/runs", "/gradio_api/dev/reload", "/gradio_api/deep_link"),
    # other ways to call, media streams, custom components, its own editor
    *_several("POST", Who.NOBODY, "/gradio_api/api/{api_name}", "/gradio_api/call/{api_name}",
              "/gradio_api/call/v2/{api_name}", "/gradio_api/stream/{event_id}", "/gradio_api/stream/{event_id}/close",
              "/gradio_api/process_recording", "/gradio_api/vibe-edit", "/gradio_api/undo-vibe-edit",
              "/gradio_api/vibe-code", "/gradio_api/vibe-starter-queries"),
    *_several("GET", Who.NOBODY, "/gradio_api/call/{api_name}/{event_id}", "/gradio_api/call/v2/{api_name}/{event_id}",
              "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
              "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
              "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
              "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}", "/gradio_api/vibe-code",
              "/svelte/{path:path}"),
)  # fmt: skip

_LITERAL = {(method, route.path): route for route in ROUTES if route.is_literal for method in route.methods}
_TEMPLATES = [route for route in ROUTES if not route.is_literal]


def session_page(path: str) -> tuple[str, str]:
    """(which page, the session) of an address like /label/<session>; ("", "") of every other."""
    page, _, session = path.removeprefix("/").partition("/")
    return (page, session) if page in (LABEL, RESULTS) else ("", "")


def find(method: str, path: str) -> Route | None:
    """The route of a request that somebody may use, or None.

    `path` is decoded, as in an ASGI scope. A file's address must be a path of this machine: everything else Gradio
    would fetch, and show a stranger's page as one of ours.
    """
    # Gradio has its own routes both ways; of ours, whose links are relative, there is one address each
    bare = path.rstrip("/") if path.startswith(("/gradio_api/", "/config")) else path
    route = _LITERAL.get((method, bare)) or next(
        (one for one in _TEMPLATES if method in one.methods and one.pattern.fullmatch(bare)), None
    )
    if route is None or route.who is Who.NOBODY:
        return None
    if route.path == FILE and not _ABSOLUTE.match(path.partition("=")[2]):
        return None
    return route
