"""A GGUF beside the model it was made from: the same prompts, the same tokens, and where their greedy answers part.

Both read the prompt as the source's chat template writes it. The answers are made in step, so that at the first token
in which they differ both have read the same; how much likelier the source finds its own token there tells a near tie
from a fault. Only job processes call this: it works through the chat engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from workbench.core.tasks import Task
from workbench.inference.decoding import Decoding

if TYPE_CHECKING:
    from workbench.inference.engine import Engine
    from workbench.inference.sampling_stream import Stream
    from workbench.inference.stream import ChatMessages

SHOWN_DIFFERENCES = 12  # differences in the table
AROUND_CHARACTERS = 160  # characters of what both said before
AFTER_TOKENS = 12  # tokens of what each said then
NEAR_NATS = 0.1  # nats between two tokens that nearly tie
EXPECTED_SHARE = 0.95
EXACT = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Compared:
    """One prompt: whether both write it and read it alike, and if so how many of the source's tokens agree before
    their answers part, its end among them; `difference` is a row of the table, None if the answers are the same."""

    written: bool
    read: bool
    agreed: int = 0
    tokens: int = 0
    difference: dict[str, Any] | None = None


def compare_answers(
    engine: "Engine", model: str, source: str, messages: "ChatMessages", most: int, task: Task
) -> Compared:
    """Lets both answer one prompt greedily, up to `most` tokens; both are loaded. `task` may stop it."""
    gguf, reference = engine.model(model), engine.model(source)
    text, ids = reference.prompt_text(messages), reference.prompt_ids(messages)
    written = gguf.prompt_text(messages) == text
    if gguf.token_ids(text) != ids:
        return Compared(written, False)
    ours, theirs = _streams(engine, (source, model), messages, ids, most)
    agreed, gap = _in_step(ours, theirs, task)
    for stream in (ours, theirs):
        while not stream.finish:
            task.check_stop()
            stream.advance()
    tokens = len(ours.generated_ids) + (ours.finish == "eos")
    if gap is None:
        return Compared(written, True, tokens, tokens)
    words = {
        "prompt": messages[-1]["content"],
        "token": agreed + 1,
        "before": reference.decode(ours.generated_ids[:agreed])[-AROUND_CHARACTERS:],
        "source": _next(ours, agreed),
        "gguf": _next(theirs, agreed),
        "gap": round(gap, 4),
    }
    return Compared(written, True, agreed, tokens, words)


def _streams(
    engine: "Engine", names: Sequence[str], messages: "ChatMessages", ids: list[int], most: int
) -> "list[Stream]":
    """Fresh answers to the same tokens, ended by the same tokens."""
    greedy = Decoding(greedy=True, max_new_tokens=most)
    streams = [cast("Stream", engine.model(name).open(messages, greedy)) for name in names]
    for stream in streams:
        stream.prompt, stream.stops = ids, streams[0].stops | streams[1].stops
        stream.remaining_context = min(peer.remaining_context for peer in streams)
    return streams


def _in_step(ours: "Stream", theirs: "Stream", task: Task) -> tuple[int, float | None]:
    """How many tokens agree, and at the first that does not the nats by which the source prefers its own."""
    import torch

    with torch.inference_mode():
        while not ours.finish:
            task.check_stop()
            scores = ours.logits()[0].log_softmax(-1)
            first, second = int(scores.argmax()), int(theirs.logits()[0, : len(scores)].argmax())
            agreed = len(ours.generated_ids)
            ours.take(first)
            theirs.take(second)
            if first != second:
                return agreed, float(scores[first] - scores[second])
    return len(ours.generated_ids), None


def _next(stream: "Stream", start: int) -> str:
    """What a stream said from a token on, or that it ended there."""
    continuation = stream.generated_ids[start : start + AFTER_TOKENS]
    return stream.model.decode(continuation) if continuation else "(ends here)"


def parity_summary(comparisons: Sequence[Compared], kind: str) -> dict[str, Any]:
    """Figures (JSON types), the first differences, and what they say in sentences; `kind` is the GGUF's type."""
    read = [comparison for comparison in comparisons if comparison.read]
    differences = [comparison.difference for comparison in read if comparison.difference]
    tokens = sum(comparison.tokens for comparison in read)
    figures = {
        "prompts": len(comparisons),
        "written_alike": sum(comparison.written for comparison in comparisons),
        "read_alike": len(read),
        "same_answers": len(read) - len(differences),
        "agreement": sum(comparison.agreed for comparison in read) / tokens if tokens else float(bool(read)),
        "tokens": tokens,
        "near_ties": sum(difference["gap"] < NEAR_NATS for difference in differences),
    }
    return {**figures, "differences": differences[:SHOWN_DIFFERENCES], "sentences": parity_sentences(figures, kind)}


def parity_sentences(figures: dict[str, Any], kind: str) -> list[str]:
    """The figures in words, and what to make of them."""
    total, read, same = figures["prompts"], figures["read_alike"], figures["same_answers"]
    lines = [f"{read} of {total} prompts are read as the same tokens."]
    if read < total:
        lines.append("Where they are not, the tokenizers differ, and answers cannot be compared token by token.")
    if figures["written_alike"] < total:
        lines.append(
            f"{total - figures['written_alike']} of {total} prompts look different in the GGUF's own chat template: "
            "in a chat it reads something else than its source."
        )
    if read:
        share = f"{100 * figures['agreement']:.1f} %"
        lines.append(
            f"{same} of {read} answers are the same to the end; {share} of the tokens come before a difference."
        )
    if same < read:
        lines.append(
            f"In {figures['near_ties']} of {read - same} differences the source itself nearly tied between the two "
            f"tokens (less than {NEAR_NATS} nats apart)."
        )
    return [*lines, *_judged(figures, kind)]


def _judged(figures: dict[str, Any], kind: str) -> list[str]:
    if not figures["read_alike"] or figures["same_answers"] == figures["read_alike"]:
        return []
    if kind not in EXACT:
        return [f"Rounding to {kind} tips near ties first; what it costs on the whole, the cost measurement tells."]
    if (
        figures["agreement"] >= EXPECTED_SHARE
        or figures["near_ties"] == figures["read_alike"] - figures["same_answers"]
    ):
        return [f"That is what to expect of {kind}: the same weights, computed in another order."]
    return [f"{kind} keeps the weights as they are, so more should agree: the conversion may be at fault."]
