"""Serving the page: where, for whom, and with which runner and chats behind it."""

import contextlib
import logging
import os

import gradio as gr

from tabs.serving.config import USER, Serving
from tabs.serving.routes import INVITE
from tabs.serving.server import bound_socket, run_server
from tabs.serving.site import Pages, Site
from tabs.shell.kit import static_paths
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.logs import configure_logging
from workbench.core.settings import Settings, unknown_variables
from workbench.core.space import storage_warning
from workbench.core.uploads import upload_folder
from workbench.people.accounts import accounts_are_on, has_owner, switch_accounts_on
from workbench.people.invitations import invite_first_owner
from workbench.preferences.store import check_storage

log = logging.getLogger(__name__)

EVENT_STATISTICS_OFF = {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(10**12)}
"""Gradio keeps a record of 10 000 events and makes a table of them after every one, which takes 50 ms; only its monitor
reads that, and it is not served."""


HOW_TO_HUB_LOGIN = (
    "Nobody can log in with Hugging Face here. To let them, add the line `hf_oauth: true` to the front matter of the "
    "Space's README.md, between the two lines of ---; the Space then starts again."
)


def serve(pages: Pages) -> None:
    """Serves every role its page until interrupted; the runner and a warm worker start beside it.

    Raises `UserError` when the port is taken. Jobs under way outlive this process.
    """
    configure_logging()
    home = Home.default()
    serving = Serving.configured(accounts_are_on(home))
    if serving.accounts:
        switch_accounts_on(home)
    bound = bound_socket(serving.host, serving.port)
    uploads = upload_folder(home)
    with contextlib.suppress(OSError):  # a home that can only be read is shown all the same, and the page says so
        uploads.mkdir(exist_ok=True)
    os.environ.update(EVENT_STATISTICS_OFF, GRADIO_TEMP_DIR=str(uploads))  # read when the page is composed
    unsafe = check_storage(home)
    if unsafe:
        log.error("%s", unsafe)
    gr.set_static_paths(static_paths())
    site = Site(pages, serving, home, uploads, (unsafe.message, unsafe.remedy) if unsafe else ("", ""))
    if serving.accounts:
        site.draw()

    def started() -> None:
        site.runner.start()
        announce(serving, home)

    run_server(site, bound, started)


def announce(serving: Serving, home: Home) -> None:
    """Says where the page is, how to log in and under which names it can be reached."""
    for sentence in unknown_variables():
        log.warning("%s", sentence)
    if warning := storage_warning(home.root, Settings.current()):
        print(warning, flush=True)
    if serving.accounts:
        announce_accounts(serving, home)
    if not serving.is_private and not serving.hosts:
        print("It answers under this machine's name and its IP addresses; WORKBENCH_HOSTS adds others.", flush=True)
    print(f"LLM Workbench is at {serving.url}  (home: {home.root})", flush=True)


def announce_accounts(serving: Serving, home: Home) -> None:
    """Prints the link for the first owner where nobody could log in, and says what became of the one password."""
    try:
        owned = has_owner(home)
        address = f"https://{serving.hosts[0]}" if serving.space and serving.hosts else serving.url
        link = "" if owned else f"{address}{INVITE}?token={invite_first_owner(home)}"
    except UserError as error:
        log.error("accounts cannot be read: %s", error)
        return
    if serving.space and not serving.hub:
        print(HOW_TO_HUB_LOGIN, flush=True)
    if link and serving.hub:
        print(f"No owner yet: {serving.hub.author} logs in with Hugging Face at {address}, and is one.", flush=True)
    if link:
        print(f"No owner can log in yet. This link makes one, once: {link}", flush=True)
    if serving.password:
        use = "is not asked for any more" if owned else f"of the user {USER} leads to the same"
        print(f"People log in with accounts; WORKBENCH_PASSWORD {use}.", flush=True)
