"""Ensembles: models that stay apart and answer together. One way of combining them a file in ensembles/."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from workbench.core.errors import Problems
from workbench.core.registry import Method, Registry
from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, TokenStream

if TYPE_CHECKING:
    from workbench.inference.engine import Engine

MOST_MEMBERS = 8


class Ensemble(Method):
    """Base of every way of combining.

    least: fewest members. one_vocabulary: they must share their tokens. repeats: a model may be a member twice.
    fitted: its settings come from a job, not from a form.
    """

    least: ClassVar[int] = 2
    one_vocabulary: ClassVar[bool] = False
    repeats: ClassVar[bool] = False
    fitted: ClassVar[bool] = False

    def check_members(self, members: Sequence[str], problems: Problems) -> None:
        """Adds what is wrong with these settings for these members."""

    def how(self, members: Sequence[str]) -> str:
        """How the members are combined, in a few words."""
        return self.title

    def stream(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> TokenStream:
        """The answer in the making; the engine has loaded the members."""
        raise TypeError(f"{type(self).__name__} has no stream()")


ENSEMBLES: Registry[Ensemble] = Registry("ensemble", "workbench.ensembles.methods")
