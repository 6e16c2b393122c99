"""Prompts of a model of the shelf, as training and the token view render them. Imports no torch."""

from workbench.core.errors import UserError
from workbench.inference.stream import ChatMessages
from workbench.models.chat_tokens import stops_of
from workbench.models.model_references import Resolved
from workbench.rendering.rendered import Rendered, render_prompt
from workbench.rendering.templates import get_template
from workbench.rendering.tokenizer import Tokenizer


class PromptRenderer:
    """The tokenizer and chat template of a model; `stops` are the ids of the tokens that end an answer."""

    def __init__(self, resolved: Resolved):
        folder = resolved.home_of_template
        self.name = resolved.name
        self.stops = stops_of(folder, resolved.base)
        self.tokenizer, self.template = Tokenizer.load(folder), get_template("model", folder)

    def prompt(self, messages: ChatMessages) -> Rendered:
        """The conversation, ready for the assistant to go on; raises `UserError` from the template."""
        try:
            return render_prompt(messages, self.tokenizer, self.template)
        except UserError as error:
            raise UserError(
                f"The chat template of {self.name} refused the conversation: {error.message}",
                "Try it without a system prompt.",
            ) from None
