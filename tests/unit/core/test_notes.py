"""Tags and notes: what may be written, the file they lie in, and that they are no part of what they lie beside."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.home_of_many import add_model
from tests.damaged import CONTENTS
from workbench.core import notes
from workbench.core.errors import SpecError, UserError
from workbench.core.formats import NewerVersion
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, digest_of, verify, write_manifest
from workbench.core.notes import (
    MOST_TAGS,
    NO_NOTES,
    NOTE_CHARACTERS,
    NOTES_FILE,
    TAG_CHARACTERS,
    UserNotes,
    changed_tags,
    check_note,
    check_tag,
    check_tags,
    read_notes,
    shelf_notes,
    write_notes,
)

TAGS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "M")), max_size=40)


@pytest.mark.parametrize(
    ("text", "tag"), [("#Keep", "keep"), (" v1.2 ", "v1.2"), ("für-später", "für-später"), ("a/b_c+d", "a/b_c+d")]
)
def test_a_tag_is_one_short_word_in_lower_case(text: str, tag: str) -> None:
    assert check_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"), ("#", "is empty"), ("two words", "no plain word"), ("-x", "no plain word"), ("<b>", "plain"),
        ("a,b", "no plain word"), ("x" * (TAG_CHARACTERS + 1), f"{TAG_CHARACTERS} at most"), (5, "is no text"),
        ("a\0", "no plain word"), ("🙂", "no plain word"),
    ],
)  # fmt: skip
def test_what_is_no_tag_is_refused_with_what_to_write(text: object, says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        check_tag(text)
    assert refused.value.field == "tags" or refused.value.message


@given(TAGS)
def test_a_tag_that_is_taken_stays_as_it_is_and_is_no_option_or_markup(text: str) -> None:
    try:
        tag = check_tag(text)
    except UserError:
        return
    assert check_tag(tag) == tag == check_tag(f"#{tag}") and tag[0] not in "-+#" and not set(tag) & set("<>&\"' ,")


def test_all_that_is_wrong_with_tags_is_said_at_once() -> None:
    with pytest.raises(SpecError) as refused:
        check_tags(["good", "two words", ""])
    assert len(refused.value.problems) == 2
    with pytest.raises(SpecError, match=f"Use {MOST_TAGS} at most"):
        check_tags(map(str, range(MOST_TAGS + 1)))


def test_tags_are_added_once_and_taken_away() -> None:
    assert changed_tags(("a", "b"), add=["#C", "a"], remove=["B"]) == ("a", "c")
    with pytest.raises(SpecError, match=r"no tag 'z'.*a, b"):
        changed_tags(("a", "b"), remove=["z"])


def test_a_note_is_bounded_and_has_no_control_characters() -> None:
    assert check_note(" one\r\ntwo\rthree\u2028four ") == "one\ntwo\nthree\nfour"
    with pytest.raises(
        UserError, match=f"has {NOTE_CHARACTERS + 2:,} characters. Use {NOTE_CHARACTERS:,} .* 2 too long"
    ):
        check_note("x" * (NOTE_CHARACTERS + 2))
    for odd in ("\0", "\x1b[31m", "\ud800"):
        with pytest.raises(UserError, match=r"the character U\+"):
            check_note(f"text {odd}")


@settings(deadline=None)
@given(st.text(max_size=300), st.lists(TAGS, max_size=6))
def test_what_is_written_is_read_as_it_was(text: str, words: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            written = write_notes(Path(folder), UserNotes(tuple(words), text))
        except UserError:
            assert not list(Path(folder).iterdir())
            return
        assert read_notes(Path(folder)) == written
        assert (Path(folder) / NOTES_FILE).exists() == (written != NO_NOTES)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_damaged_file_is_said_and_can_be_written_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NOTES_FILE).write_bytes(content)
    damaged = read_notes(tmp_path)
    assert damaged.error or damaged == NO_NOTES
    assert len(damaged.error) <= 500
    assert write_notes(tmp_path, UserNotes(("new",), "text")) == read_notes(tmp_path)


def test_a_file_of_a_newer_version_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / NOTES_FILE).write_text("format: 99\ntags: [x]\n")
    assert "newer" in read_notes(tmp_path).error
    with pytest.raises(NewerVersion):
        write_notes(tmp_path, UserNotes(("mine",)))
    assert "format: 99" in (tmp_path / NOTES_FILE).read_text()


def test_without_room_the_notes_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_notes(tmp_path, UserNotes(("old",)))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(notes, "write_text", full)
    with pytest.raises(UserError, match="Tags and note were not saved: The disk is full"):
        write_notes(tmp_path, UserNotes(("new",)))
    assert read_notes(tmp_path).tags == ("old",)


# ---- beside artifacts --------------------------------------------------------------------------------------------


def artifact(folder: Path, text: str) -> None:
    (folder / "weights.txt").write_text(text)
    write_manifest(folder, Manifest(kind="model", name="m"))


def test_notes_are_no_part_of_what_an_artifact_is(tmp_path: Path) -> None:
    artifact(tmp_path, "one")
    before = digest_of(tmp_path)
    write_notes(tmp_path, UserNotes(("mine",), "text"))
    verify(tmp_path)
    assert digest_of(tmp_path) == before


def test_what_is_made_anew_under_its_name_keeps_its_notes(tmp_path: Path) -> None:
    target = tmp_path / "m"
    with atomic_dir(target) as partial:
        artifact(partial, "one")
    write_notes(target, UserNotes(("mine",), "text"))
    with atomic_dir(target, replace=True) as partial:
        artifact(partial, "two")
        write_notes(target, UserNotes(("mine",), "written meanwhile"))
    assert (target / "weights.txt").read_text() == "two"
    assert read_notes(target) == UserNotes(("mine",), "written meanwhile")


def test_a_folder_that_is_no_artifact_gets_no_notes_of_another(tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.mkdir()
    (target / NOTES_FILE).write_text("somebody's own file")
    with atomic_dir(target, replace=True) as partial:
        (partial / "rows.jsonl").write_text("{}")
    assert [path.name for path in target.iterdir()] == ["rows.jsonl"]


# ---- of a whole shelf --------------------------------------------------------------------------------------------


def test_only_files_that_changed_are_read_again(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.at(own_home)
    first = add_model(home, 0)
    second = add_model(home, 1, first)
    for folder in (first, second):
        write_notes(folder, UserNotes((folder.name,)))
    monkeypatch.setattr(notes, "settled", lambda _: True)  # no waiting for the file system's clock to go on
    read: list[str] = []
    monkeypatch.setattr(notes, "read_notes", lambda folder: read.append(folder.name) or read_notes(folder))
    assert shelf_notes(home.models) == {name: UserNotes((name,)) for name in (first.name, second.name)}
    assert shelf_notes(home.models) and sorted(read) == [first.name, second.name]
    write_notes(second, UserNotes(("other",)))
    assert shelf_notes(home.models)[second.name].tags == ("other",) and len(read) == 3
    write_notes(second, NO_NOTES)
    assert list(shelf_notes(home.models)) == [first.name]
