"""What a plug-in draws in the page: where it fails its error stands in its place, and the rest of the page goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from markupsafe import Markup

from tabs.shell.context import Context
from tabs.shell.elements import error_box
from tabs.shell.kit import Static
from workbench.core.plugins import Plugin, error_with_line, load_plugins


@contextmanager
def plugin_part(ctx: Context, plugin: Plugin | None) -> Iterator[None]:
    """Around the building of a part; None for the workbench's own, whose errors are raised."""
    if plugin is None:
        yield
        return
    try:
        with ctx.links.of_plugin(plugin):
            yield
    except Exception as error:
        plugin.page_error = error_with_line(error)
        Static(error_box(plugin.sentence()))


def plugin_problems() -> Markup:
    """As HTML, which plug-ins are left out, wholly or in the page, and why."""
    failed = [plugin for plugin in load_plugins() if plugin.error or plugin.page_error]
    return Markup("").join(
        error_box(
            plugin.sentence(), "What it adds is missing here. The command “llm-workbench plugins” lists them all."
        )
        for plugin in failed
    )
