"""What every tab shares: the engine's handles, and dropdowns that follow the shelves in every browser."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from markupsafe import escape

from tabs.shell.kit import component
from tabs.shell.links import Links
from tabs.shell.scripts import page_call
from tabs.shell.shelves import Shelves, Updates
from workbench.chat.service import ChatService
from workbench.core.errors import Problem, SpecError, UserError, explain
from workbench.core.home import Home
from workbench.core.lineage import Manifest
from workbench.core.paths import PathGate
from workbench.jobs.listing import JobRow
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.models.shelf import ModelInfo

log = logging.getLogger(__name__)

Choices = list[tuple[str, str]]
SEE_TERMINAL = "The terminal in which the app runs has the whole story."
MOST_JOBS = 200
"""Jobs offered by a picker, the newest; the Jobs tab finds the others."""


@dataclass
class Context:
    """The home, its queue, runner and chats; which paths the page may name and whether it asks for a login; how
    its parts fill one another; what must be redrawn when a shelf changes, and how much of it failed to be."""

    home: Home
    queue: Queue
    runner: Runner
    chats: ChatService
    gate: PathGate = field(default_factory=PathGate)
    asks_login: bool = False
    links: Links = field(default_factory=Links)
    on_load: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    on_change: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    failed_parts: int = 0
    _followers: list[tuple[Any, Callable[[], Any]]] = field(default_factory=list)
    _firsts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shelves = Shelves(self.home, self.queue)

    def infos(self) -> list[ModelInfo]:
        """Every row of the shelf of models, oldest first, damaged ones included."""
        return self.shelves.models.look()[1]

    def models(self) -> Choices:
        """Whole models that go on with a text, and adapters."""
        return self._of_models("models", lambda info: info.has_weights and info.generates)

    def newest_models(self) -> Choices:
        """As `models`, newest first: what was made last is looked at first."""
        return self.shelves.made("newest models", self.shelves.models.look, lambda _: [*reversed(self.models())])

    def answering(self) -> Choices:
        """Everything that can answer a prompt: models, adapters, ensembles."""
        return self._of_models("answering", lambda info: not info.error and info.generates)

    def shelved_models(self) -> Choices:
        """Everything on the shelf, damaged models last."""
        damaged = [(f"{info.name} · damaged", info.name) for info in self.infos() if info.error]
        return [*self._of_models("shelved", lambda info: not info.error), *damaged]

    def adapters(self) -> Choices:
        return self._of_models("adapters", lambda info: info.is_adapter)

    def _of_models(self, key: str, fits: Callable[[ModelInfo], bool]) -> Choices:
        def choices(infos: list[ModelInfo]) -> Choices:
            return [(_model_label(info), info.name) for info in infos if fits(info)]

        return self.shelves.made(key, self.shelves.models.look, choices)

    def datasets(self) -> Choices:
        """Newest first."""
        return self.shelves.made("datasets", self.shelves.datasets.look, _datasets)

    def shelved_datasets(self) -> Choices:
        """Everything on the shelf, newest first, damaged datasets last."""
        damaged = [found.name for found in self.shelves.datasets.look()[1] if "error" in found.info]
        return [*self.datasets(), *((f"{name} · damaged", name) for name in damaged)]

    def of_kind(self, *kinds: str) -> Callable[[], Choices]:
        """The datasets of these kinds, in the order of the kinds, newest first."""

        def kind(choice: tuple[str, str]) -> str:
            return choice[0].rsplit(" · ", 1)[1]

        def choices(found: list[Manifest]) -> Choices:
            fitting = (choice for choice in _datasets(found) if kind(choice) in kinds)
            return sorted(fitting, key=lambda choice: kinds.index(kind(choice)))

        return lambda: self.shelves.made(("datasets", *kinds), self.shelves.datasets.look, choices)

    def sessions(self) -> Choices:
        """Newest first; none while the label database cannot be read, which the Label tab says."""
        look = self.shelves.sessions.look
        return self.shelves.made("sessions", look, lambda names: [(name, name) for name in names])

    def jobs(self, methods: tuple[str, ...] = ()) -> Choices:
        """The newest, newest first; of these kinds, or all."""

        def choices(rows: list[JobRow]) -> Choices:
            fitting = [row for row in reversed(rows) if not methods or row.method in methods]
            return [(f"{row.label} · {row.status}", row.id) for row in fitting[:MOST_JOBS]]

        return self.shelves.made(("jobs", *methods), self.shelves.jobs, choices)

    def picker(self, choices: Callable[[], Choices], first: bool = False, **options: Any) -> gr.Dropdown:
        """A dropdown whose choices follow the shelf, in every browser and in tabs not opened yet.

        With `first` an empty one takes the first choice by itself. The choices come with the first pulse, not with
        the page: it would carry them once for every dropdown, as they were when the server started.
        """
        made = gr.Dropdown(choices=[], interactive=True, allow_custom_value=True, **options)
        self.follow(made, lambda: gr.update(choices=choices()))
        if first:
            self._firsts.append(made)
        return made

    def follow(self, component: Any, update: Callable[[], Any]) -> None:
        """`update()` gives the component's new state, as the browser takes it, whenever something on the shelves
        changed; it is called once for all browsers, and sent to those that have another."""
        self._followers.append((component, update))

    def wire(self, demo: gr.Blocks) -> None:
        """The links between the tabs, and one pulse for the whole page: it asks what changed, and the page redraws
        that by itself."""
        self.links.wire(guarded)
        updates = Updates(self.shelves.version, self._states)
        lines = ("", "", "")
        changes = {"changes": lambda query: updates.since(str(query.get("mark") or ""))}
        pulse = component("pulse", "", changes, lines)  # type: ignore[arg-type]
        parts = [follower for follower, _ in self._followers]
        places = {id(part): place for place, part in enumerate(parts)}
        firsts = [places[id(picker)] for picker in self._firsts]
        # what fills a picker is the page itself: an answer under way would overwrite a choice made meanwhile
        take = page_call("takeStates", str(len(parts)), str(firsts), "values")
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        last = {**quiet, "trigger_mode": "always_last"}
        pulse.submit(None, self._firsts, parts, js=take, **last)
        for function, inputs, outputs_ in self.on_load:
            demo.load(function, inputs, outputs_, **quiet)
        for function, inputs, outputs_ in self.on_change:
            pulse.submit(function, inputs, outputs_, **last)

    def _states(self) -> list[Any]:
        """What the followers show now, in their order; one that fails stays as it is, and is counted in `failed_parts`,
        which those after it can tell."""
        states, self.failed_parts = [], 0
        for _, update in self._followers:
            try:
                states.append(update())
            except Exception:
                log.exception("a part of the page could not be drawn")
                self.failed_parts += 1
                states.append(gr.skip())
        return states


def _datasets(found: list[Manifest]) -> Choices:
    whole = [manifest for manifest in found if "error" not in manifest.info]
    whole.sort(key=lambda manifest: manifest.created, reverse=True)
    return [(f"{manifest.name} · {manifest.info['kind']}", manifest.name) for manifest in whole]


def _model_label(info: ModelInfo) -> str:
    if info.is_ensemble:
        return f"{info.name} · {info.architecture}"
    if info.kind == "gguf":
        return f"{info.name} · GGUF {info.dtype}"
    return f"{info.name} · adapter of {info.base}" if info.is_adapter else info.name


def told_html(problems: Sequence[Problem]) -> str:
    """Problems as a message, which the page draws as HTML: they quote what people, files and models say."""
    return "\n\n".join(escape(str(problem)) for problem in problems)


def shown(error: BaseException) -> gr.Error:
    """An engine error as the page's message: what is wrong, then what to do."""
    known = explain(error, SEE_TERMINAL)
    if isinstance(known, SpecError):
        return gr.Error(told_html(known.problems), title="Please check", duration=15)
    return gr.Error(str(escape(str(known))), title="That did not work", duration=15)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a callback so that every error of the engine reaches the person as a message with a remedy."""
    import functools

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except gr.Error:
            raise
        except Exception as error:
            if not isinstance(error, UserError):
                log.exception("an action of the page failed")
            raise shown(error) from None

    return call
