"""Entries of LLaMA-Factory's dataset_info.json as sources.

https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html
"""

from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.data.sources.entry import Entry, EntryKeys, Reading, unsupported, whole_number
from workbench.data.sources.source import Source

MEDIA = "only text can be trained on here."
ENTRY = EntryKeys(
    honoured={
        "file_name": "The file or folder, which lies beside dataset_info.json.",
        "hf_hub_url": "The dataset of the Hugging Face hub, also where other hubs are named beside it.",
        "ms_hub_url": "Left aside beside hf_hub_url, as LLaMA-Factory does; refused alone, as ModelScope is not read.",
        "om_hub_url": "Left aside beside hf_hub_url, as LLaMA-Factory does; refused alone, as Modelers is not read.",
        "formatting": "alpaca, sharegpt or openai.",
        "ranking": "true reads pairs of chosen and rejected.",
        "subset": "The configuration of the dataset on the hub.",
        "split": "The split; of files train, and parts of it such as train[:20%].",
        "num_samples": "So many rows, drawn at random; LLaMA-Factory repeats rows where there are fewer, here all are "
        "taken once.",
        "folder": "A folder beside dataset_info.json that holds the file; refused with hf_hub_url.",
        "columns": "See below.",
        "tags": "See below.",
        "revision": "The branch, tag or commit on the hub.",
    },
    refused={
        "script_url": "it is a program, and programs are not run.",
        "cloud_file_name": "storage in a cloud is not read; download the file.",
    },
)
COLUMNS = EntryKeys(
    honoured={
        "prompt": "The question; alone, without query, response and history, it names plain text, as in LLaMA-Factory.",
        "query": "The input that follows the question.",
        "response": "The answer.",
        "history": "Earlier pairs of question and answer.",
        "messages": "The list of turns.",
        "system": "The system prompt.",
        "tools": "The tools.",
        "chosen": "The preferred answer of a pair.",
        "rejected": "The other answer of a pair.",
        "kto_tag": "Whether the answer is good; the rows are unpaired preferences.",
    },
    refused=dict.fromkeys(("images", "videos", "audios"), MEDIA),
)
TAGS = EntryKeys(
    honoured={
        "role_tag": "The key of a turn that says who speaks.",
        "content_tag": "The key of a turn that holds its text.",
        "user_tag": "Who the user is called.",
        "assistant_tag": "Who the assistant is called.",
        "observation_tag": "Who gives the result of a tool.",
        "function_tag": "Who calls a tool.",
        "system_tag": "Who gives the system prompt.",
    }
)
OPENAI = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


def factory_source(entry: Entry, folder: Path) -> Source:
    """The source an entry means. Raises `UserError` for every key that cannot be honoured."""
    columns, tags = entry.get("columns") or {}, entry.get("tags") or {}
    problems = Problems()
    ENTRY.check(problems, entry)
    COLUMNS.check(problems, columns, "columns.")
    TAGS.check(problems, tags, "tags.")
    for key, hub in (("ms_hub_url", "ModelScope"), ("om_hub_url", "Modelers")):
        if entry.get(key) and not entry.get("hf_hub_url"):
            problems.add(key, f"{hub} is not read from here.", "Download the files, or give hf_hub_url.")
    problems.check()
    samples = whole_number(entry.get("num_samples"), "num_samples")
    reading = Reading(_format(entry, columns, tags), str(entry.get("split") or "train"), samples)
    if entry.get("hf_hub_url"):
        if entry.get("folder"):
            raise unsupported("folder", "of a dataset of the hub the whole is read.")
        return reading.hub(entry["hf_hub_url"], entry.get("subset"), entry.get("revision"))
    if not entry.get("file_name"):
        raise UserError("The entry names neither a file nor a dataset of the hub.", "Give file_name.", "file_name")
    data_folder = folder / str(entry["folder"]) if entry.get("folder") else folder
    return reading.files([data_folder / str(entry["file_name"])], folder)


def _format(entry: Entry, columns: dict[str, str], tags: dict[str, str]) -> dict[str, Any]:
    """The settings of our format; columns not named have LLaMA-Factory's own defaults."""
    formatting, ranking = entry.get("formatting") or "alpaca", bool(entry.get("ranking"))
    beside = {key: columns.get(key) or "" for key in ("system", "tools")}
    sides = {key: columns.get(key) or key for key in ("chosen", "rejected")}
    if formatting == "alpaca":
        return _alpaca(columns, ranking, sides, beside)
    if formatting not in ("sharegpt", "openai"):
        raise UserError(f"The formatting {formatting!r} is unknown.", "Known: alpaca, sharegpt, openai.", "formatting")
    own = {**(OPENAI if formatting == "openai" else {}), **tags}
    named = {"conversations": columns.get("messages") or "conversations", **own, **beside}
    if ranking:
        return {"method": "sharegpt_pairs", **named, **sides}
    if columns.get("kto_tag"):
        return {"method": "sharegpt_unpaired", **named, "label": columns["kto_tag"]}
    return {"method": "sharegpt", **named}


def _alpaca(columns: dict[str, str], ranking: bool, sides: dict[str, str], beside: dict[str, str]) -> dict[str, Any]:
    """The settings for LLaMA-Factory's formatting alpaca, which serves pairs, single judgements and plain text too."""
    # Where an entry names its question, it names its input too, or has none.
    query = columns.get("query") or ("" if columns.get("prompt") else "input")
    asked = {"prompt": columns.get("prompt") or "instruction", "input": query}
    answer = columns.get("response") or "output"
    if ranking:
        return {"method": "preference", **asked, **sides, **beside}
    if columns.get("kto_tag"):
        return {"method": "unpaired", **asked, "completion": answer, "label": columns["kto_tag"], **beside}
    if columns.get("prompt") and not any(columns.get(key) for key in ("query", "response", "history")):
        return {"method": "plain_text", "text": columns["prompt"]}  # LLaMA-Factory's own way to name pre-training
    question = {"instruction": asked["prompt"], "input": query, "output": answer}
    return {"method": "alpaca", **question, "history": columns.get("history") or "", **beside}
