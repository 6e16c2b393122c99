"""Gradio's own scripts and styles, served by us: their names hold a digest, so browsers may keep them for ever.

Its style sheets are put into a layer beneath ours: `tabs/shell/styles.py` says why.
"""

from pathlib import Path

from gradio.route_utils import BUILD_PATH_LIB
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tabs.shell.packed_files import PackedFiles
from tabs.shell.styles import in_gradio_layer

ASSETS = "/assets/{path:path}"


def asset_route() -> Route:
    """A route in the place of Gradio's of the same address."""
    folder = Path(BUILD_PATH_LIB)
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = PackedFiles(paths, lambda path: in_gradio_layer(path) if path.suffix == ".css" else path.read_bytes())

    async def serve(request: Request) -> Response:
        return files.answer(request.path_params["path"], request)

    return Route(ASSETS, serve, methods=["GET"])
