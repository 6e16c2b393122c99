"""`DatasetRef`: what a setting says that names a dataset of the shelf."""

import contextlib

from workbench.core.errors import SettingPath, UserError, concerning
from workbench.core.home import Home
from workbench.core.reference import Reference, either, reference_of
from workbench.core.spec import Spec
from workbench.data.store.datasets import dataset_kind


class DatasetRef(Reference):
    """Marks a setting that names a dataset: `Annotated[str, DatasetRef("preference")]`. Without kinds, any."""

    shelf = "datasets"

    def accepted(self) -> str:
        return f"a dataset of {either(self.kinds)} rows" if self.kinds else "a dataset"

    def resolve(self, home: Home, name: str, field: str = "dataset") -> str:
        """The kind of its rows; raises `UserError` unless there is such a dataset, of a kind that is taken."""
        if not name:
            raise UserError("is not chosen.", f"Choose {self.accepted()}.", field)
        kind = dataset_kind(home, name, field)
        if self.kinds and kind not in self.kinds:
            raise UserError(f"{name!r} holds {kind} rows.", f"Choose {self.accepted()}.", field)
        return kind


TEXTS = DatasetRef("conversation", "text")
"""What the loss of a model can be measured on."""
PROMPTS_REF = DatasetRef("prompts", "conversation", "preference", "unpaired")
"""What has prompts that models can answer."""


def resolve_dataset(home: Home, spec: Spec, name: str, path: SettingPath = ()) -> str:
    """The kind of the rows of the dataset that a setting of a spec names, as the setting asks.

    path: where it stands, if that is deeper. Raises `UserError`, and `TypeError` for a setting that names none.
    """
    mark = reference_of(type(spec).model_fields[name])
    if not isinstance(mark, DatasetRef):
        raise TypeError(f"{name} names no dataset")
    with concerning(path) if path else contextlib.nullcontext():
        return mark.resolve(home, getattr(spec, name), name)
