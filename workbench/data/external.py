"""Datasets as LLaMA-Factory (dataset_info.json) and axolotl (`datasets:` of its YAML) describe them, read as they are.

https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
https://docs.axolotl.ai/docs/dataset-formats/
"""

import json
from pathlib import Path
from typing import Any

from workbench.data.format import FORMATS, Format
from workbench.data.reading import suffix_form
from workbench.data.source import SOURCES, Source
from workbench.errors import Problems, UserError
from workbench.spec import load_yaml

Entry = dict[str, Any]
TAGS = ("role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")
FACTORY = {
    *("hf_hub_url", "file_name", "formatting", "ranking", "subset", "split", "columns", "tags", "folder"),
}
FACTORY_COLUMNS = {
    *("prompt", "query", "response", "history", "messages", "system", "tools", "chosen", "rejected", "kto_tag"),
}
OTHERS = {"others": "keep"}  # an entry says which columns are read, and so that the others are not
AXOLOTL = {
    *("path", "name", "split", "type", "data_files", "ds_type", "revision", "trust_remote_code", "conversation"),
    *("field_messages", "message_property_mappings", "message_field_role", "message_field_content", "field"),
    *("field_tools", "field_system", "roles"),
}
AXOLOTL_FIELDS = {"field_instruction", "field_input", "field_output", "field_system"}


def entries(text: str) -> list[str]:
    """The names of the datasets a file describes; axolotl's, which have none, go by their path."""
    return list(_entries(text))


def source_of_entry(text: str, name: str, folder: Path) -> Source:
    """The source one entry means: files in `folder` (where dataset_info.json lies), or a dataset of the hub.

    Raises `UserError` naming every key that cannot be honoured here, for files outside the folder, and for values
    of a wrong type.
    """
    found = _entries(text)
    if name not in found:
        raise UserError(f"There is no entry {name!r}.", f"There are: {', '.join(found) or 'none'}.", "entry")
    entry = found[name]
    try:
        return _axolotl(entry, folder) if "path" in entry else _factory(entry, folder)
    except (TypeError, AttributeError):
        raise UserError(
            f"The entry {name!r} is not written as it should be.", "Compare it with the documentation.", "entry"
        ) from None


def _entries(text: str) -> dict[str, Entry]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = load_yaml(text, aliases=True)
    if isinstance(data, dict) and isinstance(data.get("datasets"), list):
        data = data["datasets"]
    if isinstance(data, list) and all(isinstance(entry, dict) and "path" in entry for entry in data):
        return {_title(entry, data): entry for entry in data}
    if isinstance(data, dict) and data and all(isinstance(entry, dict) for entry in data.values()):
        return {str(name): entry for name, entry in data.items()}
    raise UserError(
        "This is neither a dataset_info.json nor a list of axolotl datasets.",
        "Give an object of entries by name, or YAML with a list under datasets:.",
        "entry",
    )


def _title(entry: Entry, others: list[Entry]) -> str:
    """An axolotl entry's path, and where two have the same one, what tells them apart."""
    path = str(entry["path"])
    alike = sum(str(other["path"]) == path for other in others) > 1
    return f"{path} {entry.get('name') or ''}{entry.get('split') or others.index(entry) + 1}" if alike else path


# ---- LLaMA-Factory -----------------------------------------------------------------------------------------


def _factory(entry: Entry, folder: Path) -> Source:
    columns, tags = entry.get("columns") or {}, entry.get("tags") or {}
    problems = Problems()
    _known(problems, entry, FACTORY, "")
    _known(problems, columns, FACTORY_COLUMNS, "columns.")
    _known(problems, tags, {*TAGS}, "tags.")
    problems.check()
    form = FORMATS.parse({**_factory_format(entry, columns, tags), **OTHERS})
    if "hf_hub_url" in entry:
        if entry.get("folder"):
            raise _unsupported("folder")
        return _hub(entry["hf_hub_url"], entry.get("subset"), entry.get("split") or "train", "", form)
    place = folder / str(entry["folder"]) if entry.get("folder") else folder
    return _files([str(entry.get("file_name") or "")], place, form, folder)


def _factory_format(entry: Entry, columns: dict[str, str], tags: dict[str, str]) -> dict[str, Any]:
    """The settings of our format; columns not named have LLaMA-Factory's own defaults."""
    formatting, ranking = entry.get("formatting", "alpaca"), bool(entry.get("ranking"))
    beside = {key: columns.get(key) or "" for key in ("system", "tools")}
    sides = {key: columns.get(key, key) for key in ("chosen", "rejected")}
    if formatting == "alpaca":
        return _alpaca(columns, ranking, sides, beside)
    if formatting not in ("sharegpt", "openai"):
        raise UserError(f"The formatting {formatting!r} is unknown.", "Known: alpaca, sharegpt, openai.", "formatting")
    usual = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    own = {**(usual if formatting == "openai" else {}), **tags}
    told = {"conversations": columns.get("messages", "conversations"), **own, **beside}
    if ranking:
        return {"method": "sharegpt_pairs", **told, **sides}
    if columns.get("kto_tag"):
        return {"method": "sharegpt_unpaired", **told, "label": columns["kto_tag"]}
    return {"method": "sharegpt", **told}


def _alpaca(columns: dict[str, str], ranking: bool, sides: dict[str, str], beside: dict[str, str]) -> dict[str, Any]:
    """The settings for LLaMA-Factory's formatting alpaca, which serves pairs, single judgements and plain text too."""
    asked = {"prompt": columns.get("prompt", "instruction"), "input": columns.get("query", "input")}
    answer = columns.get("response", "output")
    if ranking:
        return {"method": "preference", **asked, **sides, **beside}
    if columns.get("kto_tag"):
        return {"method": "unpaired", **asked, "completion": answer, "label": columns["kto_tag"], **beside}
    if not ranking and "prompt" in columns and not {"query", "response", "history"} & columns.keys():
        return {"method": "plain_text", "text": columns["prompt"]}  # LLaMA-Factory's own way to name pre-training
    question = {"instruction": asked["prompt"], "input": asked["input"], "output": answer}
    return {"method": "alpaca", **question, "history": columns.get("history") or "", **beside}


# ---- axolotl -----------------------------------------------------------------------------------------------


def _axolotl(entry: Entry, folder: Path) -> Source:
    problems = Problems()
    _known(problems, entry, AXOLOTL, "")
    if isinstance(entry.get("type"), dict):
        _known(problems, entry["type"], AXOLOTL_FIELDS, "type.")
    if entry.get("trust_remote_code"):
        problems.add("trust_remote_code", "code of a dataset is never run here.", "Import its files instead.")
    problems.check()
    form = FORMATS.parse({**_axolotl_format(entry), **OTHERS})
    files = entry.get("data_files") or []
    files = [files] if isinstance(files, str) else files
    path = str(entry["path"])
    if suffix_form(Path(path)) or (folder / path).exists():
        return _files([path], folder, form, folder)
    if path == "json" and files:
        return _files([str(file) for file in files], folder, form, folder)
    if files:
        raise _unsupported("data_files")
    return _hub(path, entry.get("name"), entry.get("split") or "train", entry.get("revision") or "", form)


def _axolotl_format(entry: Entry) -> dict[str, Any]:
    kind = entry.get("type")
    if isinstance(kind, dict):
        names = {"instruction": "instruction", "input": "input", "output": "output", "system": "system"}
        return {"method": "alpaca", **{ours: kind.get(f"field_{theirs}") or "" for theirs, ours in names.items()}}
    name = str(kind).split(".", maxsplit=1)[0].split(":", maxsplit=1)[0]
    if name == "alpaca":
        return {"method": "alpaca"}
    if name == "completion":
        return {"method": "plain_text", "text": entry.get("field") or "text"}
    if name == "sharegpt":
        return {"method": "sharegpt", "conversations": entry.get("field_messages") or "conversations"}
    if name == "chat_template":
        return _chat_template(entry)
    raise UserError(
        f"The type {kind!r} is not understood here.",
        "Understood: alpaca, chat_template, completion, sharegpt, or an object of field_… names.",
        "type",
    )


def _chat_template(entry: Entry) -> dict[str, Any]:
    keys = entry.get("message_property_mappings") or {}
    extra = set(keys) - {"role", "content"}
    if extra:
        raise _unsupported(f"message_property_mappings.{min(extra)}")
    role = keys.get("role") or entry.get("message_field_role") or "role"
    content = keys.get("content") or entry.get("message_field_content") or "content"
    tags = {"role_tag": role, "content_tag": content, "user_tag": "user", "assistant_tag": "assistant"}
    for ours, names in (entry.get("roles") or {}).items():
        names = [names] if isinstance(names, str) else names
        if ours not in ("user", "assistant", "system", "tool") or len(names) != 1:
            raise UserError(
                f"roles.{ours} is {names!r}.", "Give one name each to user, assistant, system, tool.", "roles"
            )
        tags["observation_tag" if ours == "tool" else f"{ours}_tag"] = str(names[0])
    beside = {key: entry.get(f"field_{key}") or "" for key in ("system", "tools")}
    return {"method": "sharegpt", "conversations": entry.get("field_messages") or "messages", **tags, **beside}


# ---- both --------------------------------------------------------------------------------------------------


def _known(problems: Problems, entry: Entry, known: set[str], prefix: str) -> None:
    for key in entry:
        if key not in known:
            error = _unsupported(f"{prefix}{key}")
            problems.add(error.field, error.message, error.remedy)


def _unsupported(key: str) -> UserError:
    return UserError(f"{key} is not supported here.", "Take it out, or import the files with a format by hand.", key)


def _hub(dataset: Any, config: Any, split: Any, revision: Any, form: Format) -> Source:
    settings = {"dataset": str(dataset), "config": str(config or ""), "split": str(split), "revision": str(revision)}
    return SOURCES.parse({"method": "hub", **settings, "format": form})


def _files(names: list[str], place: Path, form: Format, folder: Path) -> Source:
    """The files named, which must lie in the folder the description came with."""
    paths = [place / name for name in names]
    for name, path in zip(names, paths, strict=True):
        if not name or not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{name or 'The file name'!r} leads outside the folder.", "Name a file in it.", "file_name")
    return SOURCES.parse({"method": "files", "paths": [str(path) for path in paths], "format": form})
