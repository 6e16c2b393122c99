"""The page's scripts: ES modules below assets/js and what they import from assets/vendor, served as the files they are.

Their address holds a digest of them all, so browsers may keep them for ever, and one that kept old ones never mixes
them with new ones: modules import each other by relative addresses, which all lie below the same digest.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tabs.shell.packed_files import PackedFiles, gone
from workbench.core.assets import ASSETS

SCRIPTS = "/scripts/{digest}/{name:path}"
_FILES = {
    path.relative_to(ASSETS).as_posix(): path
    for folder in ("js", "vendor")
    for path in sorted((ASSETS / folder).rglob("*"))
    if path.suffix in (".js", ".mjs")
}
_SERVED = PackedFiles(_FILES)


def _digest() -> str:
    whole = hashlib.sha256()
    for name, path in _FILES.items():
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


DIGEST = _digest()


def script_url(name: str) -> str:
    """Address of a script, as 'js/main.js', relative so that it survives a proxy prefix."""
    if name not in _FILES:
        raise KeyError(name)
    return f"scripts/{DIGEST}/{name}"


MAIN = script_url("js/main.js")


def page_call(function: str, *arguments: str) -> str:
    """JavaScript for `event(js=…)`: what a function that js/main.js exports gives for these arguments, themselves
    JavaScript; `values` are the event's inputs."""
    return f"async (...values) => ({_import()}).{function}({', '.join(arguments)})"


def mount_call(component: str, constants: Mapping[str, Any]) -> str:
    """JavaScript for `gr.HTML(js_on_load=…)`: draws one of the page's own components, with what never changes of it:
    any update of a component that was not drawn yet takes its other props away."""
    constant = f"constants: {json.dumps(constants)}"
    given = f"{{ element, trigger, props, server, watch, {constant} }}"
    return f"{_import().removeprefix('await ')}.then((page) => page.mount({json.dumps(component)}, {given}));"


def _import() -> str:
    # the address is made whole here: Gradio compiles this in a file of its own, to which relative ones would refer
    return f"await import(new URL({json.dumps(MAIN)}, document.baseURI).href)"


async def _serve(request: Request) -> Response:
    if request.path_params["digest"] != DIGEST or request.path_params["name"] not in _SERVED:
        return gone("There is no such script now. Reload the page.")
    return _SERVED.answer(request.path_params["name"], request)


def script_route() -> Route:
    """The route the scripts are served by; it has to stand before Gradio's own."""
    return Route(SCRIPTS, _serve, methods=["GET"])
