"""The fast way of reading JSON lines gives exactly what the slow way gives, whatever the lines hold."""

import itertools
import json
import random
from pathlib import Path

import pytest

from workbench.data.reading import ingest, jsonl_fast, opening, row_batches
from workbench.data.reading.format import FORMATS, Format
from workbench.data.reading.readers import ReadingOptions
from workbench.data.reading.source_plan import FormatChoice
from workbench.rows.table import rows_of

GOOD = '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}'


def turns(*pairs: tuple[object, object], **more: object) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in pairs], **more})


NASTY = [
    turns(("human", "q"), ("GPT ", "a")),
    turns(("system", "s"), ("user", "q"), ("assistant", "a")),
    turns(("system", ""), ("user", "q"), ("assistant", "a")),
    turns(("user", "q"), ("system", "s"), ("assistant", "a")),
    turns(("user", "q")),
    turns(("user", "q"), ("assistant", "\u3000 \u2028\u0085")),
    turns(("user", "q"), ("assistant", "\u001c")),
    turns(("user", 5), ("assistant", 0.1)),
    turns(("user", 10**25), ("assistant", None)),
    turns(("robot", "q"), ("assistant", "a")),
    turns(("user", "${HOME} <script>\u0000</script>"), ("assistant", "ä日本𝄞 \U0001f600")),
    turns(("user", [{"type": "text", "text": "q"}]), ("assistant", "a")),
    turns(("user", "q"), ("assistant", "a"), id=1, extra={"deep": [1, {"x": None}]}),
    turns(("user", "Inf, NaN -NaN Infinity]"), ("assistant", "]}{[")),
    json.dumps({"messages": turns(("user", "q"), ("assistant", "a"))[13:-1]}),
    json.dumps({"messages": {"role": "user", "content": "q"}}),
    *(json.dumps({"messages": value}) for value in (None, [], [[]], [None], "x", 3)),
    '{"x": 1}',
    "[]",
    "",
    "   ",
    "\t",
    GOOD + " ",
    " " + GOOD,
    GOOD + GOOD,
    GOOD + ",",
    GOOD[:-1],
    "{}}",
    '{"messages":[{"role":"user","content":"q","content":"r"},{"role":"assistant","content":"a"}]}',
    '{"messages":[{"role":"user","content":"q","k":1,"k":2},{"role":"assistant","content":"a"}]}',
    '{"messages":[],"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}',
    *(
        GOOD[:-1] + f',"x":{value}}}'
        for value in ("NaN", "-NaN", "Inf", "-Inf", "-Infinity", "01", "1.", "1e999", "tru")
    ),
    GOOD[:-1] + ',"x":' + "9" * 5000 + "}",
    GOOD[:-1] + ',"x":"' + "9" * 9000 + '"}',
    GOOD[:-1] + ',"x":' + "[" * 3000 + "]" * 3000 + "}",
    GOOD[:-1] + ',"x":' + '{"a":' * 40 + "1" + "}" * 40 + "}",
    GOOD[:-1] + ',"x":"\\ud83d"}',
    GOOD.replace("q", "\\ud83d"),
    GOOD.replace("q", "\\ud83d\\ude00"),
    GOOD.replace("q", "a\tb"),
    GOOD.replace("q", "a\x00b"),
    GOOD.replace("q", "a\\qb"),
    GOOD.replace("q", "a\rb"),
    GOOD.replace(",", ",\n", 1),
    GOOD + "\r",
    "\ufeff" + GOOD,
    turns(("user", "q"), ("assistant", "a"), tools=[{"name": "f"}]),
    turns(("user", "q"), ("assistant", "a"), tools=None, system=None),
    turns(("user", "q"), ("assistant", "a"), system="Be brief."),
    GOOD.replace('"a"', 'null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]'),
    GOOD.replace('"a"', '"a","name":null,"weight":1'),
    GOOD.replace('"a"', '"a","name":"Ann"'),
    GOOD.replace('"a"', '"a","tool_call_id":"1"'),
    GOOD.replace("},{", "}\n,{") + "\n" + GOOD + GOOD,
]
FORMS = {
    "messages": FORMATS.parse({"method": "messages", "tools": "tools", "system": "system"}),
    "sharegpt": FORMATS.parse(
        {"method": "sharegpt", "conversations": "messages", "role_tag": "role", "content_tag": "content"}
    ),
    "plain_text": FORMATS.parse({"method": "plain_text", "text": "x", "others": "keep"}),
}


def gathered(path: Path, form: Format, rejects: Path) -> tuple[object, ...]:
    found = ingest.gather([path], FormatChoice(form), ReadingOptions(), rejects)
    return rows_of(found.table), found.rejected, rejects.read_text() if rejects.exists() else ""


def both(path: Path, form: Format, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[object, ...], tuple[object, ...]]:
    fast = gathered(path, form, path.with_suffix(".fast"))
    with monkeypatch.context() as patch:
        patch.setattr(row_batches, "read_fast", lambda *_: None)
        return fast, gathered(path, form, path.with_suffix(".slow"))


@pytest.mark.parametrize("name", list(FORMS))
def test_every_nasty_line_alone_among_good_ones(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = GOOD[:-1] + ',"x":"text"}'
    for number, line in enumerate(NASTY):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes("\n".join([good, line, good, ""]).encode("utf-8"))
        fast, slow = both(path, FORMS[name], monkeypatch)
        assert fast == slow, line[:200]


def test_all_together_in_small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(1)
    lines = [*NASTY * 3, *[GOOD] * 400]
    dice.shuffle(lines)
    path = tmp_path / "a.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8"))
    slow = both(path, FORMS["messages"], monkeypatch)[1]
    for size in (100, 1000, 10_000):
        monkeypatch.setattr(opening, "BLOCK_BYTES", size)
        fast, again = both(path, FORMS["messages"], monkeypatch)
        assert fast == again == slow


def test_plain_chunks_take_the_fast_way() -> None:
    layout = FORMS["messages"].layout()
    assert layout is not None
    extra = turns(("system", "Information"), ("user", 'a "b"\n'), ("assistant", "é"), id=7, tag="x", good=None)
    data = "\n".join([GOOD, extra, turns(("human", "q"), ("gpt", "a")), ""]).encode()
    read = jsonl_fast.read_fast(data, layout)
    assert read is not None and read.others.keys() == {"id", "tag"}
    part = row_batches.fast_batch(read, FORMS["messages"], {"id", "tag"}, 1)
    assert part is not None and rows_of(part.table) == [
        FORMS["messages"].convert(json.loads(line)) for line in data.decode().splitlines()
    ]
    assert part.keys.rows["id"] == 1 and part.keys.rows["messages.role"] == 3
    assert row_batches.fast_batch(read, FORMS["messages"], {"id"}, 1) is None  # a column no row before has filled


def test_line_numbers_after_fast_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BLOCK_BYTES", 200)
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(itertools.chain([GOOD] * 50, ["{bad"], [GOOD] * 50, ["", "[1]"])))
    gathered(path, FORMS["messages"], tmp_path / "r")
    bad = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert [(row["line"], row["file"]) for row in bad] == [(51, "a.jsonl"), (103, "a.jsonl")]
