"""Chat templates and special tokens: which ones the result gets."""

import functools

from workbench.merging.checking.context import View
from workbench.models.json_files import mergekit_files
from workbench.models.vocabulary import SPECIAL_TOKENS


def templates(view: View) -> None:
    """Chat templates and special tokens: which ones the result gets."""
    donor = view.donor
    if not donor or not donor.vocabulary:
        return
    others = [facts for facts in view.models.values() if facts.vocabulary and facts is not donor]
    unlike = [
        facts.name for facts in others if facts.vocabulary and facts.vocabulary.template != donor.vocabulary.template
    ]
    template = view.recipe.chat_template
    if template and not _is_template(template):
        view.problems.add(
            "chat_template", "it is no template.", f"Give auto, a Jinja template, or one of: {', '.join(_named())}."
        )
    elif unlike and not template:
        gets = f"that of {donor.name!r}" if donor.vocabulary.template else f"none, as {donor.name!r} has none"
        view.note("chat_template", f"{', '.join(unlike)} have another chat template; the result gets {gets}.",
                  "Set chat_template: auto for the most common one, or give one.")  # fmt: skip
    for name in SPECIAL_TOKENS:
        mine = donor.vocabulary.special[name]
        theirs = [f"{facts.vocabulary.special[name] or 'none'} in {facts.name}" for facts in others
                  if facts.vocabulary and facts.vocabulary.special[name] != mine]  # fmt: skip
        if theirs:
            view.note(
                "tokenizer",
                f"{name} is {mine or 'none'} in {donor.name}, {', '.join(theirs)}; the result has the first.",
                "If answers do not end, this is why: use a template that goes with it." if name == "eos_token" else "",
            )  # fmt: skip


def _is_template(text: str) -> bool:
    return text == "auto" or text in _named() or (len(text) >= 20 and "{" in text)


@functools.cache
def _named() -> list[str]:
    """Chat templates mergekit brings along."""
    return sorted(path.stem for path in mergekit_files("chat_templates/*.jinja"))
