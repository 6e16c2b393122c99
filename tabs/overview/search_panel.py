"""The search of the Overview: over models, datasets, jobs and sessions at once, with results that open the thing."""

from typing import Any

from tabs.shell.address import opened_item
from tabs.shell.context import Context
from tabs.shell.kit import Query, component
from workbench.inventory.search import ItemMatch, search_items

SHOWN_ITEMS = 8
"""Items of a kind that are shown; a word more narrows them down."""
TITLES = {"model": "Models", "dataset": "Datasets", "job": "Jobs", "session": "Labelling sessions"}
EMPTY = (
    "Nothing found",
    "No name, tag, note, kind or base model has all these words.",
    "Use fewer words or the beginning of one. '#word' finds only what has exactly that tag.",
)


def search_panel(ctx: Context) -> None:
    """The box, and beneath it what was found, kind by kind."""

    def search(query: Query) -> dict[str, Any]:
        words = query.get("words")
        matches = search_items(ctx.shelves.items(), words if isinstance(words, str) else "")
        groups = [
            {
                "kind": kind,
                "title": TITLES[kind],
                "total": len(ranked),
                "items": list(map(_shown, ranked[:SHOWN_ITEMS])),
            }
            for kind, ranked in matches.items()
        ]
        return {"groups": groups}

    box = component("item_search", None, {"search": search}, EMPTY, elem_id="overview-search")
    ctx.links.on_choice(box.input, tuple(TITLES), opened_item, [box])


def _shown(match: ItemMatch) -> dict[str, Any]:
    item = match.item
    return {
        "key": item.key, "title": item.title, "about": item.about, "tags": list(item.notes.tags),
        "snippet": match.snippet,
    }  # fmt: skip
