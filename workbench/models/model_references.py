"""What a reference to a model leads to: one resolver for all that can be named, whatever room knows how to use it.

The kinds of model are registered by the rooms that run them, a file each in their folder `references`. A setting says
with `ModelRef` which of them it takes; what is not among them is refused in the same words everywhere.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from workbench.core.errors import Problems, SettingPath, UserError, concerning
from workbench.core.home import Home
from workbench.core.lineage import Manifest, read_manifest
from workbench.core.reference import Reference, either, reference_of
from workbench.core.registry import Method, Registry
from workbench.core.spec import Spec
from workbench.models.model_names import ModelName, model_folder
from workbench.models.shelf import gguf_in

WEIGHT_KINDS = ("model", "adapter")
"""What has weights that can be trained, merged, quantized and measured by torch."""
ANSWERING = ("model", "adapter", "gguf", "gguf-adapter", "ensemble")
"""What lies on the shelf and answers prompts."""


@dataclass(frozen=True)
class Resolved:
    """Which folders of the shelf make up a model: the base's, or the GGUF's or ensemble's, and the adapter's over it.

    name: by the names of the shelf, whatever it was written as: NAME, or with the adapter that stood after a plus.
    """

    name: str
    base: Path
    adapter: Path | None
    kind: str = "model"

    @property
    def home_of_template(self) -> Path:
        """The folder whose tokenizer and chat template belong to this model."""
        return self.adapter if self.adapter and (self.adapter / "tokenizer.json").is_file() else self.base

    @property
    def folders(self) -> list[Path]:
        """All there are, the adapter's first."""
        return [folder for folder in (self.adapter, self.base) if folder]

    @property
    def named_folders(self) -> list[Path]:
        """Those that stand in the name: of an adapter named alone not its base, which its own manifest tells."""
        if self.adapter and not ModelName.parse(self.name).adapter:
            return [self.adapter]
        return self.folders

    @property
    def identity(self) -> tuple[Path, Path | None]:
        """Equal for two ways of writing one model."""
        return self.base, self.adapter


class ReferenceKind(Method):
    """Base of the kinds of model that can be named.

    shelved: what the manifest of what stands first, or alone, calls it; '' for what lies on no shelf. plus: whether an
    adapter stands behind it. is_a: what it is, as it is said of one that is not taken. forms: what is said of it where
    it could be written.
    """

    shelved: ClassVar[str] = ""
    plus: ClassVar[bool] = False
    is_a: ClassVar[str]
    forms: ClassVar[tuple[str, ...]]

    @classmethod
    def fits(cls, shelved: str, plus: bool) -> bool:
        """Whether a name of what is shelved as that, with or without an adapter behind it, is of this kind."""
        return (shelved, plus) == (cls.shelved, cls.plus)

    @classmethod
    def instead(cls, manifest: Manifest) -> dict[str, str]:
        """How one gets from it to other kinds, by their names; `manifest` is that of what stands first."""
        return {}

    @classmethod
    def require(cls, home: Home, resolved: Resolved, field: str, reference: "ModelRef") -> None:
        """Raises `UserError` unless it can be used as the reference asks, by what its files say."""


REFERENCE_KINDS: Registry[ReferenceKind] = Registry("kind of model", "workbench.*.references", listed=False)


class ModelRef(Reference):
    """Marks a setting that names a model: `Annotated[str, ModelRef("model", "adapter")]`.

    text: whether it must go on with a text, as chat, training and losses ask. sound: whether an adapter's files must
    bear out that it can be used over its base; idle: whether it may do nothing there.
    """

    shelf = "models"

    def __init__(self, *kinds: str, text: bool = True, sound: bool = True, idle: bool = False):
        super().__init__(*kinds)
        self.text, self.sound, self.idle = text, sound, idle

    __hash__ = Reference.__hash__

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)

    @property
    def key(self) -> str:
        return super().key if self.text else f"any {super().key}"

    def accepted(self) -> str:
        return accepted(self.kinds)

    def parse(self, text: str) -> str:
        return str(ModelName.parse(text)) if text.strip() else ""

    def schema(self) -> dict[str, Any]:
        return {**super().schema(), "text": self.text}

    def find(self, home: Home, text: str, field: str = "model") -> Resolved:
        """The folders behind a text of a kind that is taken, looked at no closer; raises `UserError`."""
        return resolve(home, text, field, self.kinds)

    def resolve(self, home: Home, text: str, field: str = "model") -> Resolved:
        """The folders of a model that can be used as is asked here; raises `UserError`."""
        resolved = self.find(home, text, field)
        REFERENCE_KINDS.get(resolved.kind).require(home, resolved, field, self)
        return resolved

    def resolve_all(
        self,
        home: Home,
        texts: Sequence[str],
        field: str,
        problems: Problems,
        twice: str = "Choose each model once.",
    ) -> list[Resolved]:
        """Those of the texts that can be used, in their order; what is wrong with the others is added to the problems.

        twice: what to do where two texts mean one model, '' where they may.
        """
        usable: list[Resolved] = []
        for text in texts:
            try:
                resolved = self.resolve(home, text, field)
            except UserError as error:
                problems.collect(field, error)
                continue
            same = next((other for other in usable if other.identity == resolved.identity), None)
            if same and twice:
                both = repr(text) if text == same.name else f"{text!r}, which is {same.name!r} too,"
                problems.add(field, f"{both} is chosen twice.", twice)
            usable.append(resolved)
        return usable


ANSWERS = ModelRef(*ANSWERING)
"""What can be chosen wherever models of the shelf answer prompts."""


def model_ref(spec: Spec | type[Spec], name: str) -> ModelRef:
    """The mark of a setting that names a model; raises `TypeError` for any other setting."""
    mark = reference_of((spec if isinstance(spec, type) else type(spec)).model_fields[name])
    if not isinstance(mark, ModelRef):
        raise TypeError(f"{name} names no model")
    return mark


def resolve_setting(home: Home, spec: Spec, name: str, path: SettingPath = ()) -> Resolved:
    """The model that a setting of a spec names, as the setting asks; `path` is where it stands, if that is deeper.

    Raises `UserError`.
    """
    with concerning(path) if path else contextlib.nullcontext():
        return model_ref(spec, name).resolve(home, getattr(spec, name), name)


def resolve(home: Home, text: str, field: str = "model", kinds: Sequence[str] = WEIGHT_KINDS) -> Resolved:
    """The folders behind a text, of one of these kinds; raises `UserError` with the reason and what is taken here."""
    if not text.strip():
        raise UserError("is not chosen.", f"Choose {accepted(kinds)}.", field)
    name = ModelName.parse(text, field)
    if name.is_endpoint:
        raise _refused(name, REFERENCE_KINDS.get("endpoint"), None, kinds, field)
    base = _folder(home, name.base, field, kinds)
    adapter = _folder(home, name.adapter, field, kinds) if name.adapter else None
    shelved = read_manifest(base).kind
    if adapter and (kind := read_manifest(adapter).kind) != "adapter":
        raise _unfit(name.adapter, kind, "no adapter", field)
    fitting = next((kind for kind in REFERENCE_KINDS if kind.shelved and kind.fits(shelved, bool(adapter))), None)
    if fitting is None and adapter:
        raise _unfit(name.base, shelved, "nothing an adapter can stand on", field)
    if fitting is None:
        raise UserError(f"{name.base!r} is of a kind that is not known here ({shelved}).", "Import it again.", field)
    if fitting.method not in kinds:
        raise _refused(name, fitting, read_manifest(base), kinds, field)
    name = ModelName(base.name, adapter.name if adapter else "")
    if shelved == "adapter":
        base, adapter = _base_of(home, base, field), base
    return Resolved(str(name), base, adapter, fitting.method)


def shelf_name(home: Home, text: str, kinds: Sequence[str] = ANSWERING) -> str:
    """The name by which the shelf knows what is written, for lists and files; as it is written if there is no such."""
    try:
        return resolve(home, text, kinds=kinds).name
    except UserError:
        return text


def gguf_file(home: Home, name: str, field: str = "model") -> Path:
    """The file of a GGUF model on the shelf; raises `UserError` for models of other kinds."""
    return gguf_in(resolve(home, name, field, ("gguf",)).base)


def accepted(kinds: Sequence[str]) -> str:
    """What may be written where these kinds are taken: 'a whole model, an adapter or BASE+ADAPTER'."""
    return either([form for kind in kinds for form in REFERENCE_KINDS.get(kind).forms])


def _folder(home: Home, name: str, field: str, kinds: Sequence[str]) -> Path:
    try:
        return model_folder(home, name, field)
    except UserError as error:
        raise UserError(error.message, f"{error.remedy} Taken here: {accepted(kinds)}.".strip(), field) from None


def _refused(
    name: ModelName,
    kind: type[ReferenceKind],
    manifest: Manifest | None,
    kinds: Sequence[str],
    field: str,
) -> UserError:
    ways = [way for other, way in kind.instead(manifest).items() if other in kinds] if manifest else []
    return UserError(f"{str(name)!r} is {kind.is_a}.", " ".join([f"Choose {accepted(kinds)}.", *ways]), field)


def _unfit(name: str, shelved: str, wanted: str, field: str) -> UserError:
    kind = next((kind for kind in REFERENCE_KINDS if kind.fits(shelved, False)), None)
    is_a = kind.is_a if kind else shelved
    return UserError(
        f"{name!r} is {wanted}: it is {is_a}.",
        "Before a plus stands a whole model or a GGUF file, behind it an adapter.", field,
    )  # fmt: skip


def _base_of(home: Home, adapter: Path, field: str) -> Path:
    base = read_manifest(adapter).parent("base")
    if base is None or not (home.models / base.name).is_dir():
        raise UserError(
            f"{adapter.name!r} is an adapter of {base.name if base else '?'!r}, which is not on the shelf.",
            "Import that base model under that name, or name another base before it: BASE+ADAPTER.", field,
        )  # fmt: skip
    return model_folder(home, base.name, field)
