"""How the tokens of a row are printed."""

import itertools
import sys
from typing import Any

CUT, TRAINED, READ = "9;31", "32", "90"


def print_seen(view: dict[str, Any]) -> None:
    """The tokens of one side of a row, its figures and its warnings."""
    if title := view.get("title"):
        print(f"— {title} —")
    print(colored(view["tokens"]) if sys.stdout.isatty() else marked(view["tokens"]))
    print("\n" + "  ".join(f"{name}: {value}" for name, value in view["summary"]))
    for warning in view["warnings"]:
        print(f"{warning['level']}: {warning['text']}")


def colored(tokens: list[dict[str, Any]]) -> str:
    """Trained tokens green, the rest grey, what is cut off struck through."""
    return "".join(
        f"\033[{CUT if token['cut'] else TRAINED if token['trained'] else READ}m{token['text']}\033[0m"
        for token in tokens
    )


def marked(tokens: list[dict[str, Any]]) -> str:
    """⟦ and ⟧ around what is trained on, with its weight where that is not 1; ✂ where the row is cut off."""
    pieces = []
    for (cut, weight), run in itertools.groupby(tokens, lambda token: (token["cut"], token["weight"])):
        if cut and "✂" not in pieces:
            pieces.append("✂")
        text = "".join(token["text"] for token in run)
        sign = "" if weight == 1 else f"×{weight:g} "
        pieces.append(f"⟦{sign}{text}⟧" if weight and not cut else text)
    return "".join(pieces)
