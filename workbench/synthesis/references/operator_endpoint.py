"""The operator's endpoint."""

from typing import ClassVar

from workbench.models.model_references import REFERENCE_KINDS, ReferenceKind


@REFERENCE_KINDS.register
class OperatorEndpoint(ReferenceKind):
    """The endpoint that the operator set in the environment, as @endpoint: a model on a server that writes rows."""

    method: ClassVar[str] = "endpoint"
    title: ClassVar[str] = "The operator's endpoint"
    is_a: ClassVar[str] = "the operator's endpoint, which writes and scores rows in the Data tab alone"
    forms: ClassVar[tuple[str, ...]] = ("@endpoint",)
