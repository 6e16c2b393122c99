"""What the running page offers to call, and who may: nothing new goes unlooked at."""

from collections.abc import Callable, Iterable
from pathlib import Path

import gradio as gr
import pytest

import app
from tabs.application import PAGES
from tabs.serving.callers import EVENTS, SERVER_FUNCTIONS, event_name, events, server_functions
from tabs.shell.context import Context
from workbench.chat.service import ChatService
from workbench.core.home import Home
from workbench.core.paths import PathGate
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.people.roles import Role

PAD = ("cast_vote", "guidelines", "hold_pair", "next_pair", "own_votes", "return_pair", "undo_vote")
ADD = "new: say in tabs/serving/callers.py who may call it"
REMOVE = "offered no more: take it out of tabs/serving/callers.py"


Pages = dict[tuple[Role, bool], gr.Blocks]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Every page by whose it is and whether there are accounts, with everything that depends on how it is served."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    queue = Queue(home)

    def page(role: Role, accounts: bool) -> gr.Blocks:
        gate = PathGate(unrestricted=True)
        return PAGES[role](Context(home, queue, Runner(home, queue), ChatService(home), gate, True, accounts=accounts))

    return {(Role.OWNER, False): page(Role.OWNER, False)} | {(role, True): page(role, True) for role in Role}


def offered(pages: Pages, listed: Callable[[gr.Blocks], Iterable[str]], role: Role | None = None) -> set[str]:
    return {name for (whose, _), page in pages.items() if role in (None, whose) for name in listed(page)}


def test_every_event_of_the_pages_has_an_entry(pages: Pages) -> None:
    assert offered(pages, events) - set(EVENTS) == set(), ADD
    assert set(EVENTS) - offered(pages, events) == set(), REMOVE


def test_every_server_function_of_the_pages_has_an_entry(pages: Pages) -> None:
    assert offered(pages, server_functions) - set(SERVER_FUNCTIONS) == set(), ADD
    assert set(SERVER_FUNCTIONS) - offered(pages, server_functions) == set(), REMOVE


@pytest.mark.parametrize("role", Role)
def test_a_page_offers_its_role_only_what_the_role_may_call(pages: Pages, role: Role) -> None:
    assert {name for name in offered(pages, events, role) if not EVENTS[name].allows(role)} == set()
    functions = offered(pages, server_functions, role)
    assert {name for name in functions if not SERVER_FUNCTIONS[name].allows(role)} == set()


def test_an_annotators_page_has_the_pad_what_they_were_chosen_to_settle_and_nothing_else(pages: Pages) -> None:
    named = "people.signed_in.signed_in.named"
    chosen, opened = (f"label.voting.voting_panel.{name}" for name in ("chosen", "opened"))
    settling = {f"label.adjudication_panel.adjudication_panel.{name}_case" for name in ("draw", "settle", "undo")}
    assert offered(pages, events, Role.ANNOTATOR) == {named, chosen, opened} | settling
    pad = {f"vote_pad.{name}" for name in PAD}
    both = {"pulse.changes", "address_line.find_session"}
    assert offered(pages, server_functions, Role.ANNOTATOR) == pad | both | {"notice_bell.own_notices"}
    assert offered(pages, server_functions, Role.VIEWER) == both


def test_no_event_is_offered_as_an_api_by_a_name(pages: Pages) -> None:
    for page in pages.values():
        assert {event.api_name for event in page.fns.values() if event.api_visibility != "private"} == set()
        assert page.get_api_info()["named_endpoints"] == {}


def test_where_no_paths_may_be_named_the_fields_for_them_are_not_there(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    queue = Queue(home)
    closed = app.compose(Context(home, queue, Runner(home, queue), ChatService(home)))
    names = {getattr(block, "elem_id", None) for block in closed.blocks.values()}
    assert "start-import-gguf" not in names and "start-parity" in names
    assert "models._add_folder.<lambda> _import" not in set(events(closed))
    ways = next(block for block in closed.blocks.values() if getattr(block, "elem_id", None) == "import-way")
    assert [value for _, value in ways.choices] == ["Files", "Paste", "Hub"]  # type: ignore[attr-defined]


def test_a_choice_made_while_another_is_answered_is_not_lost(pages: Pages) -> None:
    """By default Gradio drops an event that comes while the one before it is answered."""
    lost = {
        f"{event.targets} {event_name(event.fn) if event.fn else event.js}"
        for page in pages.values()
        for event in page.fns.values()
        for part, name in event.targets
        if event.trigger_mode == "once"
        if name in {"input", "select", "change"} or (name == "submit" and isinstance(page.blocks[part], gr.HTML))
    }
    assert lost == set(), "\n".join(sorted(lost))
