"""What every tab shares: the engine's handles, and dropdowns that follow the shelves in every browser."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from tabs._kit import component
from workbench.chat.service import ChatService
from workbench.data.shelf import list_datasets
from workbench.errors import SpecError, UserError, explain
from workbench.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.models.shelf import ModelInfo, list_models
from workbench.paths import PathGate
from workbench.preferences.sessions import list_sessions

Choices = list[tuple[str, str]]
FILL = "(firsts, ...values) => values.map((value, index) => value || (firsts || [])[index] || null)"


@dataclass
class Context:
    """The home, its queue, runner and chats, which paths the page may name; and what must be redrawn when a shelf
    changes."""

    home: Home
    queue: Queue
    runner: Runner
    chats: ChatService
    gate: PathGate = field(default_factory=PathGate)
    on_load: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    on_change: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    _followers: list[tuple[Any, Callable[[], Any]]] = field(default_factory=list)
    _defaults: list[tuple[Any, Callable[[], Choices]]] = field(default_factory=list)

    def models(self) -> Choices:
        """Whole models and adapters."""
        return [(_model_label(info), info.name) for info in list_models(self.home) if info.has_weights]

    def answering(self) -> Choices:
        """Everything that can answer a prompt: models, adapters, ensembles."""
        return [(_model_label(info), info.name) for info in list_models(self.home) if not info.error]

    def shelved_models(self) -> Choices:
        """Everything on the shelf, damaged models last."""
        damaged = [(f"{info.name} · damaged", info.name) for info in list_models(self.home) if info.error]
        return [*self.answering(), *damaged]

    def adapters(self) -> Choices:
        return [(_model_label(info), info.name) for info in list_models(self.home) if info.is_adapter]

    def datasets(self) -> Choices:
        """Newest first."""
        found = [manifest for manifest in list_datasets(self.home) if "error" not in manifest.info]
        found.sort(key=lambda manifest: manifest.created, reverse=True)
        return [(f"{manifest.name} · {manifest.info['kind']}", manifest.name) for manifest in found]

    def shelved_datasets(self) -> Choices:
        """Everything on the shelf, newest first, damaged datasets last."""
        damaged = [found.name for found in list_datasets(self.home) if "error" in found.info]
        return [*self.datasets(), *((f"{name} · damaged", name) for name in damaged)]

    def of_kind(self, *kinds: str) -> Callable[[], Choices]:
        """The datasets of these kinds, in the order of the kinds, newest first."""

        def kind(choice: tuple[str, str]) -> str:
            return choice[0].rsplit(" · ", 1)[1]

        return lambda: sorted(
            (choice for choice in self.datasets() if kind(choice) in kinds),
            key=lambda choice: kinds.index(kind(choice)),
        )

    def sessions(self) -> Choices:
        """Newest first; none while the label database cannot be read, which the Label tab says."""
        try:
            return [(found.name, found.name) for found in list_sessions(self.home)]
        except UserError:
            return []

    def jobs(self, methods: tuple[str, ...] = ()) -> Choices:
        """Newest first; of these kinds, or all."""
        rows = [row for row in self.queue.all() if not methods or row.method in methods]
        return [(f"{row.label} · {row.status}", row.id) for row in reversed(rows)]

    def picker(self, choices: Callable[[], Choices], first: bool = False, **options: Any) -> gr.Dropdown:
        """A dropdown whose choices follow the shelf, in every browser and in tabs not opened yet.

        With `first` an empty one takes the first choice by itself.
        """
        made = gr.Dropdown(choices=choices(), interactive=True, allow_custom_value=True, **options)

        self.follow(made, lambda: gr.update(choices=choices()))
        if first:
            self._defaults.append((made, choices))
        return made

    def follow(self, component: Any, update: Callable[[], Any]) -> None:
        """`update()` gives the component's new state whenever something on the shelves changed."""
        self._followers.append((component, update))

    def wire(self, demo: gr.Blocks) -> None:
        """One pulse for the whole page: it asks for a fingerprint of the shelves, and redraws when that changed."""
        lines = ("", "", "")
        pulse = component("pulse", "", {"fingerprint": lambda query: {"mark": self.fingerprint()}}, lines)
        firsts = gr.JSON(visible=False)
        outputs = [firsts, *(follower for follower, _ in self._followers)]
        asking = [picker for picker, _ in self._defaults]

        def refresh() -> list[Any]:
            given = [next((value for _, value in choices()), None) for _, choices in self._defaults]
            return [given, *(update() for _, update in self._followers)]

        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        last = {**quiet, "trigger_mode": "always_last"}
        # the page itself fills empty pickers: an answer under way would overwrite a choice made meanwhile
        pulse.submit(refresh, None, outputs, **last).then(None, [firsts, *asking], asking, js=FILL, **quiet)
        for function, inputs, outputs_ in self.on_load:
            demo.load(function, inputs, outputs_, **quiet)
        for function, inputs, outputs_ in self.on_change:
            pulse.submit(function, inputs, outputs_, **last)

    def fingerprint(self) -> str:
        """Changes when a model, dataset, job, session or vote does, and when a running job writes a new file."""
        marks = [f"{row.id}:{row.status}" for row in self.queue.all()]
        live = [view.folder for view in self.queue.live()]
        labels = [self.home.labels.with_name(self.home.labels.name + suffix) for suffix in ("", "-wal")]
        marks += [_stamp(path) for path in (self.home.models, self.home.datasets, *live, *labels)]
        return hashlib.sha1("|".join(marks).encode(), usedforsecurity=False).hexdigest()


def _stamp(path: Path) -> str:
    """When a file or folder changed; '' when it is not there."""
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return ""


def _model_label(info: ModelInfo) -> str:
    if info.is_ensemble:
        return f"{info.name} · {info.architecture}"
    if info.kind == "gguf":
        return f"{info.name} · GGUF {info.dtype}"
    return f"{info.name} · adapter of {info.base}" if info.is_adapter else info.name


def shown(error: BaseException) -> gr.Error:
    """An engine error as the page's message: what is wrong, then what to do."""
    known = explain(error)
    # The page draws messages as HTML, and they quote what people, files and models say.
    if isinstance(known, SpecError):
        text = "\n\n".join(escape(str(problem), quote=False) for problem in known.problems)
        return gr.Error(text, title="Please check", duration=15)
    return gr.Error(escape(str(known), quote=False), title="That did not work", duration=15)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a callback so that every error of the engine reaches the person as a message with a remedy."""
    import functools
    import traceback

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except gr.Error:
            raise
        except Exception as error:
            if not isinstance(error, UserError):
                traceback.print_exc()
            raise shown(error) from None

    return call
