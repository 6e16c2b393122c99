"""Specs, registries, homes, manifests and errors: the ground everything stands on."""

import ast
import errno
import json
import os
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from workbench.core.assets import ROOT
from workbench.core.errors import SEE_LOG, Problem, Problems, SpecError, UserError, explain
from workbench.core.hardware import Hardware, cached_hardware, hardware_from_os
from workbench.core.home import (
    OLD,
    PARTIAL,
    Home,
    atomic_dir,
    existing,
    free_name,
    hidden_name,
    list_all_artifacts,
    list_artifacts,
    remove_entry,
    remove_stale,
    safe_join,
    safe_name,
    slug,
)
from workbench.core.lineage import Manifest, digest_of, read_manifest, write_manifest
from workbench.core.registry import Method, Registry
from workbench.core.spec import Spec, load_yaml
from workbench.jobs.job import JOBS

DEAD = 2**22 + 1  # above the largest pid Linux gives


class Inner(Spec):
    warmth: float = Field(0.5, ge=0, le=1, description="How warm.")


class Outer(Spec):
    size: int = Field(1, ge=1, le=9, description="How large.")
    name: str = Field(description="What it is called.")
    inner: Inner = Field(default_factory=Inner, description="What is inside.")


def problems(call: object, *args: object) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        call(*args)  # type: ignore[operator]
    return {problem.field: f"{problem.message} {problem.remedy}" for problem in caught.value.problems}


# ---- Spec --------------------------------------------------------------------------------------------------


def test_a_spec_reports_all_its_problems_at_once() -> None:
    found = problems(Outer.parse, {"size": 12, "inner": {"warmth": "hot"}, "sise": 3})
    assert set(found) == {"size", "name", "inner.warmth", "sise"}
    assert "12" in found["size"] and "What it is called." in found["name"]


def test_an_unknown_setting_gets_a_did_you_mean_at_every_depth() -> None:
    found = problems(Outer.parse, {"name": "a", "sise": 3, "inner": {"warmht": 1}})
    assert "Did you mean size?" in found["sise"]
    assert "Did you mean warmth?" in found["inner.warmht"]


def test_the_problems_of_a_method_keep_their_path() -> None:
    found = problems(JOBS.parse, {"method": "train", "model": "m", "tuner": {"method": "lora", "r": 0, "alhpa": 1}})
    assert set(found) == {"dataset", "tuner.r", "tuner.alhpa"}
    assert "Did you mean alpha?" in found["tuner.alhpa"]


def test_an_unknown_method_is_named_with_the_nearest() -> None:
    found = problems(JOBS.parse, {"method": "train", "model": "m", "dataset": "d", "objective": "dop"})
    assert "Did you mean dpo?" in found["objective.method"]


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer(name="a").size = 2


def test_a_spec_goes_through_yaml_unchanged() -> None:
    spec = Outer(name="Ä: 'quoted'\nsecond line", size=3)
    assert Outer.parse(load_yaml(spec.to_yaml())) == spec


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x", "a: [1, 2", "a: 2024-13-45", "a: b: c", "\x00"])
def test_bad_yaml_is_refused_with_a_reason(text: str) -> None:
    found = problems(load_yaml, text)
    assert all("not valid YAML" in message for message in found.values())


def test_yaml_aliases_are_refused_by_name() -> None:
    assert "aliases (*x) are not allowed" in next(iter(problems(load_yaml, "a: &x 1\nb: *x").values()))


def test_bad_yaml_is_located() -> None:
    assert problems(load_yaml, "a: 1\n  b: 2")[""].startswith("line 2, column 4: not valid YAML")


# ---- where a problem lies ----------------------------------------------------------------------------------


class Part(Spec):
    sizes: list[int] = Field(default_factory=list, description="How large each is.")


class Whole(Spec):
    parts: list[Part] = Field(default_factory=list, description="What it consists of.")
    other: Part = Field(default_factory=Part, description="One more.")


def test_a_problem_has_the_path_of_its_setting_and_is_written_with_dots() -> None:
    data = {"parts": [{}, {"sizes": [1, "x"]}], "other": {"size": 1}}
    with pytest.raises(SpecError) as caught:
        Whole.parse(data)
    assert [(problem.path, problem.field) for problem in caught.value.problems] == [
        (("parts", 1, "sizes", 1), "parts[1].sizes[1]"), (("other", "size"), "other.size"),
    ]  # fmt: skip
    assert "parts[1].sizes[1]: " in str(caught.value)


def test_problems_are_nested_collected_and_written_as_plain_data() -> None:
    problems = Problems()
    problems.add("name", "is missing.")
    problems.nest(("steps", 2), [Problem(("share",), "is wrong."), Problem((), "cannot run here.", "Leave it out.")])
    problems.collect("model", UserError("is gone.", "", ("teacher", "base")))
    problems.collect("model", UserError("is gone."))
    assert [problem.path for problem in problems.found] == [
        ("name",), ("steps", 2, "share"), ("steps", 2), ("teacher", "base"), ("model",),
    ]  # fmt: skip
    assert [Problem.read(json.loads(json.dumps(problem.to_dict()))) for problem in problems.found] == problems.found
    assert str(Problem((), "cannot be read.", "Try again.")) == "cannot be read. Try again."


def test_no_path_is_written_as_one_name() -> None:
    """Paths are tuples: a dotted name would have to be taken apart again."""
    adding = {"add": 0, "collect": 0, "nest": 0, "note": 0, "Problem": 0, "UserError": 2}
    written = []
    for path in [path for folder in ("workbench", "tabs") for path in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            position = adding.get(getattr(node.func, "attr", getattr(node.func, "id", "")), 9)
            fields = [*node.args[position : position + 1], *(key.value for key in node.keywords if key.arg == "field")]
            fields = [field for field in fields if isinstance(field, ast.JoinedStr | ast.Constant)]
            texts = [text for field in fields for text in ast.walk(field) if isinstance(text, ast.Constant)]
            written += [f"{path.relative_to(ROOT)}:{node.lineno}" for text in texts if "." in str(text.value)]
    assert written == []


# ---- Registry ----------------------------------------------------------------------------------------------


def registry_of_one() -> Registry[Method]:
    registry: Registry[Method] = Registry("thing", "tests.naps")
    registry._discovered = True

    @registry.register
    class Thing(Method):
        """A thing."""

        method: ClassVar[str] = "thing"
        title: ClassVar[str] = "Thing"
        size: int = Field(1, ge=1, description="How large.")

    return registry


def test_a_method_name_is_given_once() -> None:
    registry = registry_of_one()
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(registry.get("thing"))


def test_a_method_is_made_from_its_name_or_its_settings() -> None:
    registry = registry_of_one()
    assert registry.parse("thing") == registry.parse({"method": "thing", "size": 1})
    assert registry.parse({"method": "thing", "size": 4}).to_dict() == {"method": "thing", "size": 4}


@pytest.mark.parametrize("data", [None, 3, [], {}, {"size": 1}, {"method": None}, {"method": "think"}])
def test_what_is_no_method_is_a_problem_of_the_method(data: object) -> None:
    assert set(problems(registry_of_one().parse, data)) == {"method"}


def test_a_method_field_reads_and_writes_through_its_registry() -> None:
    class Holder(Spec):
        thing: Annotated[Method, registry_of_one()]

    holder = Holder.parse({"thing": {"method": "thing", "size": 2}})
    assert Holder.parse(load_yaml(holder.to_yaml())) == holder
    assert set(problems(Holder.parse, {"thing": {"method": "thing", "size": 0}})) == {"thing.size"}


# ---- Home --------------------------------------------------------------------------------------------------

TRICKS = ["", " ", ".", "..", "../x", "a/b", "/etc", "a\\b", ".hidden", "-rf", "a\nb", "a\0", "ü", "a" * 81, None, 3]


@pytest.mark.parametrize("name", TRICKS)
def test_a_path_trick_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        safe_join(tmp_path, name, "output")
    assert caught.value.field == "output" and caught.value.remedy


def test_a_plain_name_is_kept() -> None:
    assert [safe_name(name) for name in ("a", " a-1.b_C ", "a" * 80)] == ["a", "a-1.b_C", "a" * 80]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="outside"):
        safe_join(tmp_path / "shelf", "link")


def test_other_scripts_give_usable_names() -> None:
    assert [slug(text) for text in ("数据", "Übung 1", "данные.jsonl")] == ["shuju", "ubung-1", "dannye.jsonl"]


@pytest.mark.parametrize("text", ["My Data (v2).jsonl", "../../etc", "…", "日本", "a" * 200, "-x-"])
def test_a_slug_is_a_safe_name(text: str) -> None:
    assert safe_name(slug(text)) == slug(text)


def test_a_free_name_counts_up(tmp_path: Path) -> None:
    for name in ("a", "a-2"):
        (tmp_path / name).mkdir()
    assert [free_name(tmp_path, "a"), free_name(tmp_path, "b")] == ["a-3", "b"]


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written") as caught:
        Home.at(tmp_path / "file" / "home")
    assert "WORKBENCH_HOME" in caught.value.remedy


def test_an_artifact_appears_whole(tmp_path: Path) -> None:
    with atomic_dir(tmp_path / "thing") as folder:
        (folder / "file").write_text("x")
        assert list_artifacts(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]
    assert (tmp_path / "thing" / "file").read_text() == "x"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_after_an_exception(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), atomic_dir(tmp_path / "thing") as folder:
        (folder / "file").write_text("x")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_taken_name_is_refused_before_work_starts(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    with pytest.raises(UserError, match="exists already"), atomic_dir(tmp_path / "thing"):
        pytest.fail("the block must not run")


def test_replacing_puts_the_new_one_in_the_old_ones_place(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_dir(tmp_path / "thing", replace=True) as folder:
            (folder / text).write_text(text)
    assert [path.name for path in tmp_path.rglob("*")] == ["thing", "new"]


def test_a_replacement_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    with atomic_dir(tmp_path / "thing") as folder:
        (folder / "old").write_text("old")
    with pytest.raises(ValueError), atomic_dir(tmp_path / "thing", replace=True):
        raise ValueError
    assert [path.name for path in tmp_path.rglob("*")] == ["thing", "old"]


def test_sweeping_removes_what_the_dead_left_and_spares_the_living(tmp_path: Path) -> None:
    for name in (f".partial-a-b-{DEAD}-00aa", f".partial-c-{os.getpid()}-00aa", ".partial-odd", "kept"):
        (tmp_path / name).mkdir()
    remove_stale(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f".partial-c-{os.getpid()}-00aa", ".partial-odd", "kept"}


@pytest.mark.parametrize("name", ["a", "a-b", "a-1-2", "1"])
@pytest.mark.parametrize("prefix", [PARTIAL, OLD])
def test_sweeping_knows_the_process_and_not_only_its_pid(prefix: str, name: str, tmp_path: Path) -> None:
    mine = tmp_path / hidden_name(prefix, name)
    earlier = tmp_path / f"{prefix}{name}-{os.getpid()}.000000000000-00aabb"  # had the pid before
    for folder in (mine, earlier):
        folder.mkdir()
    remove_stale(tmp_path)
    given_back = [name] if prefix == OLD else []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, *given_back])


def test_what_lies_on_a_shelf_is_found_and_removed_whatever_it_is(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shelf = tmp_path / "shelf"
    (shelf / "my model é").mkdir(parents=True)
    (shelf / "my model é" / "file").write_text("x")
    (shelf / "file").write_text("x")
    (shelf / "link").symlink_to(outside)
    (shelf / "nowhere").symlink_to(tmp_path / "gone")
    (shelf / ("n" * 250)).mkdir()
    (shelf / ".hidden").mkdir()
    for path in list_all_artifacts(shelf):
        assert existing(shelf, path.name) == path
        remove_entry(path)
    assert [path.name for path in shelf.iterdir()] == [".hidden"] and outside.is_dir()
    for name in ("..", ".", "", ".hidden", "../outside", f"{outside}", "a\0b", "none"):
        assert existing(shelf, name) is None


def test_sweeping_gives_back_what_lost_its_replacement(tmp_path: Path) -> None:
    (tmp_path / f".old-my-thing-{DEAD}-00aa").mkdir()
    (tmp_path / f".old-my-thing-{DEAD}-00aa" / "file").write_text("precious")
    remove_stale(tmp_path)
    assert (tmp_path / "my-thing" / "file").read_text() == "precious"


def test_sweeping_drops_the_old_when_the_new_is_there(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / f".old-thing-{DEAD}-00aa").mkdir()
    remove_stale(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


# ---- Manifest ----------------------------------------------------------------------------------------------


def test_a_manifest_is_completed_and_read_back(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("w")
    made = write_manifest(tmp_path, Manifest(kind="model", name="m", info={"note": "1: ä"}))
    assert made == read_manifest(tmp_path)
    assert made.digest == digest_of(tmp_path) and made.created and made.versions["torch"]


def test_the_digest_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest_of(tmp_path)
    (tmp_path / "a").write_text("2")
    second = digest_of(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digest_of(tmp_path)}) == 3


@pytest.mark.parametrize(
    "damage",
    [None, b"", b"kind: model", b"\xff\xfe\x00", b"kind: [", b"- a", b"kind: m\nname: n\nextra: 1", b"a: 2024-13-45"],
)
def test_a_damaged_manifest_is_a_users_error(damage: bytes | None, tmp_path: Path) -> None:
    if damage is not None:
        (tmp_path / "manifest.yaml").write_bytes(damage)
    with pytest.raises(UserError, match=r"damaged|has no") as caught:
        read_manifest(tmp_path)
    assert caught.value.remedy == "Import it again."


# ---- Errors ------------------------------------------------------------------------------------------------


CPU_FULL = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "34359738368 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    ("error", "says", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left", "/data/x"), "The disk is full (/data/x).", "Free some space"),
        (OSError(errno.EDQUOT, "Quota"), "The disk is full.", "Free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), "No permission", "owns that folder"),
        (MemoryError(), "Out of memory", "batch size"),
        (RuntimeError(CPU_FULL), "Out of memory: 34.4 GB more were asked for than may be used.", "batch size"),
        (RuntimeError("std::bad_alloc"), "Out of memory.", "batch size"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Out of memory: [Errno 12]", "batch size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore"), "Out of memory: CUDA", "batch size"),
        (KeyError("x"), "KeyError: 'x'.", SEE_LOG),
        (ValueError(), "ValueError.", SEE_LOG),
    ],
)
def test_an_error_is_explained_with_a_remedy(error: Exception, says: str, remedy: str) -> None:
    explained = explain(error, SEE_LOG)
    assert says in explained.message and remedy in explained.remedy
    assert "\n" not in explained.message


def test_an_error_of_ours_stays_itself() -> None:
    error = UserError("No.", "Yes.", "field")
    assert explain(error) is error and str(error) == "field: No. Yes."


def test_problems_join_those_of_other_checks() -> None:
    found = Problems()
    found.add("a", "wrong.", "Right it.")
    found.collect("b", UserError("bad.", "", "c"))
    found.collect("b", UserError("worse."))
    assert set(problems(found.check)) == {"a", "c", "b"}


# ---- Hardware ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"device": "cpu", "of_a_later_version": 1}'])
def test_a_damaged_memory_of_the_hardware_is_looked_up_again(text: str | None, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    if text is not None:
        (home.cache / "hardware.json").write_text(text)
    assert cached_hardware(home).device == hardware_from_os().device


def test_the_hardware_is_told_in_a_line() -> None:
    assert Hardware(cores=2, ram=8 * 2**30).describe() == "CPU · 2 cores · 8 GB RAM"
    gpu = Hardware(device="cuda", name="H100", memory=80 * 2**30, ram=8 * 2**30)
    assert gpu.describe() == "H100 · 80 GB · 8 GB RAM"
