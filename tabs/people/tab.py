"""The People tab: inviting by link, roles, disabling and resetting; without accounts, switching them on."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.people.record_panel import record_panel
from tabs.serving.asking import asker
from tabs.serving.routes import INVITE
from tabs.shell.context import Context, guarded
from tabs.shell.elements import chip, empty, facts, heading, hint, local_time, render_html, result_box, table
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import Static
from tabs.shell.shelves import Look
from tabs.shell.tab_registry import Tab
from workbench.core.change_log import current_person
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.settings import Settings
from workbench.people import accounts
from workbench.people.hub_accounts import NOBODY_JOINS, joining_role, set_joining_role
from workbench.people.invitations import HOURS, invite, invite_first_owner, reset_person
from workbench.people.roles import MEANING, Role

LINK = "Link"
ONE_PERSON = (
    "Whoever reaches this page may do everything, under any name they type.",
    "With accounts people log in with a name and a password of their own: owners do everything, annotators judge "
    "answers and learn nothing of the models, viewers see results of closed sessions.",
)
SWITCHING = (
    "You choose a name and a password on the next page. With that accounts are on, at once: this browser is logged in "
    "as the owner, and everybody else is asked to log in. Jobs and chats go on.",
    "Names that were typed so far stay in their votes, marked as unproved: nobody can take one for an account.",
    "Folders of this machine can be named in the page then only below WORKBENCH_FOLDERS.",
)
SWITCH_LINK = (
    "Accounts are on as soon as somebody has opened this link and chosen a name and a password: they are the owner. "
    "It works once; a new one makes it void."
)
GO = "(path) => { if (path) location.assign(new URL(path, document.baseURI)); }"
"""JavaScript that opens an address of this server in the place of the page."""
LINK_HINT = f"A link works once, within {HOURS:g} hours. It is shown only now; give it to one person."
JOINING_CHOICES = [
    ("Nobody: by invitation only", NOBODY_JOINS),
    ("Everybody, as annotator", "annotator"),
    ("Everybody, as viewer", "viewer"),
]
WHOLE_LINK = "(path) => path ? new URL(path, document.baseURI).href : ''"
"""JavaScript: the address as somebody else opens it, which only the browser knows behind a proxy."""
DISABLE = "Disable this person? Their logins end at once, and links they made are void. Their votes stay."
RESET = "End all logins of this person and make a link by which they choose a new password?"


def build(ctx: Context) -> None:
    """With accounts: invite on the left, everybody on the right. Without: what they would change."""
    if ctx.accounts:
        with gr.Row(elem_classes="wb-cols"):
            _manage(ctx)
    else:
        with gr.Column(elem_classes="wb-panel"):
            _switch(ctx)
        with gr.Column(elem_classes="wb-panel"):
            record_panel(ctx)


def _switch(ctx: Context) -> None:
    Static(heading("People", "There are no accounts.") + result_box(*map(hint, (*ONE_PERSON, *SWITCHING))))
    with gr.Row():
        switch = gr.Button("Make the owner's account", variant="primary", elem_id="accounts-on", min_width=210, scale=0)
        ask = gr.Button("Make a link for it instead", elem_id="accounts-link", min_width=210, scale=0)
    told, target = Static("", visible=False), gr.Textbox(visible=False)
    link = _link_box()

    def switched() -> str:
        return _path(invite_first_owner(ctx.home, current_person()))

    def linked() -> tuple[Any, Any]:
        return gr.update(value=hint(SWITCH_LINK), visible=True), gr.update(value=switched(), visible=True)

    switch.click(guarded(switched), None, target, **QUIET).success(None, target, None, js=GO, queue=False, **QUIET)
    _with_link(ask.click(guarded(linked), None, [told, link], **QUIET), link)


def _manage(ctx: Context) -> None:
    with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=340):
        or_hub = ", or joins with Hugging Face" if _has_hub_login() else ""
        Static(heading("Invite", f"Somebody who opens the link chooses a name and a password{or_hub}."))
        role = _roles("annotator", elem_id="invite-role")
        ask = gr.Button("Make a link", variant="primary", elem_id="invite")
        link = _link_box()
        Static(result_box(hint(LINK_HINT), facts((str(name), meaning) for name, meaning in MEANING.items())))
        _joining(ctx)
    with gr.Column(elem_classes="wb-main"):
        with gr.Column(elem_classes="wb-panel"):
            Static(heading("People"))
            listed = Static(empty("Nobody yet"), elem_id="people")
            person, change, buttons = _person_row()
        with gr.Column(elem_classes="wb-panel"):
            record_panel(ctx)
    drawn = [listed, person]

    def invited(role: str, request: gr.Request) -> list[Any]:
        path = _path(invite(ctx.home, role, _actor(request)))
        return [gr.update(value=path, visible=True, label=LINK), *_drawn(ctx.home)]

    def reset(name: str | None, request: gr.Request) -> list[Any]:
        path = _path(reset_person(ctx.home, _chosen(name), _actor(request)))
        return [gr.update(value=path, visible=True, label=f"Link for {name}"), *_drawn(ctx.home)]

    def set_role(name: str | None, role: str, request: gr.Request) -> list[Any]:
        accounts.change_role(ctx.home, _chosen(name), role, _actor(request))
        return _drawn(ctx.home)

    def disable(name: str | None, request: gr.Request) -> list[Any]:
        accounts.disable_person(ctx.home, _chosen(name), _actor(request))
        return _drawn(ctx.home)

    def enable(name: str | None, request: gr.Request) -> list[Any]:
        accounts.enable_person(ctx.home, _chosen(name), _actor(request))
        return _drawn(ctx.home)

    _with_link(ask.click(guarded(invited), role, [link, *drawn], **QUIET), link)
    _with_link(buttons["reset"].click(guarded(reset), person, [link, *drawn], js=_asking(RESET), **QUIET), link)
    buttons["role"].click(guarded(set_role), [person, change], drawn, **QUIET)
    buttons["disable"].click(guarded(disable), person, drawn, js=_asking(DISABLE), **QUIET)
    buttons["enable"].click(guarded(enable), person, drawn, **QUIET)
    latest = Look(lambda: accounts.list_people(ctx.home), lambda: None)  # where no file tells that the accounts changed
    ctx.shelves.also.append(lambda: latest.look()[0])
    for place, part in enumerate(drawn):
        ctx.follow(part, lambda place=place: _drawn(ctx.home)[place])  # type: ignore[misc]


def _joining(ctx: Context) -> None:
    """Who may join by logging in with Hugging Face; seen on a Space that offers this login."""
    with gr.Column(visible=_has_hub_login(), elem_id="hub-joining"):
        Static(heading("Without an invitation", "What whoever logs in with Hugging Face may join as."))
        choice = gr.Dropdown(
            choices=JOINING_CHOICES, value=NOBODY_JOINS, show_label=False, label="May join", elem_id="hub-joining-role"
        )  # fmt: skip

    def joining_now() -> str:
        return str(joining_role(ctx.home) or NOBODY_JOINS)

    def joining_changed(role: str, request: gr.Request) -> None:
        set_joining_role(ctx.home, role, _actor(request))

    choice.input(guarded(joining_changed), choice, None, **LAST, **QUIET)
    ctx.on_load.append((joining_now, None, choice))


def _has_hub_login() -> bool:
    settings = Settings.current()
    return bool(settings.space_id and settings.oauth_client_id)


def _person_row() -> tuple[gr.Dropdown, gr.Dropdown, dict[str, gr.Button]]:
    """Who is to be changed, into which role, and the buttons that do it."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        # its choices follow the accounts in the browser alone: Gradio would refuse those it was not made with
        person = gr.Dropdown(
            choices=[], label="Person", value=None, elem_id="person", scale=2, allow_custom_value=True
        )  # fmt: skip
        role = _roles("annotator", elem_id="person-role")
        buttons = {
            "role": gr.Button("Set role", size="sm", elem_id="person-set-role", min_width=90),
            "disable": gr.Button("Disable", size="sm", variant="stop", elem_id="person-disable", min_width=90),
            "enable": gr.Button("Enable", size="sm", elem_id="person-enable", min_width=90),
            "reset": gr.Button("Reset password", size="sm", elem_id="person-reset", min_width=130),
        }
    return person, role, buttons


def _roles(value: str, **options: Any) -> gr.Dropdown:
    return gr.Dropdown(choices=[str(role) for role in Role], value=value, label="Role", min_width=140, **options)


def _link_box() -> gr.Textbox:
    return gr.Textbox(
        label=LINK, visible=False, interactive=False, max_lines=1, buttons=["copy"], elem_id="invite-link"
    )  # fmt: skip


def _with_link(done: Any, link: gr.Textbox) -> None:
    """After an event that wrote a path into the box, the browser makes it a whole address."""
    done.success(None, link, link, js=WHOLE_LINK, queue=False, **QUIET)


def _asking(question: str) -> str:
    """JavaScript that asks first, and sends nobody when the answer is no."""
    return f"(name, ...more) => [name && confirm({question!r}) ? name : null, ...more]"


def _path(token: str) -> str:
    return f"{INVITE[1:]}?token={token}"


def _actor(request: gr.Request) -> str:
    return asker(request).login


def _chosen(name: str | None) -> str:
    if not name:
        raise UserError("Nothing was changed.", "Choose a person and confirm.", "Person")
    return name


def _drawn(home: Home) -> list[Any]:
    """The list, and whom one can choose."""
    people = accounts.list_people(home)
    choices = [(person.name, person.name) for person in people]  # pairs: what follows a shelf is sent as it is
    return [_people_html(home, people), gr.update(choices=choices)]


def _people_html(home: Home, people: list[accounts.Person]) -> Markup:
    by_hub = any(person.hub_name for person in people)
    columns = ["Name", "Role", "State", "Since", *(["Hugging Face"] if by_hub else [])]
    rows: list[list[object]] = [
        [person.name, str(person.role), _state(person), local_time(person.created), person.hub_name or "—"]
        for person in people
    ]
    typed = accounts.unproved_names(home)
    rows += [[name, "—", chip("interrupted", f"unproved, {_votes(count)}"), "—", "—"] for name, count in typed.items()]
    text = (
        "Unproved names were typed with votes before there were accounts. Nobody can take one of them for an account."
    )
    return render_html(table(columns, [row[: len(columns)] for row in rows]), hint(text) if typed else None)


def _votes(count: int) -> str:
    return "1 vote" if count == 1 else f"{count:,} votes"


STATE_CHIPS = {"active": "done", "invited": "queued", "disabled": "failed"}


def _state(person: accounts.Person) -> Markup:
    return chip(STATE_CHIPS[person.state], person.state)


TAB = Tab("people", "People", 90, build)
