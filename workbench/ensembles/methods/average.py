"""The plain mean of the members' probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from workbench.ensembles.method import ENSEMBLES, Ensemble
from workbench.inference.decoding import Decoding
from workbench.inference.stream import ChatMessages, TokenStream

if TYPE_CHECKING:
    from workbench.inference.engine import Engine


@ENSEMBLES.register
class Average(Ensemble):
    """At each token the mean of the members' next-token probabilities; they must share one vocabulary.

    Needs the time and the memory of all members together.
    """

    method: ClassVar[str] = "average"
    title: ClassVar[str] = "Average of probabilities"
    one_vocabulary: ClassVar[bool] = True

    def stream(
        self, engine: "Engine", members: Sequence[str], messages: ChatMessages, decoding: Decoding
    ) -> TokenStream:
        from workbench.ensembles.methods._tokens import Pool, linear

        return Pool(engine, members, messages, decoding, linear([1 / len(members)] * len(members)))
