"""What a model's special tokens mean for what a training teaches: whether answers end, here and in other tools."""

from pathlib import Path

from workbench.models.chat_tokens import end_of_turn, stop_ids
from workbench.rendering.templates import Template
from workbench.rendering.tokenizer import Tokenizer

NO_STOP = "No token is known that ends an answer: chats will run on. Name an eos_token in tokenizer_config.json."
ELSEWHERE = (
    "Training here is not affected: what is padding is known by the length of each row, never by the token, and the "
    "end is learned. A tool that leaves out of the loss every token with the padding's id, such as transformers' "
    "DataCollatorForLanguageModeling, would never teach the model to stop: there, set pad_token to another one first."
)


def token_findings(kind: str, folder: Path, tokenizer: Tokenizer, template: Template) -> list[str]:
    """Of rows of that kind and the model whose tokenizer lies in the folder; raises `UserError` as `stop_ids` does."""
    if kind == "text":
        learned_ends = {tokenizer.eos} - {""}
    elif stop_ids(folder, template):
        learned_ends = {tokenizer.backend.id_to_token(token) or "" for token in end_of_turn(tokenizer, template)}
        # where the template ends no turn, the EOS token is put after the last answer
        learned_ends = learned_ends or {tokenizer.eos} - {""}
    else:
        return [NO_STOP]
    pad = tokenizer.tokens.get("pad_token", "")
    if pad and pad in learned_ends:
        return [f"Note: the padding token is also the token that ends an answer, {pad} (pad = eos). {ELSEWHERE}"]
    if not pad and tokenizer.eos in learned_ends:
        place = f"{tokenizer.eos}, which ends an answer, is put in its place"
        return [f"Note: the tokenizer names no padding token, and {place} (pad = eos). {ELSEWHERE}"]
    return []
