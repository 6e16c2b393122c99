"""How parts of the page fill one another without knowing each other: by a name, once the whole page stands."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from workbench.core.plugins import Plugin


@dataclass(frozen=True)
class Target:
    """A component that others may fill: `update(value, data)` is its new state, `path` the tabs it lies in."""

    component: Any
    update: Callable[[Any, Any], Any]
    path: tuple[tuple[gr.Tabs, str], ...]


@dataclass(frozen=True)
class Link:
    """On `trigger` the target of this name is filled with `data(*values of inputs)` and brought into view."""

    trigger: Callable[..., Any]
    name: str
    data: Callable[..., Any]
    inputs: Sequence[Any]
    plugin: Plugin | None = None


@dataclass(frozen=True)
class LinkChoice:
    """On `trigger` one of several targets is filled: `pick(*values of inputs)` gives its name and what it gets."""

    trigger: Callable[..., Any]
    names: Sequence[str]
    pick: Callable[..., tuple[str, Any]]
    inputs: Sequence[Any]


class Links:
    """The targets that the tabs offer, and the links that lead to them, in whatever order the tabs are built."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._links: list[Link] = []
        self._choices: list[LinkChoice] = []
        self._path: list[tuple[gr.Tabs, str]] = []
        self._plugin: Plugin | None = None

    @contextmanager
    def tab(self, tabs: gr.Tabs, title: str, tab_id: str) -> Iterator[gr.Tab]:
        """A tab whose targets bring it into view when they are filled."""
        self._path.append((tabs, tab_id))
        try:
            with gr.Tab(title, id=tab_id) as tab:
                yield tab
        finally:
            self._path.pop()

    @contextmanager
    def of_plugin(self, plugin: Plugin) -> Iterator[None]:
        """What is linked meanwhile is this plug-in's, and left out where it leads nowhere."""
        self._plugin = plugin
        try:
            yield
        finally:
            self._plugin = None

    def offer(self, name: str, component: Any, update: Callable[[Any, Any], Any]) -> None:
        """Lets others fill a component of the tab being built. Raises `ValueError` if the name is taken.

        `update(value, data)` gives the component's new state from its value and what the other sends.
        """
        if name in self._targets:
            raise ValueError(f"two parts of the page are to be filled by the name {name!r}")
        self._targets[name] = Target(component, update, tuple(self._path))

    def on(self, trigger: Callable[..., Any], name: str, data: Callable[..., Any], inputs: Sequence[Any]) -> None:
        """Fills what is offered under a name, by whichever tab, when `trigger` (`button.click`, say) fires."""
        self._links.append(Link(trigger, name, data, inputs, self._plugin))

    def on_choice(
        self, trigger: Callable[..., Any], names: Sequence[str], pick: Callable[..., tuple[str, Any]],
        inputs: Sequence[Any],
    ) -> None:  # fmt: skip
        """As `on`, where what was triggered says which of the names it leads to."""
        self._choices.append(LinkChoice(trigger, names, pick, inputs))

    def wire(self, guarded: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Adds the events, once all tabs are built. Raises `LookupError` where a link leads nowhere."""
        for link in self._links:
            if link.name not in self._targets:
                reason = f"no tab offers {link.name!r} to be filled"
                if link.plugin is None:
                    raise LookupError(reason)
                link.plugin.page_error = reason
                continue
            target = self._targets[link.name]
            outputs = [target.component, *(tabs for tabs, _ in target.path)]
            link.trigger(
                guarded(filler(link, target)), [target.component, *link.inputs], outputs, show_progress="hidden",
                api_visibility="private", trigger_mode="always_last",
            )  # fmt: skip
        for choice in self._choices:
            if missing := [name for name in choice.names if name not in self._targets]:
                raise LookupError(f"no tab offers {missing[0]!r} to be filled")
            targets = {name: self._targets[name] for name in choice.names}
            components = [target.component for target in targets.values()]
            rows = list({id(tabs): tabs for target in targets.values() for tabs, _ in target.path}.values())
            choice.trigger(
                guarded(chooser(choice, targets, rows)), [*components, *choice.inputs], [*components, *rows],
                show_progress="hidden", api_visibility="private", trigger_mode="always_last",
            )  # fmt: skip


def chooser(choice: LinkChoice, targets: dict[str, Target], rows: Sequence[gr.Tabs]) -> Callable[..., list[Any]]:
    """What a choice's event does: the new state of the target it leads to, then the rows of tabs that show it."""

    def fill(*values: Any) -> list[Any]:
        name, data = choice.pick(*values[len(targets) :])
        target = targets[name]
        path = {id(tabs): tab_id for tabs, tab_id in target.path}
        states = [
            each.update(value, data) if each is target else gr.skip()
            for each, value in zip(targets.values(), values, strict=False)
        ]
        return [*states, *(gr.Tabs(selected=path[id(tabs)]) if id(tabs) in path else gr.skip() for tabs in rows)]

    return fill


def filler(link: Link, target: Target) -> Callable[..., list[Any]]:
    """What a link's event does: the target's new state, then the tabs that lead to it."""

    def fill(value: Any, *values: Any) -> list[Any]:
        selected = [gr.Tabs(selected=tab_id) for _, tab_id in target.path]
        return [target.update(value, link.data(*values)), *selected]

    return fill
