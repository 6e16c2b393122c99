"""Entries of axolotl's `datasets`, `test_datasets` and `pretraining_dataset` as sources.

https://docs.axolotl.ai/docs/dataset-formats/ and https://docs.axolotl.ai/docs/rlhf.html
"""

from pathlib import Path
from typing import Any

from workbench.core.errors import Problems, UserError
from workbench.data.reading.readers import suffix_form
from workbench.data.sources.entry import Entry, EntryKeys, Reading, unsupported, whole_number
from workbench.data.sources.entry_axolotl_types import axolotl_format
from workbench.data.sources.source import Source

TEMPLATE = "The chat template is chosen in training."
SHARDS = "write the part as a split, such as train[:25%]."
TOKENS = "it is for rows of tokens or log probabilities, and rows of text are read here."
ENTRY = EntryKeys(
    honoured={
        "path": "A file, a folder, or a dataset of the Hugging Face hub; addresses (s3://, https://) are refused.",
        "name": "The configuration of the dataset on the hub.",
        "split": "The split; of files train, and parts of it such as train[:20%].",
        "type": "alpaca, chat_template, completion, sharegpt, or field names; with rl: those of pairs and of kto.",
        "data_files": "The files of a folder, or of the builder json, csv, parquet or text; refused for the hub.",
        "ds_type": "json, csv, parquet or text, which the file must be.",
        "revision": "The branch, tag or commit on the hub.",
        "field": "The column of a completion.",
        "field_messages": "The column of the turns.",
        "field_tools": "The column of the tools.",
        "field_system": "The column of the system prompt.",
        "field_chosen": "The column of the preferred turn of a pair.",
        "field_rejected": "The column of the other turn of a pair.",
        "field_thinking": "reasoning_content, thinking or reasoning; other names are refused.",
        "message_property_mappings": "role and content; of other properties only their own name.",
        "message_field_role": "The key of a turn that says who speaks.",
        "message_field_content": "The key of a turn that holds its text.",
        "message_field_training": "train or train_on_turn; other names are refused.",
        "message_field_training_detail": "train_detail, whose rows are kept aside; other names are refused.",
        "roles": "Names of user, assistant, system and tool, each one or several.",
        "roles_to_train": "The assistant, by any of its names; others are refused, as only answers are learned.",
        "text_column": "The column of the text of a pretraining_dataset.",
        "skip": "How many rows of a pretraining_dataset's file are passed over.",
    },
    noted={
        "chat_template": TEMPLATE,
        "chat_template_jinja": TEMPLATE,
        "template_thinking_key": "Thoughts are given to templates under the names they are known by.",
        "split_thinking": "Thoughts inside answers stay there until a step takes them out.",
        "train_on_eos": "The end of each learned turn is learned.",
        "preprocess_shards": "It says how memory is used, not what is read.",
        "conversation": TEMPLATE,
    },
    refused={
        "trust_remote_code": "code of a dataset is never run here.",
        "drop_system_message": "take the system prompts out with a step after the import.",
        "shards": SHARDS,
        "shards_idx": SHARDS,
        "input_transform": "name the columns with field_… instead.",
        "input_format": "prompts are written by the chat template.",
        "field_human": "it belongs to formats that axolotl itself no longer reads.",
        "field_model": "it belongs to formats that axolotl itself no longer reads.",
        "logprobs_field": TOKENS,
        "temperature": TOKENS,
        "step_separator": "stepwise supervision is not trained here.",
        "max_completion_length": "stepwise supervision is not trained here.",
        "train_on_last_step_only": "stepwise supervision is not trained here.",
        "length": "random tokens are no rows of text.",
        "sequence_length": "random tokens are no rows of text.",
        "min_input_id": "random tokens are no rows of text.",
        "max_input_id": "random tokens are no rows of text.",
        "seed": "random tokens are no rows of text.",
    },
)
BUILDERS = {
    "json": ("json", "jsonl"),
    "csv": ("csv",),
    "parquet": ("parquet",),
    "text": ("txt", "md"),
}


def axolotl_source(entry: Entry, folder: Path, rl: Any = None) -> Source:
    """The source an entry means; `rl` is that of its configuration. Raises `UserError` for keys not honoured."""
    problems = Problems()
    notes = ENTRY.check(problems, entry)
    problems.check()
    form, more = axolotl_format(entry, str(rl or ""))
    split = str(entry.get("split") or "train")
    if skip := whole_number(entry.get("skip"), "skip"):
        split = f"{split}[{skip}:]"
    reading = Reading(form, split, 0, [*notes, *more])
    path, files = str(entry["path"]), _names(entry.get("data_files"))
    if "://" in path:
        raise UserError(f"{path} is an address, and those are not read.", "Download it, and name the file.", "path")
    if path in BUILDERS and files:
        return _local(reading, entry, folder, folder, files)
    if (folder / path).is_dir() and files:
        return _local(reading, entry, folder / path, folder, files)
    if suffix_form(Path(path)) or (folder / path).exists():
        return _local(reading, entry, folder, folder, [path])
    if files:
        raise unsupported("data_files", "of a dataset of the hub the split is read; name its configuration.")
    return reading.hub(path, entry.get("name"), entry.get("revision"))


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(name) for name in value or []]


def _local(reading: Reading, entry: Entry, data_folder: Path, folder: Path, names: list[str]) -> Source:
    """The files, patterns spelled out; those of a folder may also be named from the configuration's own."""
    paths = [path for name in names for path in _matching(name, data_folder, folder)]
    builder = entry.get("ds_type") or (entry["path"] if entry["path"] in BUILDERS else "")
    for path in paths:
        if builder and path.is_file() and suffix_form(path) not in BUILDERS.get(str(builder), ()):
            raise UserError(f"{path.name} is no file of the type {builder}.", "Give its own type.", "ds_type")
    return reading.files(paths, folder)


def _matching(name: str, data_folder: Path, folder: Path) -> list[Path]:
    if not {*"*?["} & {*name}:
        return [data_folder / name if (data_folder / name).exists() or not (folder / name).exists() else folder / name]
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"{name!r} leads outside the folder.", "Name files that lie beside the list.", "data_files")
    matches = sorted(path for path in data_folder.glob(name) if path.is_file())
    if not matches:
        raise UserError(f"There is no file {name} in {data_folder}.", "Check the pattern.", "data_files")
    return matches
