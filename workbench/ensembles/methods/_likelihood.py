"""How likely a model finds an answer."""

from typing import TYPE_CHECKING

from workbench.inference.stream import ChatMessages

if TYPE_CHECKING:
    from workbench.inference.engine import Engine


def mean_logprob(engine: "Engine", name: str, messages: ChatMessages, text: str) -> float:
    """Mean log-probability (nats a token) that a loaded model gives an answer; what it has no room for is left out.

    Raises `TooLong` when the conversation alone is too long, and `ValueError` for an empty answer.
    """
    import torch

    loaded = engine.model(name)
    prompt = loaded.prompt_ids(messages)
    ids = loaded.token_ids(text)[: loaded.room(prompt)]
    if not ids:
        raise ValueError("an empty answer has no probability")
    model = loaded.torch_model()
    with torch.inference_mode():
        fed = torch.tensor([prompt + ids], device=model.device)
        logits = model(input_ids=fed, use_cache=False, logits_to_keep=len(ids) + 1).logits[0, :-1]
        return float(logits.float().log_softmax(-1).gather(-1, fed[0, -len(ids) :, None]).mean())
