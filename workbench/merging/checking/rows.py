"""The tokens of the result, the rows of its embedding, and where single rows come from."""

import math

from workbench.merging.checking.context import View
from workbench.merging.checking.model_facts import ModelFacts
from workbench.merging.recipe import TokenRow


def result_tokens(view: View) -> dict[str, int]:
    """Tokens of the result by id, nearly: those a union adds come after the base's."""
    config, donor = view.recipe, view.donor
    ids = dict(donor.vocabulary.ids) if donor and donor.vocabulary else {}
    if donor and view.tokenizer in ("base", "union"):
        ids = {token: token_id for token, token_id in ids.items() if token_id < donor.rows}
    added: list[str] = list((config.tokenizer.tokens if config.tokenizer else None) or {})
    for facts in view.models.values() if view.tokenizer == "union" else ():
        added += [
            token
            for token, token_id in (facts.vocabulary.ids if facts.vocabulary else {}).items()
            if token_id < facts.rows
        ]
    for token in added:
        ids.setdefault(token, len(ids))
    return ids


def result_rows(view: View) -> int:
    """Rows of the result's embedding: the tokens, rounded up if the recipe says so; without a tokenizer the base's."""
    if view.tokenizer is None:
        return view.first.rows if view.first else 0
    multiple = (view.recipe.tokenizer.pad_to_multiple_of if view.recipe.tokenizer else None) or 1
    return math.ceil(len(result_tokens(view)) / multiple) * multiple


def check_rows(view: View) -> None:
    """Every token needs a row: in the result, and in each model that is said to have the token."""
    result, rows = result_tokens(view), result_rows(view)
    beyond = [token for token, token_id in result.items() if token_id >= rows]
    if beyond:
        view.problems.add(
            "tokenizer", f"ids have gaps: {len(beyond)} tokens, such as {beyond[0]!r}, would have no row of {rows}.",
            f"Set pad_to_multiple_of so that {max(result.values()) + 1} rows or more are made, or leave tokenizer out.",
        )  # fmt: skip
    for facts in view.models.values():
        ids = facts.vocabulary.ids if facts.vocabulary else {}
        rowless = [token for token, token_id in ids.items() if token_id >= facts.rows and token in result]
        if rowless and facts is not view.first:
            view.problems.add(
                "tokenizer",
                f"{len(rowless)} tokens of {facts.name!r}, such as {rowless[0]!r}, have no row in its embedding.",
                "Take them out of its tokenizer, or resize its embedding.",
            )  # fmt: skip


def token_sources(view: View) -> None:
    """Where single tokens' rows come from: zero, a model of the recipe, or a token of one."""
    config = view.recipe.tokenizer
    for token, setting in ((config.tokens if config else None) or {}).items():
        where, source = ("tokenizer", "tokens", token), setting.source
        if not isinstance(source, TokenRow):
            source = TokenRow(kind="model_token", model=source, token=token) if source else None
        if source is None:
            remedy = "Give a model, {kind: zero}, or {kind: model_token, model, token}."
            view.problems.add(where, "its source is missing.", remedy)
        elif source.kind == "zero":
            continue
        elif source.model not in view.models:
            message = f"{source.model!r} is not among the models merged."
            view.problems.add(where, message, "Take one of the recipe's models.")
        elif not _has_row(view.models[source.model], source):
            missing_token = source.token if source.token is not None else source.token_id
            message = f"{source.model!r} has no token {missing_token!r}."
            view.problems.add(where, message, "Choose another token or model.")


def _has_row(facts: ModelFacts, source: TokenRow) -> bool:
    if source.token is not None:
        return facts.vocabulary is not None and source.token in facts.vocabulary.ids
    return source.token_id is not None and source.token_id < facts.rows
