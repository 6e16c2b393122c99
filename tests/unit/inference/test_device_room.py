"""Whether a model fits beside what the device holds, and what is said when it does not."""

from pathlib import Path

import pytest

from tests.toys import EXACT, toy_home
from workbench.core.device_ledger import DeviceLedger, Holder
from workbench.core.home import Home
from workbench.inference import device_room as room
from workbench.inference.device_room import NoRoom, require_room
from workbench.inference.engine import Engine


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return toy_home(tmp_path)


def test_what_fits_says_how_much_it_takes_of_what_is_free(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda device: 14_000_000_000)
    assert require_room(home, EXACT, "toy", 270_000_000) == "270 MB of 14 GB free"


def test_what_does_not_fit_names_who_holds_the_rest_and_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [Holder("job", "SFT poet", "j", "cuda", 11_000_000_000, 1), Holder("chat", "Chat", "", "cpu", 5, 2)]
    monkeypatch.setattr(DeviceLedger, "holders", lambda self: held)
    monkeypatch.setattr(room, "free_memory", lambda device: 1_000_000_000)
    with pytest.raises(NoRoom) as caught:
        require_room(home, EXACT.model_copy(update={"device": "cuda"}), "llama", 8_000_000_000)
    assert caught.value.message == (
        "llama takes 8.0 GB, and 1.0 GB of the GPU are free. SFT poet holds 11 GB of the GPU."
    )
    assert caught.value.remedy == "Wait for it or pause it, or answer on the CPU, or choose fewer or smaller models."


def test_a_model_without_room_is_not_loaded_and_the_loaded_ones_say_what_they_give_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(home, EXACT)
    assert [line for line in engine.load(["toy"]) if line.startswith("Loading toy on cpu: ")]
    assert any(line.startswith("Dropping toy: ") for line in engine.load([]))
    monkeypatch.setattr(room, "free_memory", lambda device: 1000)
    with pytest.raises(NoRoom, match=r"1\.0 kB of RAM are free"):
        list(engine.load(["toy"]))
