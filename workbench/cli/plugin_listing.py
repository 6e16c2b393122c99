"""What the operator's plug-ins add, and why those that are left out are."""

from workbench.cli.shared import Invoked, emit, families
from workbench.core.plugins import disallowed, load_plugins


def list_plugins(*, invoked: Invoked) -> None:
    """Prints every plug-in with where it comes from and what it adds, or why it adds nothing."""
    registries = families().values()
    for registry in registries:
        registry.all()  # a name that is taken shows when the family is read
    rows = []
    for plugin in [*load_plugins(), *disallowed()]:
        methods = [f"{registry.key} {name}" for registry in registries for name in registry.of_plugin(plugin)]
        tabs = [f"tab {module}" for module in plugin.tab_modules]
        rows.append((plugin.name, plugin.origin, ", ".join(methods + tabs), plugin.error))
    emit(invoked, ["plugin", "from", "adds", "error"], rows)
