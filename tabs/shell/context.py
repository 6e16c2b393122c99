"""What every tab shares: the engine's handles, and dropdowns that follow the shelves in every browser."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from markupsafe import escape

from tabs.shell.kit import component
from tabs.shell.links import Links
from tabs.shell.offers import Choice, choices_of, label_of, pairs_of
from tabs.shell.scripts import page_call
from tabs.shell.shelves import Shelves, Updates
from workbench.chat.service import ChatService
from workbench.core.errors import Problem, SpecError, UserError, explain
from workbench.core.home import Home
from workbench.core.paths import PathGate
from workbench.core.reference import Reference
from workbench.data.store.dataset_reference import DatasetRef
from workbench.jobs.job_reference import JobRef
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.models.model_references import ANSWERS, WEIGHT_KINDS, ModelRef
from workbench.models.shelf import ModelInfo
from workbench.preferences.session_reference import SessionRef

log = logging.getLogger(__name__)

Choices = list[tuple[str, str]]
SEE_TERMINAL = "The terminal in which the app runs has the whole story."
MODELS = ModelRef(*WEIGHT_KINDS)


@dataclass
class Context:
    """The home, its queue, runner and chats; which paths the page may name, whether it asks for a login, and whether
    for accounts; how its parts fill one another; what must be redrawn when a shelf changes, how often that was looked
    at, and how much of it failed to be."""

    home: Home
    queue: Queue
    runner: Runner
    chats: ChatService
    gate: PathGate = field(default_factory=PathGate)
    asks_login: bool = False
    accounts: bool = False
    links: Links = field(default_factory=Links)
    on_load: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    on_change: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    failed_parts: int = 0
    looks: int = 0
    _followers: list[tuple[Any, Callable[[], Any]]] = field(default_factory=list)
    _firsts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shelves = Shelves(self.home, self.queue)
        self._updates: Updates | None = None

    def infos(self) -> list[ModelInfo]:
        """Every row of the shelf of models, oldest first, damaged ones included."""
        return self.shelves.models.look()[1]

    def choices(self, ref: Mapping[str, Any]) -> Callable[[], list[Choice]]:
        """What a setting can name whose schema says this under `x-ref`, asked anew at every call."""
        return lambda: choices_of(self.shelves, ref)

    def pairs(self, mark: Reference) -> Choices:
        """What can be named where the mark stands, as (label, value) for dropdowns."""
        return pairs_of(self.shelves, mark.schema())

    def models(self) -> Choices:
        """Whole models that go on with a text, and adapters."""
        return self.pairs(MODELS)

    def newest_models(self) -> Choices:
        """As `models`, newest first: what was made last is looked at first."""
        return [*reversed(self.models())]

    def answering(self) -> Choices:
        """Everything that can answer a prompt: models, adapters, GGUF files, ensembles."""
        return self.pairs(ANSWERS)

    def shelved_models(self) -> Choices:
        """Everything on the shelf, damaged models last."""
        damaged = [(f"{info.name} · damaged", info.name) for info in self.infos() if info.error]
        return [*((label_of(info), info.name) for info in self.infos() if not info.error), *damaged]

    def datasets(self) -> Choices:
        """Newest first."""
        return self.pairs(DatasetRef())

    def shelved_datasets(self) -> Choices:
        """Everything on the shelf, newest first, damaged datasets last."""
        damaged = [manifest.name for manifest in self.shelves.datasets.look()[1] if "error" in manifest.info]
        return [*self.datasets(), *((f"{name} · damaged", name) for name in damaged)]

    def sessions(self) -> Choices:
        """Newest first; none while the label database cannot be read, which the Label tab says."""
        return self.pairs(SessionRef())

    def jobs(self, methods: tuple[str, ...] = ()) -> Choices:
        """The newest, newest first; of these kinds, or all."""
        return self.pairs(JobRef(*methods))

    def picker(
        self, choices: Callable[[], Choices], first: bool = False, shown_empty: bool = True, **options: Any
    ) -> gr.Dropdown:
        """A dropdown whose choices follow the shelf, in every browser and in tabs not opened yet.

        With `first` an empty one takes the first choice by itself; without `shown_empty` one that has nothing to
        choose from is not seen, for where what stands beneath says why. The choices come with the first pulse, not with
        the page: it would carry them once for every dropdown, as they were when the server started.
        """
        classes = [*([options.pop("elem_classes")] if "elem_classes" in options else [])]
        # a class, since what is not visible to Gradio sends no events, and in a tab not opened yet it stays so
        unseen = [*classes, *([] if shown_empty else ["wb-unseen"])]
        made = gr.Dropdown(choices=[], interactive=True, allow_custom_value=True, elem_classes=unseen, **options)

        def now() -> Any:
            offered = choices()
            return gr.update(choices=offered, elem_classes=classes if offered else unseen)

        self.follow(made, now)
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
        updates = self._updates = Updates(self.shelves.version, self._states, self.shelves.version_of_votes)
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

    def draw(self) -> None:
        """Makes the state of the page before a browser asks for it."""
        if self._updates:
            self._updates.since("")

    def _states(self) -> list[Any]:
        """What the followers show now, in their order; one that fails stays as it is, and is counted in `failed_parts`,
        which those after it can tell."""
        states, self.failed_parts = [], 0
        self.looks += 1
        for _, update in self._followers:
            try:
                states.append(update())
            except Exception:
                log.exception("a part of the page could not be drawn")
                self.failed_parts += 1
                states.append(gr.skip())
        return states


def told_html(problems: Sequence[Problem]) -> str:
    """Problems as a message, which the page draws as HTML: they quote what people, files and models say."""
    return "\n\n".join(escape(str(problem)) for problem in problems)


def page_error(error: BaseException) -> gr.Error:
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
            raise page_error(error) from None

    return call
