"""What a loaded variant makes of the text: the chance of every scored token, and its distance from the original."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.compression.evaluation.divergence import ReferenceLogits, log_softmax
from workbench.compression.evaluation.windows import ScoredText
from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.inference.backend import LogitsBackend
from workbench.rendering.tokenizer import Tokenizer

Visit = Callable[[NDArray[np.intp], NDArray[np.float32]], None]
Nll = NDArray[np.float64]
OTHER_SHARE = 0.01  # share of tokens that may be written in another way before it counts as another tokenizer


def keep_reference(backend: LogitsBackend, text: ScoredText, scratch: Path, task: Task) -> tuple[Nll, int]:
    """The original's pass: writes its log-probabilities; gives every scored token's loss, and its vocabulary."""
    references: list[ReferenceLogits] = []

    def keep(places: NDArray[np.intp], log_probs: NDArray[np.float32]) -> None:
        if not references:
            references.append(ReferenceLogits.create(scratch, len(text.chosen), log_probs.shape[1]))
        references[0].put(places, log_probs)

    nll = score(backend, text, keep, task)
    references[0].flush()
    return nll, references[0].log_probs.shape[1]


def quality(
    backend: LogitsBackend, text: ScoredText, original: Tokenizer, scratch: Path, task: Task
) -> tuple[dict[str, Any], list[str]]:
    """{'nll', 'kl', 'same'} in nats, and what should be noted.

    `nll` for every scored token; `kl` and whether the likeliest token is the same for the chosen ones. With another
    tokenizer {'nll', 'owner'}: its own tokens and their rows. Raises `UserError` when not even that can be had.
    """
    if not same_tokenizer(backend, original):
        own = backend.retokenizer()
        if own is None:
            raise UserError("Its tokens are not the original's.", "Choose variants of one model.", "variants")
        text = text.with_tokenizer(own)
        note = "Another tokenizer: of its quality only the bits per byte can be compared."
        return {"nll": score(backend, text, None, task), "owner": text.owner}, [note]
    reference = ReferenceLogits.open(scratch)
    kl, same = np.zeros(len(text.chosen)), np.zeros(len(text.chosen), dtype=bool)
    widths = {reference.log_probs.shape[1]}

    def compare(places: NDArray[np.intp], log_probs: NDArray[np.float32]) -> None:
        widths.add(log_probs.shape[1])
        kl[places], same[places] = reference.compare(places, log_probs)

    nll = score(backend, text, compare, task)
    notes = split_otherwise(backend, text)
    if len(widths) > 1:
        notes.append(f"Vocabularies of {' and '.join(map(str, sorted(widths)))} outputs: the shared ones are compared.")
    return {"nll": nll, "kl": kl, "same": same}, notes


def score(backend: LogitsBackend, text: ScoredText, visit: Visit | None, task: Task) -> Nll:
    """The negative log-likelihood in nats of every scored token, in order.

    `visit` gets the chosen ones among them: their places in `text.chosen` and log-probabilities.
    """
    nll = np.zeros(text.tokens)
    chosen = np.full(text.tokens, -1)
    chosen[text.chosen] = np.arange(len(text.chosen))
    scored = 0
    for window in text.windows():
        task.update(scored, text.tokens, f"{scored:,} of {text.tokens:,} tokens")
        targets = np.array(window.wanted)
        for logits in backend.logits(window.ids[:-1], window.places):
            log_probs = log_softmax(logits)
            here = slice(scored, scored + len(logits))
            nll[here] = -log_probs[np.arange(len(logits)), targets[: len(logits)]]
            targets = targets[len(logits) :]
            picked = chosen[here] >= 0
            if visit and picked.any():
                visit(chosen[here][picked], log_probs[picked])
            scored += len(logits)
    return nll


def same_tokenizer(backend: LogitsBackend, original: Tokenizer) -> bool:
    """Whether its token ids mean what the original's mean."""
    size = original.backend.get_vocab_size(with_added_tokens=True)
    other = sum(backend.token_text(token) != original.backend.id_to_token(token) for token in range(size))
    return other <= OTHER_SHARE * size


def split_otherwise(backend: LogitsBackend, text: ScoredText) -> list[str]:
    """A note when its own tokenizer would split the text otherwise."""
    own = [backend.tokenize(row.text) for row in text.rows]
    other = sum(ids is not None and ids != row.ids for ids, row in zip(own, text.rows, strict=True))
    if not other:
        return []
    return [f"Its own tokenizer splits {other} of {len(text.rows)} rows otherwise; measured on the original's tokens."]
