"""What the server remembers of each open page: only the components whose settings an event has changed there.

Gradio copies the whole configuration, several megabytes, for every page that was ever opened, to be able to share it as
a 'deep link', which is not served here.
"""

from collections import ChainMap
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig
from gradio.state_holder import SessionState, StateHolder

MOST_PAGES = 200
"""How many pages are remembered, those that asked last: every open one asks all the time, and nobody says that a page
was closed. One that is forgotten is treated as newly opened."""


class PageStates(StateHolder):
    """The states of the pages opened last, by the page's session hash."""

    def __init__(self, demo: gr.Blocks, capacity: int = MOST_PAGES) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        demo.state_session_capacity = capacity
        self.set_blocks(demo)

    def __getitem__(self, session_id: str) -> SessionState:
        with self.lock:
            if session_id not in self.session_data:
                self.session_data[session_id] = _PageState(self.blocks)
            self.session_data.move_to_end(session_id)
            while len(self.session_data) > self.capacity:
                self.session_data.popitem(last=False)
            return self.session_data[session_id]


class _PageState(SessionState):
    """The page as it was composed, with this page's own components laid over it; no configuration is made of them."""

    def __init__(self, demo: gr.Blocks) -> None:
        self.blocks_config = BlocksConfig(demo)
        # Writes go to the first map; events are the same for every page, since nothing here is rendered by an event.
        self.blocks_config.blocks = ChainMap({}, demo.blocks)  # type: ignore[assignment]
        self.blocks_config.fns = demo.fns
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False

    def __setitem__(self, key: int, value: Any) -> None:
        self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nothing: the configuration is that of no page."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing: a page's values come from the page itself with every event."""

    @property
    def components(self) -> Iterator[dict[str, Any]]:
        """None: they would be a deep link."""
        return iter(())
