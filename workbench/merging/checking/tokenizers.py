"""Whether the rows of one token meet, by position or by the token's text, and which tokens and rows get lost."""

from collections.abc import Hashable

from workbench.merging.checking.context import View
from workbench.merging.checking.model_facts import ModelFacts
from workbench.merging.checking.rows import check_rows, result_rows, result_tokens, token_sources


def tokenizers(view: View) -> None:
    """Rows of one token must meet: by position unless the recipe names a tokenizer, else by the token's text."""
    for facts in view.models.values():
        if facts.vocabulary is None:
            view.problems.add("models", f"{facts.name!r} has no tokenizer.json.", "Save its tokenizer into its folder.")
    if not view.first or not view.first.vocabulary:
        return
    others = [facts for facts in list(view.models.values())[1:] if facts.vocabulary]
    if view.tokenizer is None:
        for other in others:
            if other.identity in _at_the_ends(view):
                _by_position(view, view.first, other)
    else:
        for other in others:
            _by_text(view, view.first, other)
        check_rows(view)
        token_sources(view)


def _at_the_ends(view: View) -> set[Hashable]:
    """Models whose embeddings or heads go in: the sources of the first and the last part."""
    return {view.key(source.model) for segment in (view.segments[0], view.segments[-1]) for source in segment.inputs}


def _by_position(view: View, first: ModelFacts, other: ModelFacts) -> None:
    assert first.vocabulary and other.vocabulary
    mine, theirs = first.vocabulary.ids, other.vocabulary.ids
    if mine != theirs:
        token_of = {token_id: token for token, token_id in mine.items()}
        moved = sum(token in mine and mine[token] != token_id for token, token_id in theirs.items())
        renamed = sum(token not in mine and token_id in token_of for token, token_id in theirs.items())
        missing, extra = len(mine.keys() - theirs.keys()), len(theirs.keys() - mine.keys())
        if moved or renamed > len(mine) / 100:
            view.problems.add(
                "tokenizer", f"{moved + renamed} tokens have other ids in {other.name!r} than in {first.name!r}, "
                "and rows are merged by position: the result would be garbled.",
                "Add tokenizer: {source: union}, or {source: base} to keep the base's tokens only.",
            )  # fmt: skip
            return
        view.note(
            "tokenizer", f"{other.name!r} has {extra} tokens that {first.name!r} has not and lacks {missing}; "
            f"the result keeps the tokenizer of {first.name!r}.",
            "Add tokenizer: {source: union} to keep all of them.",
        )  # fmt: skip
    if first.rows != other.rows:
        view.problems.add(
            "tokenizer", f"the embedding of {other.name!r} has {other.rows} rows, that of {first.name!r} {first.rows}.",
            "Add tokenizer: {source: base}, or {source: union} to keep all tokens.",
        )  # fmt: skip


def _by_text(view: View, first: ModelFacts, other: ModelFacts) -> None:
    assert first.vocabulary and other.vocabulary
    mine, theirs, result = first.vocabulary.ids, other.vocabulary.ids, result_tokens(view)
    if mine == theirs:
        return
    lost, filled = len(theirs.keys() - result.keys()), len(result.keys() - theirs.keys())
    effects = [f"{lost} of its tokens are dropped"] * bool(lost)
    effects += [f"the {filled} it lacks take their rows from the models that have them, the base first"] * bool(filled)
    if effects:
        view.note(
            "tokenizer", f"{other.name!r}: {'; '.join(effects)}.", "Use source: union to drop none." if lost else ""
        )
    if len(mine.keys() & theirs.keys()) < len(mine) / 2:
        view.note(
            "tokenizer", f"{other.name!r} shares fewer than half of its tokens with {first.name!r}.",
            "Such merges rarely work; choose models of one base.",
        )  # fmt: skip


def padding(view: View) -> None:
    """Rows that round a vocabulary up are dropped when mergekit builds a tokenizer."""
    if view.tokenizer is None or not view.first:
        donor = view.donor
        beyond = (
            [t for t, token_id in donor.vocabulary.ids.items() if token_id >= donor.rows]
            if donor and donor.vocabulary
            else []
        )
        if donor and beyond:
            view.note(
                "tokenizer",
                f"{len(beyond)} tokens of {donor.name!r}, such as {beyond[0]!r}, have no row in its embedding.",
                "A text with one of them makes the model fail: take them out of tokenizer.json.",
            )  # fmt: skip
        return
    rows, before = result_rows(view), view.first.rows
    multiple = next((n for n in (64, 32, 16, 8) if before % n == 0), 64)
    if rows % multiple:
        view.note(
            ("tokenizer", "pad_to_multiple_of"),
            f"the embedding goes from {before} to {rows} rows, no multiple of {multiple}: GGUF converters and "
            "tensor-parallel servers may refuse it.",
            f"Set pad_to_multiple_of: {multiple}.",
        )  # fmt: skip
