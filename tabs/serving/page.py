"""The page's own kind of Blocks: what a call may bring is checked before Gradio acts on it."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj_with_meta, traverse

from tabs.serving.permissions import check_event, person_asking
from workbench.core.change_log import acting_as

NOT_UPLOADED = "That file was not uploaded here."


class Page(gr.Blocks):
    """Blocks that take files only from the browser: no address to fetch, no other path of this machine.

    Their events run only for whom the table of callers says.
    """

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, *rest: Any, **options: Any
    ) -> dict[str, Any]:
        """As Gradio's, the one way to every event's function; raises `gr.Error` for a role that may not."""
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        if function.fn is not None:
            check_event(function.fn, request)
        with acting_as(person_asking(request)):
            return await super().process_api(block_fn, inputs, state, request, *rest, **options)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **options: Any) -> list[Any]:
        """As Gradio's; raises `gr.Error` for a file that was not uploaded. Gradio would download an address."""
        check_files(inputs)
        return await super().preprocess_data(block_fn, inputs, *rest, **options)  # type: ignore[no-any-return]


def check_files(values: Any) -> None:
    """Raises `gr.Error` unless every file the values name, at any depth, lies in the folder of uploads."""
    folder = Path(get_upload_folder()).resolve()

    def check(file: dict[str, Any]) -> dict[str, Any]:
        try:
            inside = Path(file["path"]).is_absolute() and Path(file["path"]).resolve().is_relative_to(folder)
        except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, a loop of links
            inside = False
        if not inside:
            raise gr.Error(NOT_UPLOADED, print_exception=False)
        return file

    traverse(values, check, _is_file)


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("meta"), dict) and is_file_obj_with_meta(value)
