"""Files the checks read besides weights: a model's JSON, and what mergekit brings along."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.core.errors import Problems


def read_json(path: Path, problems: Problems) -> dict[str, Any]:
    """The file's object; {} if it has none, and a problem if it cannot be read."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return data if isinstance(data, dict) else {}
    except (OSError, ValueError) as error:
        problems.add("models", f"{path.parent.name}/{path.name} cannot be read ({error}).", "Get the model again.")
        return {}


def mergekit_files(pattern: str) -> list[Path]:
    """Files of mergekit's data, found without importing it; none if it is not installed."""
    spec = find_spec("mergekit")
    return sorted((Path(str(spec.origin)).parent / "_data").glob(pattern)) if spec else []
