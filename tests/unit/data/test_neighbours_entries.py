"""Every key of other trainers' dataset entries is honoured, told or refused by name, and the documentation says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.spec import dump_yaml
from workbench.data.reading.selection import Selection
from workbench.data.recipes.importing import import_dataset, preview_source
from workbench.data.sources.entry import EntryKeys, part_of_split
from workbench.data.sources.entry_axolotl import ENTRY as AXOLOTL
from workbench.data.sources.entry_axolotl_types import FIELDS, PAIR_FIELDS, VERDICT_FIELDS
from workbench.data.sources.entry_llama_factory import COLUMNS, TAGS
from workbench.data.sources.entry_llama_factory import ENTRY as FACTORY
from workbench.data.sources.external import entries, entries_chosen, name_of_entry, source_of_entry
from workbench.data.store.datasets import all_rows
from workbench.merging.recipe import MergeRecipe

DOCUMENT = ROOT / "docs" / "neighbours.md"
# https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
FACTORY_KEYS = (
    "hf_hub_url ms_hub_url om_hub_url script_url cloud_file_name file_name formatting ranking subset split folder "
    "num_samples columns tags"
)
FACTORY_COLUMNS = "prompt query response history messages system tools images videos audios chosen rejected kto_tag"
FACTORY_TAGS = "role_tag content_tag user_tag assistant_tag observation_tag function_tag system_tag"
# https://github.com/axolotl-ai-cloud/axolotl/blob/main/src/axolotl/utils/schemas/datasets.py
AXOLOTL_KEYS = (
    "path split type input_transform shards shards_idx preprocess_shards conversation chat_template "
    "chat_template_jinja data_files input_format name ds_type field field_human field_model field_messages field_tools "
    "field_thinking template_thinking_key message_field_role message_field_content message_property_mappings "
    "message_field_training message_field_training_detail split_thinking logprobs_field temperature roles_to_train "
    "train_on_eos roles drop_system_message trust_remote_code revision text_column skip step_separator "
    "max_completion_length train_on_last_step_only length sequence_length min_input_id max_input_id seed"
)
AXOLOTL_FIELDS = (
    "system_prompt system_format field_system field_instruction field_input field_output format no_input_format"
)
AXOLOTL_PAIRS = "field_system field_prompt field_chosen field_rejected prompt_format chosen_format rejected_format"
AXOLOTL_VERDICTS = "field_system field_prompt field_completion field_label prompt_format completion_format"
PUBLISHED = [
    (FACTORY, FACTORY_KEYS), (COLUMNS, FACTORY_COLUMNS), (TAGS, FACTORY_TAGS), (AXOLOTL, AXOLOTL_KEYS),
    (FIELDS, AXOLOTL_FIELDS), (PAIR_FIELDS, AXOLOTL_PAIRS), (VERDICT_FIELDS, AXOLOTL_VERDICTS),
]  # fmt: skip
TALK = {"conversations": [{"from": "human", "value": "Q{}"}, {"from": "gpt", "value": "A{}"}]}


def table_lines(keys: EntryKeys) -> Iterator[str]:
    for use, part in (("honoured", keys.honoured), ("told", keys.noted), ("refused", keys.refused)):
        yield from (f"| `{key}` | {use} | {text[0].upper()}{text[1:]} |" for key, text in part.items())


@pytest.mark.parametrize(("keys", "published"), PUBLISHED)
def test_every_published_key_has_one_outcome_and_a_line_in_the_table(keys: EntryKeys, published: str) -> None:
    told = [*keys.honoured, *keys.noted, *keys.refused]
    assert len(told) == len(set(told)) and {*published.split()} <= {*told}
    written = {line.casefold() for line in DOCUMENT.read_text("utf-8").splitlines()}
    assert [line for line in table_lines(keys) if line.casefold() not in written] == []


@pytest.mark.parametrize(
    ("base", "keys"),
    [({"file_name": "ten.jsonl"}, FACTORY), ({"path": "ten.jsonl", "type": "alpaca"}, AXOLOTL)],
)
def test_every_refused_key_is_refused_by_its_name_and_unset_ones_are_not(
    folder: Path, base: dict[str, Any], keys: EntryKeys
) -> None:
    for key in keys.refused:
        with pytest.raises(UserError, match=key):
            source_of_entry(json.dumps({"one": {**base, key: "x"}}), "one", folder)
        source_of_entry(json.dumps({"one": {**base, key: None}}), "one", folder)


def test_every_key_that_is_not_of_the_rows_is_told_in_a_remark(folder: Path) -> None:
    entry = {"path": "ten.jsonl", "type": "alpaca", **dict.fromkeys(AXOLOTL.noted, "x")}
    remarks = source_of_entry(dump_yaml([entry]), "ten.jsonl", folder).to_dict()["notes"]
    assert [remark.split()[0] for remark in remarks] == [*AXOLOTL.noted]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "ten.jsonl", [json.loads(json.dumps(TALK).replace("{}", str(n))) for n in range(10)])
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def imported(folder: Path, text: str, entry: str = "") -> tuple[str, list[dict[str, Any]]]:
    """(kind, rows) of an entry, and a look beforehand agrees on how many there are."""
    home = Home.at(folder / "home")
    (chosen,) = [entry] if entry else entries(text)
    source = source_of_entry(text, chosen, folder)
    made = import_dataset(home, source, "made", eval_fraction=0, replace=True)
    assert preview_source(source).good == made.info["rows"]["train"]
    return made.info["kind"], all_rows(home, "made")


def questions(rows: list[dict[str, Any]]) -> list[str]:
    return [row["messages"][0]["content"] for row in rows]


SHAREGPT = {
    "path": "ten.jsonl", "type": "chat_template", "field_messages": "conversations",
    "message_property_mappings": {"role": "from", "content": "value"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("split", "numbers"),
    [("train[:20%]", [0, 1]), ("train[8:]", [8, 9]), ("train[-1:]", [9]), ("train [ 30% : 50% ]", [3, 4]),
     ("train", [*range(10)])],
)  # fmt: skip
def test_a_part_of_a_split_is_read_alone(folder: Path, split: str, numbers: list[int]) -> None:
    wanted = [f"Q{number}" for number in numbers]
    factory = {"file_name": "ten.jsonl", "formatting": "sharegpt", "split": split}
    assert questions(imported(folder, json.dumps({"one": factory}))[1]) == wanted
    assert questions(imported(folder, dump_yaml({"datasets": [{**SHAREGPT, "split": split}]}))[1]) == wanted


@pytest.mark.parametrize("split", ["test", "train[x:]", "train[:200%]", "train[:2]+train[8:]", "train[4:2]"])
def test_a_split_that_files_do_not_have_is_refused(folder: Path, split: str) -> None:
    with pytest.raises(UserError) as caught:
        imported(folder, json.dumps({"one": {"file_name": "ten.jsonl", "formatting": "sharegpt", "split": split}}))
    assert "split" in str(caught.value) or "part" in str(caught.value)
    assert part_of_split("train[:3]") == "[:3]"


def test_a_number_of_samples_is_drawn_once_and_the_same_each_time(folder: Path) -> None:
    def drawn(count: Any) -> list[str]:
        entry = {"file_name": "ten.jsonl", "formatting": "sharegpt", "num_samples": count}
        return questions(imported(folder, json.dumps({"one": entry}))[1])

    assert len(set(drawn(3))) == 3 and drawn(3) == drawn(3)
    assert len(drawn(99)) == len(drawn(None)) == 10
    for wrong in (-1, 2.5, "3"):
        with pytest.raises(UserError, match="num_samples"):
            drawn(wrong)


def test_a_selection_counts_rows_of_all_files_together_also_those_kept_aside(folder: Path) -> None:
    more = folder / "more"
    write(more / "a.jsonl", [{"text": "a0"}, {"text": ""}, {"text": "a2"}])
    write(more / "b.jsonl", [{"text": "b0"}, {"text": "b1"}])
    kind, rows = imported(folder, dump_yaml([{"path": "more", "type": "completion", "split": "train[1:4]"}]))
    assert (kind, [row["text"] for row in rows]) == ("text", ["a2", "b0"])
    assert Selection("[50%:]").mask(4).tolist() == [False, False, True, True]


def test_of_a_folder_the_files_named_are_read(folder: Path) -> None:
    write(folder / "data" / "wanted.jsonl", [{"text": "wanted"}])
    write(folder / "data" / "other.jsonl", [{"text": "other"}])
    for files in ("wanted.jsonl", ["data/wanted.jsonl"], "w*.jsonl"):
        entry = {"path": "data", "data_files": files, "type": "completion"}
        assert imported(folder, dump_yaml([entry]))[1] == [{"text": "wanted"}]
    for files in ("none.jsonl", "x*.jsonl", "../*.jsonl"):
        with pytest.raises(UserError, match=r"no file|outside"):
            imported(folder, dump_yaml([{"path": "data", "data_files": files, "type": "completion"}]))


def turns(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize("rl", ["dpo", "ipo", "simpo", "orpo"])
@pytest.mark.parametrize(
    ("entry", "row"),
    [
        ({"type": "chat_template.default", "field_chosen": "good", "field_rejected": "bad"},
         {"messages": turns("q"), "good": answer("c"), "bad": answer("r")}),
        ({"type": "chat_template.argilla"}, {"prompt": "q", "chosen": turns("q", "c"), "rejected": turns("q", "r")}),
        ({"type": "chatml.argilla_chat"}, {"chosen": turns("q", "c"), "rejected": turns("q", "r")}),
        ({"type": "chatml.argilla"}, {"instruction": "q", "chosen_response": "c", "rejected_response": "r"}),
        ({"type": "llama3.icr"}, {"input": "q", "chosen": "c", "rejected": "r"}),
        ({"type": "chatml.intel"}, {"question": "q", "chosen": "c", "rejected": "r"}),
        ({"type": "chatml.prompt_pairs"}, {"prompt": "q", "chosen": "c", "rejected": "r"}),
        ({"type": "chatml.ultra"}, {"prompt": "q", "chosen": turns("q", "c"), "rejected": turns("q", "r")}),
        ({"type": {"field_prompt": "p", "field_chosen": "c", "field_rejected": "r", "prompt_format": "{prompt}"}},
         {"p": "q", "c": "c", "r": "r"}),
    ],
)  # fmt: skip
def test_pairs_are_pairs(folder: Path, rl: str, entry: dict[str, Any], row: dict[str, Any]) -> None:
    write(folder / "pairs.jsonl", [row])
    kind, rows = imported(folder, dump_yaml({"rl": rl, "datasets": [{"path": "pairs.jsonl", **entry}]}))
    assert kind == "preference"
    assert rows == [{"prompt": turns("q"), "chosen": [answer("c")], "rejected": [answer("r")]}]


@pytest.mark.parametrize(
    ("type", "row"),
    [
        ("chatml.argilla", {"instruction": "q", "completion": "a", "label": True}),
        ("llama3.intel", {"question": "q", "completion": "a", "label": True}),
        ("chatml.argilla_chat", {"completion": turns("q", "a"), "label": True}),
        ({"field_prompt": "p", "field_completion": "c", "field_label": "good"}, {"p": "q", "c": "a", "good": True}),
    ],
)
def test_verdicts_are_verdicts(folder: Path, type: Any, row: dict[str, Any]) -> None:
    write(folder / "kto.jsonl", [row])
    kind, rows = imported(folder, dump_yaml({"rl": "kto", "datasets": [{"path": "kto.jsonl", "type": type}]}))
    assert (kind, rows) == ("unpaired", [{"prompt": turns("q"), "completion": [answer("a")], "label": True}])


@pytest.mark.parametrize(
    ("whole", "word"),
    [
        ({"rl": "grpo", "datasets": [{"path": "ten.jsonl", "type": "alpaca"}]}, "grpo"),
        ({"rl": "dpo", "datasets": [{"path": "ten.jsonl", "type": "zephyr.nectar"}]}, "zephyr.nectar"),
        ({"datasets": [{"path": "ten.jsonl", "type": "chat_template.argilla"}]}, "rl is not set"),
        ({"datasets": [{"path": "ten.jsonl", "type": "alpaca.load_other"}]}, "alpaca.load_other"),
        ({"datasets": [{**SHAREGPT, "roles_to_train": ["human", "gpt"]}]}, "roles_to_train"),
        ({"datasets": [{**SHAREGPT, "roles": {"critic": ["x"]}}]}, "critic"),
        ({"datasets": [{**SHAREGPT, "message_field_training": "learn"}]}, "message_field_training"),
        ({"datasets": [{**SHAREGPT, "field_thinking": "mind"}]}, "field_thinking"),
        ({"datasets": [{"path": "ten.jsonl", "ds_type": "csv", "type": "alpaca"}]}, "type csv"),
        ({"datasets": [{"path": "s3://bucket/x.jsonl", "type": "alpaca"}]}, "address"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(folder: Path, whole: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=word):
        imported(folder, dump_yaml(whole))


def test_speakers_may_have_several_names(folder: Path) -> None:
    said = [("someone", "q1"), ("bot", "a1"), ("visitor", "q2"), ("clerk", "a2")]
    write(folder / "named.jsonl", [{"conversations": [{"from": name, "value": text} for name, text in said]}])
    roles = {"user": ["someone", "visitor"], "assistant": ["clerk", "bot"]}
    entry = {**SHAREGPT, "path": "named.jsonl", "roles": roles, "roles_to_train": ["clerk", "bot"]}
    assert imported(folder, dump_yaml([entry]))[1] == [{"messages": turns("q1", "a1", "q2", "a2")}]


def test_test_datasets_and_texts_to_continue_are_listed(folder: Path) -> None:
    write(folder / "wiki.jsonl", [{"body": "one"}, {"body": "two"}])
    whole = dump_yaml(
        {"datasets": [SHAREGPT], "test_datasets": [{**SHAREGPT, "split": "train[:1]"}],
         "pretraining_dataset": [{"path": "wiki.jsonl", "text_column": "body", "skip": 1}]}
    )  # fmt: skip
    assert entries(whole) == ["ten.jsonl 1", "ten.jsonl train[:1]", "wiki.jsonl"]
    assert len(imported(folder, whole, "ten.jsonl train[:1]")[1]) == 1
    assert imported(folder, whole, "wiki.jsonl") == ("text", [{"text": "two"}])


def test_another_hub_beside_the_known_one_is_no_hindrance(folder: Path) -> None:
    both = {"hf_hub_url": "a/b", "ms_hub_url": "c/d", "num_samples": 7, "split": "train[:50%]"}
    source = source_of_entry(json.dumps({"one": both}), "one", folder).to_dict()
    assert (source["dataset"], source["split"], source["samples"]) == ("a/b", "train[:50%]", 7)
    with pytest.raises(UserError, match="ModelScope"):
        source_of_entry(json.dumps({"one": {"ms_hub_url": "c/d"}}), "one", folder)


def test_missing_files_are_told_by_name(folder: Path) -> None:
    for text in (
        json.dumps({"one": {"file_name": "gone.jsonl"}}),
        dump_yaml([{"path": "gone.jsonl"} | {"type": "alpaca"}]),
    ):
        with pytest.raises(UserError, match=r"There is no file gone\.jsonl\."):
            imported(folder, text)


def test_datasets_are_called_after_their_entries() -> None:
    names = {"alpaca_en": "alpaca_en", "data/ten.jsonl": "ten", "ten.jsonl train[:20%]": "ten-train-20"}
    names |= {"owner/name-v1.5": "name-v1.5", "ten.jsonl 2": "ten-2", "数据.jsonl": "shuju"}
    assert {entry: name_of_entry(entry) for entry in names} == names


def test_a_list_of_several_asks_which_and_all_means_all() -> None:
    text = json.dumps({"a": {"file_name": "a.json"}, "b": {"file_name": "b.json"}})
    with pytest.raises(UserError, match=r"lists 2 datasets: a, b"):
        entries_chosen(text, [])
    assert entries_chosen(text, ["all"]) == ["a", "b"] and entries_chosen(text, ["b", "b"]) == ["b"]
    assert entries_chosen('{"a": {"file_name": "x"}}', []) == ["a"]
    with pytest.raises(UserError, match="'c'"):
        entries_chosen(text, ["a", "c"])


CONFIGURATIONS: list[tuple[dict[str, Any], str]] = [
    ({"model_name_or_path": "x", "stage": "sft", "dataset": "identity"}, "training configuration of LLaMA-Factory"),
    ({"model_name_or_path": "x", "adapter_name_or_path": "y", "export_dir": "z"}, "LLaMA-Factory that exports"),
    ({"model_name_or_path": "x", "template": "llama3", "infer_backend": "vllm"}, "configuration of LLaMA-Factory"),
    ({"model_name_or_path": "x", "dataset_name": "a/b"}, "training configuration of TRL"),
    ({"base_model": "x", "adapter": "lora"}, "training configuration of axolotl"),
    ({"base_model": "x", "gate_mode": "hidden", "experts": []}, "mergekit-moe"),
    ({"genome": {"models": []}, "tasks": []}, "mergekit-evolve"),
    ({"peft_type": "LORA", "base_model_name_or_path": "x"}, "configuration of an adapter"),
    ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "configuration of a model"),
]
MERGES: list[tuple[dict[str, Any], str]] = [
    ({"merge_method": "slerp", "models": []}, "merge recipe of mergekit"),
    ({"slices": [], "dtype": "float16"}, "merge recipe of mergekit"),
]


@pytest.mark.parametrize(("data", "what"), [*CONFIGURATIONS, *MERGES])
def test_configurations_of_other_programs_are_told_where_datasets_are_wanted(
    tmp_path: Path, data: dict[str, Any], what: str
) -> None:
    with pytest.raises(UserError, match=what):
        entries(dump_yaml(data))
    rows = tmp_path / "args.json"
    rows.write_text(json.dumps(data), "utf-8")
    assert what in preview_source(rows).reason
    with pytest.raises(UserError, match=what):
        import_dataset(Home.at(tmp_path / "home"), rows, "made")


def test_a_list_of_datasets_by_another_name_is_told_as_one(folder: Path) -> None:
    other = folder / "my_info.json"
    other.write_text(json.dumps({"one": {"file_name": "ten.jsonl"}, "two": {"hf_hub_url": "a/b"}}), "utf-8")
    assert "Call the file dataset_info.json" in preview_source(other).reason
    other.write_text(json.dumps({"prompt": {"file_name": "x"}, "completion": "y"}), "utf-8")
    assert "dataset_info" not in preview_source(other).reason


@pytest.mark.parametrize(("data", "what"), CONFIGURATIONS)
def test_configurations_of_other_programs_are_told_where_merge_recipes_are_wanted(
    data: dict[str, Any], what: str
) -> None:
    for given in (data, dump_yaml(data), json.dumps(data)):
        with pytest.raises(UserError, match=what):
            MergeRecipe.parse(given)


def test_a_recipe_that_lacks_its_method_is_a_recipe_still() -> None:
    with pytest.raises(UserError, match="merge_method"):
        MergeRecipe.parse({"base_model": "x", "models": [{"model": "y"}]})


def test_several_recipes_in_one_file_are_told_as_what_they_are() -> None:
    recipe = dump_yaml({"name": "first", "merge_method": "linear", "models": [{"model": "a/b"}]})
    for text in (f"{recipe}---\n{recipe}", f"---\n{recipe}\n--- # the second\n{recipe}"):
        for read in (entries, MergeRecipe.parse):
            with pytest.raises(UserError, match="mergekit-multi"):
                read(text)


def test_datasets_of_a_training_configuration_are_read_and_the_rest_is_told(folder: Path) -> None:
    text = dump_yaml({"base_model": "a/b", "adapter": "lora", "datasets": [SHAREGPT]})
    source = source_of_entry(text, "ten.jsonl", folder)
    made = import_dataset(Home.at(folder / "home"), source, "made", eval_fraction=0)
    assert made.info["rows"]["train"] == 10
    assert "training configuration of axolotl" in made.info["remarks"][0]
    plain = source_of_entry(dump_yaml({"datasets": [SHAREGPT]}), "ten.jsonl", folder)
    assert plain.to_dict()["notes"] == []
