"""Steps that look at single texts: personal data, patterns, refusals, markup, broken characters, languages."""

import time
from typing import Any

import pytest

from workbench.core.errors import Problems
from workbench.core.home import Home
from workbench.data.recipes.step import STEPS, Outcome, StepWork
from workbench.data.recipes.steps.refusals import expressions, usual_phrases
from workbench.data.text import check_digits, html_and_markdown
from workbench.data.text.languages import sample_of
from workbench.data.text.personal_data import FINDERS, masked, spans
from workbench.rows.split_rows import Rows
from workbench.rows.table import table_of

ALL = tuple(FINDERS)


def talk(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def apply(home: Home, method: str, rows: list[dict[str, Any]], kind: str = "conversation", **settings: Any) -> Outcome:
    step = STEPS.parse({"method": method, **settings})
    if step.unavailable():
        pytest.skip(step.unavailable())
    return step.apply(Rows.of(kind, table_of(kind, rows)), StepWork(home))


def faults(home: Home, method: str, kind: str = "conversation", **settings: Any) -> list[str]:
    problems = Problems()
    STEPS.parse({"method": method, **settings}).check(home, kind, problems)
    return [problem.field for problem in problems.found]


@pytest.fixture
def home(tmp_path: Any) -> Home:
    return Home.at(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail ann.lee+x@mail.example.org, please.", "Mail [EMAIL], please."),
        ("Call +44 20 7946 0958 or (555) 123-4567.", "Call [PHONE] or [PHONE]."),
        ("Ring 030 1234 5678 today.", "Ring [PHONE] today."),
        ("Pay with 4111 1111 1111 1111.", "Pay with [CARD]."),
        ("To DE89 3704 0044 0532 0130 00 THEN WAIT.", "To [IBAN] THEN WAIT."),
        ("Hosts 192.0.2.17 and 2001:db8::8a2e:370:7334 answer.", "Hosts [IP] and [IP] answer."),
        ("Token gh" + "p_" + "a1" * 18 + ".", "Token [KEY]."),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\nabc\n-----END", "[KEY]"),
    ],
)
def test_personal_data_is_masked(text: str, expected: str) -> None:
    assert masked(text, spans(text, ALL)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Card 4111 1111 1111 1112 fails Luhn, as does 1234567890123.",
        "IBAN DE89 3704 0044 0532 0130 01 fails mod 97.",
        "Version 1.2.3 of 2024-01-02 at 12:30:45, 127.0.0.1 and 999.1.1.1.",
        "std::vector<a> b::c; pi is 3.14159265358979, 1,000,000 people, page 12-345.",
        "See a@b or @handle, $x@y$, sk-short.",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert spans(text, ALL) == []


@pytest.mark.parametrize("number", ["378282246310005", "6011111111111117", "5555 5555 5555 4444", "3530111333300000"])
def test_card_numbers_of_every_maker(number: str) -> None:
    assert check_digits.is_card(number)
    assert not check_digits.is_card(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_your_own_patterns_are_masked_by_their_name(home: Home) -> None:
    rows = [talk("My number is AB-1234.", "Thank you, AB-1234."), talk("Hello there.", "Hello.")]
    outcome = apply(home, "pii", rows, own={"member": r"\bAB-\d{4}\b"})
    assert list(outcome.changed) == [0]
    assert [turn["content"] for turn in outcome.changed[0][0]["messages"]] == [
        "My number is [MEMBER].", "Thank you, [MEMBER].",
    ]  # fmt: skip
    assert faults(home, "pii", own={"bad": "("}) == ["own.bad"]


@pytest.mark.parametrize("text", ["a" * 400_000, "1 " * 200_000, "a@" * 200_000, "eyJ-" * 100_000, "1:" * 200_000])
def test_long_texts_take_linear_time(text: str) -> None:
    begun = time.process_time()
    spans(text, ALL)
    assert time.process_time() - begun < 5


def test_patterns_look_at_each_turn_of_the_part(home: Home) -> None:
    rows = [talk("alpha one", "beta"), talk("beta", "alpha two alpha three")]
    outcome = apply(home, "pattern", rows, patterns=[r"alpha \w+"], part="assistant")
    assert {place: verdict.excerpts for place, verdict in outcome.removed.items()} == {1: ("alpha two", "alpha three")}
    kept = apply(home, "pattern", rows, patterns=["^BETA$"], action="keep", part="user", ignore_case=True)
    assert list(kept.removed) == [0]


def test_a_pattern_replaces_with_groups_and_drops_what_gets_blank(home: Home) -> None:
    rows = [talk("name: Ann", "fine"), talk("Bob", "name: Bob")]
    outcome = apply(home, "pattern", rows, patterns=[r"name: (\w+)"], action="replace", replacement=r"<\1>")
    assert outcome.changed[0][0]["messages"][0]["content"] == "<Ann>"
    gone = apply(home, "pattern", rows, patterns=["fine"], action="replace")
    assert list(gone.removed) == [0] and "no usable row" in gone.removed[0].reason


def test_a_pattern_of_a_pair_that_leaves_both_sides_equal_removes_it(home: Home) -> None:
    said = [{"role": "assistant", "content": "yes 1"}]
    row = {"prompt": talk("q", "a")["messages"][:1], "chosen": said, "rejected": [{**said[0], "content": "yes 2"}]}
    outcome = apply(home, "pattern", [row], "preference", patterns=[r"\d"], action="replace", replacement="n")
    assert "the same" in outcome.removed[0].reason


def test_a_pattern_that_is_none_is_told_by_its_field(home: Home) -> None:
    assert faults(home, "pattern", patterns=["fine", "(?<=a)b", ""]) == ["patterns[1]", "patterns[2]"]
    assert faults(home, "pattern", patterns=["a"], action="replace", replacement=r"\4") == ["patterns[0]"]
    assert faults(home, "pattern", patterns=[]) == ["patterns"]


def test_personal_data_in_the_keys_of_arguments_is_masked_and_nothing_lost(home: Home) -> None:
    arguments = {
        "mails": {
            "jane@example.org": "Hello",
            "[EMAIL]": 1,
            "joe@example.org": [{"ann@example.org": "joe@example.org"}],
        },
        "": "x",
    }
    call = {"type": "function", "function": {"name": "mail", "arguments": arguments}}
    asked, told = talk("Write to them", "Done.")["messages"]
    row = {"messages": [asked, {"role": "assistant", "content": "", "tool_calls": [call]}, told]}
    outcome = apply(home, "pii", [row])
    changed, verdict = outcome.changed[0]
    assert changed["messages"][1]["tool_calls"][0]["function"]["arguments"] == {
        "mails": {"[EMAIL] 2": "Hello", "[EMAIL]": 1, "[EMAIL] 3": [{"[EMAIL]": "[EMAIL]"}]}, "": "x",
    }  # fmt: skip
    assert verdict.reason == "Masked: 4 × e-mail address." and outcome.notes == ["Found 4 × e-mail address."]
    assert list(apply(home, "pii", [row], action="drop").removed) == [0]
    assert apply(home, "pii", [row], part="user").changed == {}
    named = apply(home, "pattern", [row], patterns=["^mails$"])
    assert named.removed == {}, "what is only the name of an argument is not what somebody said"


def test_refusals_are_found_with_any_apostrophe_and_only_in_answers(home: Home) -> None:
    rows = [
        talk("Hi", "I’m sorry, but I can’t\nhelp with this."),
        talk("As an AI language model, what are you?", "A program."),
        talk("Tell a story", "'I'm sorry, but I can't stay', she said."),
        talk("Was?", "Das kann ich nicht beantworten."),
    ]
    assert list(apply(home, "refusals", rows).removed) == [0]
    own = apply(home, "refusals", rows, usual=False, phrases=["^das kann ich nicht"], action="flag")
    assert list(own.flagged) == [3] and own.flagged[3].excerpts == ("Das kann ich nicht",)


def test_the_list_of_refusals_is_read_without_its_comments() -> None:
    phrases = usual_phrases()
    assert len(phrases) > 60 and not any(phrase.startswith("#") for phrase in phrases)
    assert len(expressions(phrases)) == 2 and len(set(phrases)) == len(phrases)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>One &lt;two&gt;</p><p>Three</p>", "One <two>\n\nThree"),
        ("A <br>B<br/>C", "A \nB\nC"),
        ("<ul><li>x</li><li>y</li></ul>", "- x\n- y"),
        ("Keep List<int> and x < y > z.", "Keep List<int> and x < y > z."),
        (
            "Use `<b>` and\n```html\n<p>&amp;</p>\n```\nas <i>said</i>",
            "Use `<b>` and\n```html\n<p>&amp;</p>\n```\nas said",
        ),
        ("a<script>var x = '<b>';</script>b<!-- no -->c", "abc"),
        ("<pre>if a &lt; b</pre>", "```\nif a < b\n```"),
        ("no tags & no &entities here", "no tags & no &entities here"),
    ],
)
def test_html_is_taken_out(text: str, expected: str) -> None:
    assert html_and_markdown.without_html(text) == expected


def test_markdown_is_taken_out_outside_code() -> None:
    text = (
        "# Head\n**bold** and *soft*, 2*3*4, snake_case_name\n[here](https://x.org) `**a**`\n```\n# kept\n```\n> said"
    )
    assert html_and_markdown.without_markdown(text) == (
        "Head\nbold and soft, 2*3*4, snake_case_name\nhere `**a**`\n```\n# kept\n```\nsaid"
    )


@pytest.mark.parametrize(
    "text", ["<!--" * 50_000, "<a " * 50_000, "<" * 200_000, "`" * 99_999, "[" * 99_999, "*a" * 9999]
)
def test_broken_markup_takes_linear_time(text: str) -> None:
    begun = time.process_time()
    html_and_markdown.without_markdown(html_and_markdown.without_html(text))
    assert time.process_time() - begun < 8


def test_broken_characters_are_mended_and_quotes_left(home: Home) -> None:
    rows = [talk("It’s “fine”", "schÃ¶n"), talk("a\x07b", "e\u0301 is é"), talk("plain", "plain")]
    outcome = apply(home, "unicode_repair", rows)
    said = {place: [turn["content"] for turn in row["messages"]] for place, (row, _) in outcome.changed.items()}
    assert said == {0: ["It’s “fine”", "schön"], 1: ["ab", "é is é"]}
    assert outcome.changed[0][1].excerpts == ("schÃ¶n",)
    straight = apply(home, "unicode_repair", rows, quotes=True)
    assert straight.changed[0][0]["messages"][0]["content"] == 'It\'s "fine"'


def test_languages_are_kept_and_what_is_unclear_too(home: Home) -> None:
    rows = [
        talk("What is the capital of France?", "The capital of France is Paris, of course."),
        talk("Wie heißt die Hauptstadt von Frankreich?", "Die Hauptstadt von Frankreich heißt Paris."),
        talk("2 + 2", "4"),
    ]
    outcome = apply(home, "language", rows)
    assert list(outcome.removed) == [1] and "German (de)" in outcome.removed[1].reason
    assert list(apply(home, "language", rows, languages=["de"], unclear="drop").removed) == [0, 2]
    assert faults(home, "language", languages=["en", "english"]) == ["languages[1]"]


def test_code_does_not_decide_the_language() -> None:
    assert (
        sample_of("Schreibe eine Funktion dafür:\n```python\nfor line in file: print(line)\n```").strip().endswith(":")
    )
    assert sample_of("12345 67890") == "" and sample_of("他去了北京大学学习") != ""
