"""The backups of the home as downloads, for owners; each is recorded, since who has one has all there is."""

from collections.abc import Callable

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from tabs.serving.asking import asker
from tabs.serving.routes import BACKUP
from workbench.backup.kept_backups import backup_path
from workbench.core.change_log import LOCAL, acting_as, record_change
from workbench.core.errors import UserError
from workbench.core.home import Home


def backup_route(home: Home) -> Route:
    """The route of the files; 404 for every name that is no backup's."""

    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            path = await anyio.to_thread.run_sync(backup_path, home, name)
        except UserError as error:
            return PlainTextResponse(str(error), 404, {"cache-control": "no-store"})
        if request.method == "GET" and _is_begun(request):
            await anyio.to_thread.run_sync(_recorded(home, name, asker(request).login or LOCAL))
        headers = {"cache-control": "no-store"}
        return FileResponse(path, media_type="application/gzip", filename=name, headers=headers)

    return Route(BACKUP, serve, methods=["GET"])


def _is_begun(request: Request) -> bool:
    """Whether the file is asked for from its beginning: one that broke off goes on without another event."""
    return request.headers.get("range", "bytes=0-").startswith("bytes=0-")


def _recorded(home: Home, name: str, person: str) -> Callable[[], None]:
    def record() -> None:
        with acting_as(person):
            record_change(home.root, "downloaded", "backup", name)

    return record
