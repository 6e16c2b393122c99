"""Uploading GGUF files: what is checked before, what is sent, and what a refusal says."""

from pathlib import Path
from typing import Any

import pytest

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, write_manifest
from workbench.family.front_matter import declared
from workbench.family.jobs.push_gguf import repository_card
from workbench.jobs.job import JOBS, Job, JobContext

NAMES = ["small-q8_0", "small-q4_k_m"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path / "home")
    for name in NAMES:
        with atomic_dir(home.models / name) as folder:
            (folder / "model.gguf").write_bytes(b"GGUF" + bytes(2000))
            (folder / "README.md").write_text("---\nlicense: mit\nbase_model: owner/small\n---\n")
            kind = name.removeprefix("small-").upper()
            write_manifest(folder, Manifest(kind="gguf", name=name, info={"type": kind}))
    return home


def push(**settings: Any) -> Job:
    return JOBS.parse({"method": "push-gguf", "repo": "me/small-GGUF", "models": NAMES, **settings})


def problems(job: Job, home: Home) -> list[str]:
    found = Problems()
    job.check(home, found)
    return [str(problem) for problem in found.found]


class Hub:
    """Stands in for `HfApi` and remembers what it was asked."""

    sent: list[tuple[str, Any]] = []
    private: list[bool] = []

    def create_repo(self, repo: str, private: bool, exist_ok: bool) -> str:
        assert exist_ok
        self.private.append(private)
        return f"https://hub/{repo}"

    def upload_file(self, path_or_fileobj: Any, path_in_repo: str, repo_id: str) -> None:
        self.sent.append((path_in_repo, path_or_fileobj))


def test_each_model_becomes_a_file_and_the_card_tells_their_source(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    result = push().run(JobContext(home, tmp_path))
    assert [name for name, _ in Hub.sent] == [f"{name}.gguf" for name in NAMES] + ["README.md"]
    assert [path for _, path in Hub.sent[:2]] == [home.models / name / "model.gguf" for name in NAMES]
    assert Hub.private == [True]
    assert result["repository"] == "https://hub/me/small-GGUF"


def test_the_card_names_licence_base_types_and_sizes(home: Home, tmp_path: Path) -> None:
    text = repository_card("me/small-GGUF", [home.models / name for name in NAMES])
    (tmp_path / "README.md").write_text(text)
    front = declared(tmp_path)
    assert (front.license, front.base_model) == ("mit", ["owner/small"])
    assert "Q4\\_K\\_M | 2.0 kB" in text
    assert "--hf-repo me/small-GGUF --hf-file small-q8_0.gguf" in text


def test_no_login_and_wrong_models_are_told_together_before_it_starts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    found = problems(push(models=[NAMES[0], NAMES[0], "gone"]), home)
    assert len(found) == 3
    assert any("hf auth login" in problem for problem in found)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    assert problems(push(), home) == []


def test_no_field_can_hold_a_token() -> None:
    assert set(type(push()).model_fields) == {"repo", "models", "private"}


def test_an_unreachable_hub_says_so(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unplugged(Hub):
        def create_repo(self, repo: str, private: bool, exist_ok: bool) -> str:
            raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi", Unplugged)
    with pytest.raises(UserError, match="not reached"):
        push().run(JobContext(home, tmp_path))
