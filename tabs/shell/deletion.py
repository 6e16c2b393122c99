"""The question before something of a shelf is deleted: what depends on it, and how long it can be restored."""

from tabs.shell.context import Context
from workbench.core.settings import Settings
from workbench.inventory.verdicts import consequences

CONFIRM_DELETION = "(name, question) => [name && confirm(question) ? name : null, question]"
"""JavaScript that asks before an event goes on; a refused event is sent with nothing chosen."""


def question_before(ctx: Context, kind: str, name: str | None) -> str:
    """What is asked before a model or dataset is deleted; why it stays, where it does."""
    if not name:
        return ""
    verdict, reason = consequences(ctx.home, ctx.queue, kind, name)
    if verdict == "no":
        return f"{name} is needed and will not be deleted. {reason}"
    days = Settings.current().bin_days
    return f"Delete the {kind} {name}? {reason} It stays in the bin for {days:g} days, from which it can be restored."
