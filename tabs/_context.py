"""What every tab shares: the engine's handles, and dropdowns that follow the shelves in every browser."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr

from workbench.chat.service import ChatService
from workbench.data.shelf import list_datasets
from workbench.errors import SpecError, UserError, explain
from workbench.home import Home
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.models.shelf import ModelInfo, list_models
from workbench.preferences.sessions import list_sessions

Choices = list[tuple[str, str]]
FILL = "(firsts, ...values) => values.map((value, index) => value || (firsts || [])[index] || null)"


@dataclass
class Context:
    """The home, its queue, runner and chats; and what must be redrawn when a shelf changes."""

    home: Home
    queue: Queue
    runner: Runner
    chats: ChatService
    on_load: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    on_tick: list[tuple[Callable[..., Any], Any, Any]] = field(default_factory=list)
    _followers: list[tuple[Any, Callable[[], Any]]] = field(default_factory=list)
    _defaults: list[tuple[Any, Callable[[], Choices]]] = field(default_factory=list)

    def models(self) -> Choices:
        """Whole models and adapters."""
        return [(_model_label(info), info.name) for info in list_models(self.home) if info.has_weights]

    def answering(self) -> Choices:
        """Everything that can answer a prompt: models, adapters, ensembles."""
        return [(_model_label(info), info.name) for info in list_models(self.home) if not info.error]

    def adapters(self) -> Choices:
        return [(_model_label(info), info.name) for info in list_models(self.home) if info.is_adapter]

    def datasets(self) -> Choices:
        """Newest first."""
        found = [manifest for manifest in list_datasets(self.home) if "error" not in manifest.info]
        found.sort(key=lambda manifest: manifest.created, reverse=True)
        return [(f"{manifest.name} · {manifest.info['kind']}", manifest.name) for manifest in found]

    def of_kind(self, *kinds: str) -> Callable[[], Choices]:
        """The datasets of these kinds, in the order of the kinds, newest first."""

        def kind(choice: tuple[str, str]) -> str:
            return choice[0].rsplit(" · ", 1)[1]

        return lambda: sorted(
            (choice for choice in self.datasets() if kind(choice) in kinds),
            key=lambda choice: kinds.index(kind(choice)),
        )

    def sessions(self) -> Choices:
        """Newest first."""
        return [(found.name, found.name) for found in list_sessions(self.home)]

    def jobs(self, methods: tuple[str, ...] = ()) -> Choices:
        """Newest first; of these kinds, or all."""
        views = [view for view in self.queue.all() if not methods or (view.job and view.job.method in methods)]
        return [(f"{view.label} · {view.status}", view.id) for view in reversed(views)]

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

    def wire(self, demo: gr.Blocks, version: gr.Textbox) -> None:
        """One timer for the whole page: compares a fingerprint of the shelves, redraws only what changed."""
        firsts = gr.JSON(visible=False)
        outputs = [version, firsts, *(component for component, _ in self._followers)]
        asking = [component for component, _ in self._defaults]

        def refresh(seen: str) -> list[Any]:
            current = self.fingerprint()
            if current == seen:
                return [gr.skip()] * len(outputs)
            given = [next((value for _, value in choices()), None) for _, choices in self._defaults]
            return [current, given, *(update() for _, update in self._followers)]

        options: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        timer = gr.Timer(3)
        for event in (demo.load, timer.tick):
            # the page itself fills empty pickers: an answer under way would overwrite a choice made meanwhile
            event(refresh, version, outputs, **options).then(None, [firsts, *asking], asking, js=FILL, **options)
        for function, inputs, outputs_ in self.on_load:
            demo.load(function, inputs, outputs_, **options)
        for function, inputs, outputs_ in self.on_tick:
            timer.tick(function, inputs, outputs_, **options)

    def fingerprint(self) -> str:
        """Changes when a model, dataset, job, session or vote does."""
        marks = [f"{view.id}:{view.status}" for view in self.queue.all()]
        for folder in (self.home.models, self.home.datasets):
            marks.append(str(folder.stat().st_mtime_ns))
        for suffix in ("", "-wal"):
            path = self.home.labels.with_name(self.home.labels.name + suffix)
            marks.append(str(path.stat().st_mtime_ns) if path.exists() else "")
        return hashlib.sha1("|".join(marks).encode(), usedforsecurity=False).hexdigest()


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
