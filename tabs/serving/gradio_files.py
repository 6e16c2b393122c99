"""Gradio's own scripts and styles, served by us: their names hold a digest, so browsers may keep them for ever."""

from pathlib import Path

from gradio.route_utils import BUILD_PATH_LIB
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tabs.shell.packed_files import PackedFiles

ASSETS = "/assets/{path:path}"


def asset_route() -> Route:
    """A route in the place of Gradio's of the same address."""
    folder = Path(BUILD_PATH_LIB)
    files = PackedFiles({path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()})

    async def serve(request: Request) -> Response:
        return files.answer(request.path_params["path"], request)

    return Route(ASSETS, serve, methods=["GET"])
