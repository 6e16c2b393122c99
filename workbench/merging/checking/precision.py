"""The dtypes of the models, of the maths and of the result's file."""

from workbench.merging.checking.context import View
from workbench.models import tensors
from workbench.models.anatomy import FLOAT_BYTES

FLOATS = {tensors.DTYPE_NAMES[kind]: kind for kind in FLOAT_BYTES}


def precision(view: View) -> None:
    """Notes several types in one merge, values that float16 cannot hold, and files larger than the models."""
    config = view.recipe
    kinds: dict[str, list[str]] = {}
    for facts in view.models.values():
        kinds.setdefault(tensors.DTYPE_NAMES.get(facts.dtype, facts.dtype), []).append(facts.name)
    if len(kinds) > 1:
        listing = ", ".join(f"{dtype} in {' and '.join(names)}" for dtype, names in kinds.items())
        view.note(
            "dtype",
            f"{listing}; the result gets {tensors.DTYPE_NAMES[result_dtype(view)]}.",
            "Set dtype and out_dtype.",
        )
    wide = [dtype for dtype in kinds if dtype != "float16"]
    for where, dtype in (("dtype", config.dtype), ("out_dtype", config.out_dtype)):
        if dtype == "float16" and wide:
            view.note(
                where, f"float16 ends at 65504, {wide[0]} far beyond: large values become infinite.",
                "Use bfloat16 or float32.",
            )  # fmt: skip
    widest = max((FLOAT_BYTES.get(facts.dtype, 4) for facts in view.models.values()), default=8)
    if FLOAT_BYTES[result_dtype(view)] > widest and not config.out_dtype:
        view.note("out_dtype", f"the file gets {config.dtype}, larger than the models.", "Set out_dtype: bfloat16.")


def result_dtype(view: View, maths: bool = False) -> str:
    """safetensors' name of the dtype the result's file (or the maths) has."""
    config = view.recipe
    named = config.dtype if maths else config.out_dtype or config.dtype
    if named:
        return FLOATS[named]
    kinds = {facts.dtype for facts in view.models.values()} & set(FLOAT_BYTES)
    return next(iter(kinds)) if len(kinds) == 1 else "F64" if "F64" in kinds else "F32"
