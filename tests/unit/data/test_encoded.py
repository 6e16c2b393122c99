"""The cache of encoded rows: made once, whole or not at all, never stale, mended when damaged; and what is left out."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from tests.toys import conversations, toy_tokenizer
from tests.waiting import until
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.encoding import cache, shards
from workbench.data.encoding.batches import EXAMPLES, OTHER, REASONS, Rules, Tally, encode_batch
from workbench.data.encoding.cache import EncodedRows, encoded_rows
from workbench.data.encoding.token_view import token_view
from workbench.data.store.datasets import dataset_folder, write_rows
from workbench.rendering.templates import Template, get_template
from workbench.rendering.tokenizer import Tokenizer

CHATML = get_template("chatml")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with the dataset 'talks' and, where models lie, a folder with a tokenizer."""
    made = Home.at(tmp_path / "home")
    (made.models / "toy").mkdir()
    toy_tokenizer(made.models / "toy")
    write_rows(made, "talks", "conversation", conversations(30), conversations(4, "Evaluated."))
    return made


def encode(home: Home, dataset: str = "talks", split: str = "train", **rules: Any) -> EncodedRows:
    given = {"kind": "conversation", "template": CHATML, "max_length": 512, **rules}
    return encoded_rows(home, dataset, split, home.models / "toy", Rules(**given))


@pytest.fixture
def never_again(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nothing may be encoded."""

    def refuse(*_: Any) -> Tally:
        raise AssertionError("encoded again")

    return lambda: monkeypatch.setattr(cache, "encode_shards", refuse)


def pair(prompt: str, chosen: Any, rejected: Any, system: str = "", tools: list[Any] | None = None) -> dict[str, Any]:
    turns = [{"role": "system", "content": system}] if system else []
    answers = [one if isinstance(one, dict) else {"content": one} for one in (chosen, rejected)]
    row: dict[str, Any] = {
        "prompt": [*turns, {"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", **answers[0]}],
        "rejected": [{"role": "assistant", **answers[1]}],
    }
    return {**row, "tools": tools} if tools else row


# ---- the cache ---------------------------------------------------------------------------------------------


def test_rows_are_encoded_once(home: Home, never_again: Callable[[], None]) -> None:
    first = encode(home)
    never_again()
    second = encode(home)
    assert second.table.equals(first.table) and second.tally == first.tally
    assert len(second) == second.tally.kept == 30


def test_the_table_is_mapped_from_the_file(home: Home) -> None:
    encode(home)
    before = pa.total_allocated_bytes()
    table = encode(home).table
    assert pa.total_allocated_bytes() - before < table.nbytes / 4


def test_whatever_the_ids_depend_on_is_in_the_key(home: Home) -> None:
    keys = [encode(home).key, encode(home, split="eval").key]
    keys += [encode(home, **rule).key for rule in ({"max_length": 40}, {"train_on": "all"})]
    keys.append(encode(home, template=Template("chatml", CHATML.text + "{# changed #}")).key)
    write_rows(home, "talks", "conversation", conversations(30, "Otherwise."), replace=True)
    keys.append(encode(home).key)
    tokenizer = home.models / "toy" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    keys.append(encode(home).key)
    assert len(set(keys)) == len(keys)


def test_another_renderer_is_another_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(home).key
    monkeypatch.setattr(cache, "_renderer_digest", lambda: "of a later version")
    assert encode(home).key != first


def test_another_day_is_another_key_where_the_template_writes_the_date(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    dated = Template("dated", "{{ strftime_now('%d') }}" + CHATML.text)
    keys = [encode(home, template=dated).key, encode(home).key]

    class Tomorrow(cache.datetime.date):
        @classmethod
        def today(cls) -> Any:
            return cls(2000, 1, 1)

    monkeypatch.setattr(cache.datetime, "date", Tomorrow)
    assert encode(home, template=dated).key != keys[0] and encode(home).key == keys[1]


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def forge(path: Path) -> None:
    path.write_text("{}")


@pytest.mark.parametrize("name", ["part-00000.arrow", cache.REPORT])
@pytest.mark.parametrize("damage", [Path.unlink, shorten, flip, forge])
def test_a_damaged_cache_is_made_anew(name: str, damage: Callable[[Path], None], home: Home) -> None:
    first = encode(home)
    ids = first.table.to_pylist()
    damage(home.cache / "encoded" / first.key / name)
    assert encode(home).table.to_pylist() == ids


def test_a_stop_leaves_nothing_behind(home: Home) -> None:
    class Asked(Exception):
        pass

    def stop() -> None:
        raise Asked

    with pytest.raises(Asked):
        encoded_rows(
            home, "talks", "train", home.models / "toy", Rules("conversation", CHATML, 512), task=Task(check_stop=stop)
        )
    assert not list((home.cache / "encoded").iterdir())


def test_of_two_jobs_at_once_both_have_the_rows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    work, other = cache.encode_shards, []

    def overtaken(*given: Any) -> Tally:
        monkeypatch.setattr(cache, "encode_shards", work)
        other.append(encode(home))
        return work(*given)

    monkeypatch.setattr(cache, "encode_shards", overtaken)
    assert encode(home).table.equals(other[0].table)
    assert [path.name for path in (home.cache / "encoded").iterdir()] == [other[0].key]


def test_what_was_used_longest_ago_makes_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.cache / "encoded"
    keys = [encode(home, max_length=length).key for length in (100, 200, 300)]
    for age, key in enumerate(keys):
        os.utime(folder / key, (time.time() - 1000 + age,) * 2)
    assert encode(home, max_length=100).key == keys[0]  # used again just now
    size = sum(file.stat().st_size for file in (folder / keys[0]).iterdir())
    monkeypatch.setattr(cache, "LIMIT_BYTES", 3.5 * size)
    last = encode(home, max_length=400).key
    assert {path.name for path in folder.iterdir()} == {keys[0], keys[2], last}


def test_what_is_mapped_stays_readable_when_the_cache_is_deleted(home: Home) -> None:
    import shutil

    rows = encode(home)
    before = rows.table.to_pylist()
    shutil.rmtree(home.cache)
    assert rows.table.to_pylist() == before == encode(home).table.to_pylist()


# ---- parts and processes -----------------------------------------------------------------------------------


def test_processes_make_what_one_makes_in_order(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.rows.table.GROUP_ROWS", 10)
    rows = conversations(60)
    rows[41]["messages"][1]["content"] = "x" * 4000
    rows[17]["messages"].insert(0, {"role": "tool", "content": "Nobody asked."})
    write_rows(home, "many", "conversation", rows)
    refusing = Template(
        "r", "{% if messages[0].role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}" + CHATML.text
    )
    rules = Rules("conversation", refusing, 64)
    source = dataset_folder(home, "many") / "train.parquet"
    made, told = [], []
    monkeypatch.setattr(shards, "SHARD_BYTES", 1)
    for name, count in (("alone", 1), ("pooled", 2)):
        monkeypatch.setattr(shards, "cores", lambda count=count: count)
        (home.cache / name).mkdir()
        parts = shards.shards_of(source, home.cache / name)
        assert [part.first for part in parts] == [0, 10, 20, 30, 40, 50]
        tally = shards.encode_shards(parts, home.models / "toy", rules, Task(lambda *a: told.append(a)))
        files = [pa.ipc.open_file(part.target).read_all() for part in parts]
        made.append((pa.concat_tables(files).to_pylist(), tally))
    assert made[0] == made[1]
    found, tally = made[0]
    assert [row["row"] for row in found] == [row for row in range(60) if row != 17]
    assert (tally.rows, tally.kept, tally.cut) == (60, 59, 1)
    assert [(count, rows) for _, (count, rows) in tally.reasons] == [(1, [17])]
    assert told[-1][:2] == (60, 60) and [done for done, _, _ in told[:6]] == [10, 20, 30, 40, 50, 60]


def test_a_stop_ends_the_processes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def stop() -> None:
        if told:
            raise Asked

    told: list[Any] = []
    monkeypatch.setattr("workbench.rows.table.GROUP_ROWS", 10)
    write_rows(home, "many", "conversation", conversations(60))
    monkeypatch.setattr(shards, "SHARD_BYTES", 1)
    monkeypatch.setattr(shards, "cores", lambda: 2)
    rules = Rules("conversation", CHATML, 64)
    with pytest.raises(Asked):
        encoded_rows(home, "many", "train", home.models / "toy", rules, Task(lambda *given: told.append(given), stop))
    assert not multiprocessing.active_children() and not list((home.cache / "encoded").iterdir())


KILLED = """
import sys
from pathlib import Path
from workbench.data.encoding import shards
from workbench.data.encoding.cache import encoded_rows
from workbench.data.encoding.batches import Rules
from workbench.rendering.templates import get_template
from workbench.core.home import Home
from workbench.core.tasks import Task

def tell(*_):
    print("at work", flush=True)

if __name__ == "__main__":
    shards.SHARD_BYTES, shards.cores = 1, lambda: 2
    home = Home.at(sys.argv[1])
    rules = Rules("conversation", get_template("chatml"), 512)
    encoded_rows(home, "many", "train", home.models / "toy", rules, Task(tell))
"""


@pytest.mark.prove
def test_processes_end_with_a_job_that_is_killed(home: Home, tmp_path: Path) -> None:
    write_rows(home, "many", "conversation", conversations(60_000))
    (tmp_path / "encode.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "encode.py"), str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as job:
        assert job.stdout and job.stdout.readline() == b"at work\n"
        children = psutil.Process(job.pid).children(recursive=True)
        assert len(children) >= 4  # two workers, each with its process that renders templates
        job.kill()
    gone = until(lambda: not any(alive(child) for child in children), 60, "the end of its processes")
    assert gone and [path.name[:9] for path in (home.cache / "encoded").iterdir()] == [".partial-"]
    encoded_rows(home, "talks", "train", home.models / "toy", Rules("conversation", CHATML, 64))
    assert all(not path.name.startswith(".partial-") for path in (home.cache / "encoded").iterdir())


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_damaged_dataset_is_named(home: Home) -> None:
    (home.datasets / "talks" / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"talks/train\.parquet is damaged"):
        encode(home)


def test_a_model_without_a_fast_tokenizer_is_named(home: Home) -> None:
    (home.models / "toy" / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        encode(home)


# ---- what is left out --------------------------------------------------------------------------------------

LONG = " ".join(["word"] * 100)
REFUSES_SYSTEM = Template(
    "s", "{% if messages[0].role == 'system' %}{{ raise_exception('no system prompt') }}{% endif %}" + CHATML.text
)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (pair("Hi", "It is good.", "No."), ""),
        (pair(LONG, "yes", "no"), "chosen: The prompt alone fills the 64 tokens"),
        (pair("Hi", LONG + " yes", LONG + " no"), "the same within 64 tokens: what tells them apart is cut off"),
        (pair("Hi", "yes " + LONG, "no " + LONG), ""),
        (pair("Hi", "It is good.", "It is good."), "Chosen and rejected are the same."),
        (pair("Hi", "", "no"), "chosen: The answer is empty."),
        (pair("Hi", "yes", " \n"), "rejected: The answer is empty."),
        (pair("Hi", "yes", "no", system="Be brief."), "chosen: The chat template (s) cannot render this: no system"),
    ],
)
def test_pairs_that_teach_nothing_are_left_out_with_the_reason(row: Any, reason: str, home: Home) -> None:
    tokenizer = Tokenizer.load(home.models / "toy")
    batch, tally = encode_batch([row], 7, tokenizer, Rules("preference", REFUSES_SYSTEM, 64))
    assert (batch.num_rows, tally.kept, tally.rows) == ((0, 0, 1) if reason else (1, 1, 1))
    if reason:
        ((said, (count, rows)),) = tally.reasons
        assert reason in said and (count, rows) == (1, [7])


def asked(prompt: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


@pytest.mark.parametrize(
    ("kind", "row", "reason"),
    [
        ("conversation", asked("a", ""), "The answer is empty."),
        ("conversation", asked(LONG, "a"), "The prompt alone fills the 64 tokens"),
        ("text", {"text": "  "}, "The text is empty."),
        ("text", {"text": "The wren sings."}, ""),
    ],
)
def test_rows_that_teach_nothing_are_left_out_with_the_reason(kind: str, row: Any, reason: str, home: Home) -> None:
    tokenizer = Tokenizer.load(home.models / "toy")
    batch, tally = encode_batch([row], 0, tokenizer, Rules(kind, CHATML, 64))
    assert bool(batch.num_rows) is not bool(reason)
    assert not reason or reason in tally.reasons[0][0]


def test_a_text_of_one_token_has_nothing_to_learn(home: Home) -> None:
    """The first token is nobody's to predict: its loss would be a division by zero."""
    bare = Tokenizer(Tokenizer.load(home.models / "toy").backend, {})
    batch, tally = encode_batch([{"text": "<|endoftext|>"}], 0, bare, Rules("text", CHATML, 64))
    assert not batch.num_rows and "too short" in tally.reasons[0][0]


def test_everything_learned_counts_the_whole_conversation_even_with_an_empty_answer(home: Home) -> None:
    batch, _ = encode_batch(
        [asked("a", "")], 0, Tokenizer.load(home.models / "toy"), Rules("conversation", CHATML, 64, "all")
    )
    (spans,) = batch.column("spans").to_pylist()
    assert spans == [{"start": 0, "end": len(batch.column("input_ids")[0]), "weight": 1.0}]


def test_counts_add_up_and_many_reasons_are_bounded() -> None:
    tally, rows = Tally(), 3 * REASONS
    for row in range(rows):
        one = Tally(rows=1)
        one.leave_out(f"Reason {row}." if row % 2 else "Often.", [row])
        tally.add(one)
    assert tally.rows == rows == sum(count for count, _ in tally.left_out.values())
    assert len(tally.left_out) == REASONS + 1 and OTHER in tally.left_out
    assert tally.reasons[0] == ("Often.", (rows // 2, [0, 2, 4, 6, 8][:EXAMPLES]))
    assert Tally.from_dict(tally.to_dict()) == tally


def test_the_sentences_name_rows_as_the_page_counts_them() -> None:
    tally = Tally(rows=10, kept=7, tokens=1234, trained=400, longest=99, cut=2)
    tally.leave_out("It is empty.", [0, 4, 8], 3)
    tally.warnings.update({"answer cut off": 2})
    assert tally.sentences("train") == [
        "train: 7 of 10 rows, 1,234 tokens, 400 of them learned.",
        "train: 2 rows are cut off at the maximum length; the longest has 99 tokens.",
        "train: left out 3 (rows 1, 5, 9): It is empty.",
        "train: the token view has more on: answer cut off (2).",
    ]


# ---- the token view ----------------------------------------------------------------------------------------


def learned(row: dict[str, Any], side: str) -> tuple[list[int], list[bool]]:
    ids = row[f"{side or 'input'}_ids"]
    spans = row[f"{side}_spans" if side else "spans"]
    return ids, [any(span["start"] <= place < span["end"] for span in spans) for place in range(len(ids))]


def test_ids_and_mask_are_those_of_the_token_view(home: Home) -> None:
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    rows = [
        pair("Bonn?", {"content": "", "tool_calls": [call]}, "Dunno", tools=tools),
        pair("Bonn?", "It rains, and it will rain tomorrow, and the day after too." * 30, "Dunno", system="Be brief."),
    ]
    tokenizer, qwen = Tokenizer.load(home.models / "toy"), get_template("qwen")
    batch, tally = encode_batch(rows, 0, tokenizer, Rules("preference", qwen, 700))
    assert (tally.kept, tally.cut) == (2, 1)
    for row, made in zip(rows, batch.to_pylist(), strict=True):
        for side in token_view(row, tokenizer, qwen, 700)["sides"]:
            shown = [token for token in side["tokens"] if not token["cut"]]
            ids, mask = learned(made, side["title"])
            assert ids == [token["id"] for token in shown] and mask == [token["trained"] for token in shown]
            assert any(mask) and not all(mask)


def test_a_cache_is_made_anew_when_what_renders_changes() -> None:
    modules = {path.name for room in cache.ENCODING_ROOMS for path in (cache.ROOT / "workbench" / room).glob("*.py")}
    assert {"templates.py", "template_spans.py", "tokenizer.py", "masking.py", "canonical.py", "batches.py"} <= modules
