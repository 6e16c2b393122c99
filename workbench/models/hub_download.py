"""Models from the Hugging Face hub: pinned to a commit, safetensors only, no remote code."""

from pathlib import Path
from typing import Any

from workbench.core.errors import UserError

FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model", "README.md"]


def download_model(repo: str, revision: str, target: Path) -> tuple[Path, str]:
    """Fetches a repository's safetensors and configuration; returns the folder and the commit it is pinned to.

    Raises `UserError` when the hub is not reached, or has no such repository, revision or access.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        info = HfApi().model_info(repo, revision=revision, timeout=10)
        commit = str(info.sha)
        folder = snapshot_download(repo, revision=commit, allow_patterns=FILES, local_dir=target / commit)
    except Exception as error:
        raise _explained(error, repo, revision) from None
    return Path(folder), commit


def _explained(error: Exception, repo: str, revision: str) -> UserError:
    from huggingface_hub import errors

    cases: list[tuple[Any, str, str]] = [
        (errors.GatedRepoError, f"{repo} is gated.", "Accept its terms on its page and log in with `hf auth login`."),
        (errors.RevisionNotFoundError, f"{repo} has no revision {revision!r}.", "Name a branch, tag or commit."),
        (errors.RepositoryNotFoundError, f"There is no model {repo!r} on the hub.", "Check the spelling: owner/name."),
        (errors.HFValidationError, f"{repo!r} is no hub id.", "It reads owner/name."),
    ]
    for kind, message, remedy in cases:
        if isinstance(error, kind):
            return UserError(message, remedy, "repo")
    return UserError(
        f"The Hugging Face hub is not reached ({type(error).__name__}).",
        "Check the connection, or download the model elsewhere and add its folder.",
        "repo",
    )
