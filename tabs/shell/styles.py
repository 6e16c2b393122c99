"""The page's style sheets: the files below assets/css in their order, and Gradio's own put beneath them.

As Gradio serves them, its rules win wherever their selectors are longer than ours, which no author here can see. So its
sheets are served inside a cascade layer, the lowest, and ours stand in the layers above: what we say of an element
holds, however short the selector, and needs no `!important` save against `style` attributes. Wrapping a sheet changes
nothing else in it; a test looks in each for what may not stand within a layer. Leaving Gradio's as they are, and ours
out of layers, would have kept both the long selectors and the contest.

Ours travel at the end of the theme's sheet, which Gradio waits for before it draws anything: no request more, and
browsers may keep it for ever, since a digest of ours in the theme makes its address change with them. Gradio's
`css_paths` would send them within the page itself, anew on each visit, with every selector rewritten and layers left
out; its `custom_css` would put them into a variable of the theme as well, where layers count too.
"""

import functools
import gzip
import hashlib
from pathlib import Path

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tabs.shell.packed_files import KEEP
from workbench.core.assets import ASSETS

CSS = ASSETS / "css"
GRADIO_LAYER = "gradio"
LAYERS = (GRADIO_LAYER, "tokens", "base", "overrides", "controls", "components", "states")
"""From the weakest to the strongest. The order between files of one layer is theirs in `FILES`."""
FILES = (
    "tokens.css",
    "base.css",
    "gradio.css",
    "controls.css",
    "components/header.css",
    "components/code-view.css",
    "components/notices.css",
    "components/live-run.css",
    "components/token-view.css",
    "components/training-check.css",
    "components/chat.css",
    "components/model-text.css",
    "components/label.css",
    "components/label-ballot.css",
    "components/label-cases.css",
    "components/session.css",
    "components/results.css",
    "components/merge.css",
    "components/compress.css",
    "components/data-steps.css",
    "components/data-account.css",
    "components/data-rows.css",
    "components/forms.css",
    "components/shelves.css",
    "components/notes.css",
    "components/overview.css",
)


def _style_sheet() -> str:
    texts = ((CSS / name).read_text("utf-8") for name in FILES)
    return "\n".join((f"@layer {', '.join(LAYERS)};", *texts))


STYLE_SHEET = _style_sheet()
"""All of ours as one sheet, the order of the layers first."""
STYLE_DIGEST = hashlib.sha256(STYLE_SHEET.encode()).hexdigest()[:16]


def in_gradio_layer(sheet: Path) -> bytes:
    """A style sheet of Gradio's, in the layer beneath all of ours."""
    return f"@layer {GRADIO_LAYER} {{\n{sheet.read_text('utf-8')}\n}}\n".encode()


def theme_routes(demo: gr.Blocks) -> list[Route]:
    """The routes the theme's sheet is served by, ours behind it; they have to stand before Gradio's own."""

    @functools.cache
    def sheet() -> tuple[bytes, bytes]:
        plain = f"{demo.theme_css}\n{STYLE_SHEET}".encode()
        return plain, gzip.compress(plain, 6, mtime=0)

    async def serve(request: Request) -> Response:
        is_this = request.query_params.get("v") == demo.theme_hash
        headers = {**KEEP} if is_this else {**KEEP, "cache-control": "no-store"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(sheet()[1], headers={**headers, "content-encoding": "gzip"}, media_type="text/css")
        return Response(sheet()[0], headers=headers, media_type="text/css")

    return [Route(path, serve, methods=["GET"]) for path in ("/theme.css", "/gradio_api/theme.css")]
