"""What the owners of a Space are told of it."""

from pathlib import Path

import pytest

from tabs.overview import space_banner
from tabs.overview.space_banner import NO_HUB_LOGIN, ON_CPU, ZERO_GPU, space_sentences
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.core.settings import Settings

CPU, GPU = Hardware(cores=2), Hardware(device="cuda", name="NVIDIA A10G", memory=24 * 2**30)


@pytest.mark.parametrize(
    ("device", "zero", "login", "expected"),
    [
        (CPU, "", "", [ON_CPU, NO_HUB_LOGIN]), (CPU, "", "id", [ON_CPU]), (CPU, "true", "id", [ZERO_GPU]),
        (GPU, "", "id", []), (GPU, "false", "", [NO_HUB_LOGIN]),
    ],
)  # fmt: skip
def test_it_says_what_the_space_computes_with_and_what_is_missing(
    device: Hardware, zero: str, login: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space_banner, "cached_hardware", lambda home: device)
    for name, value in (("SPACE_ID", "me/bench"), ("SPACES_ZERO_GPU", zero), ("OAUTH_CLIENT_ID", login)):
        monkeypatch.setenv(name, value)
    warnings, facts = space_sentences(Home.at(tmp_path), Settings.current())
    assert len(warnings) == 1 and facts == [f"This Space: {device.describe()}.", *expected]
    monkeypatch.setenv("SPACE_ID", "")
    assert space_sentences(Home.at(tmp_path), Settings.current()) == ([], [])
