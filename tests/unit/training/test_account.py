"""The account of a run: seconds by phase, and joules of the counters that can be read."""

from pathlib import Path

from workbench.training.account import Account, EnergyCounters


def zone(folder: Path, name: str, used: int, most: int = 1_000_000_000) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(str(used))
    (folder / name / "max_energy_range_uj").write_text(str(most))


def test_energy_is_what_the_packages_counted_over_their_turn(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 5_000_000)
    zone(tmp_path, "intel-rapl:1", 999_000_000)
    zone(tmp_path, "intel-rapl:0:0", 1)  # the cores, which their package counts already
    counters = EnergyCounters(tmp_path)
    zone(tmp_path, "intel-rapl:0", 8_000_000)
    zone(tmp_path, "intel-rapl:1", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", 999)
    assert counters.joules() == 3.0 + 2.0


def test_without_a_counter_no_energy_is_told(tmp_path: Path) -> None:
    assert EnergyCounters(tmp_path).joules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyCounters(tmp_path).joules() is None


def test_seconds_go_to_what_was_done() -> None:
    account = Account()
    account.on_step_begin(None, None, None)
    account._mark -= 2.0
    account.on_step_end(None, None, None)
    account._mark -= 5.0  # nothing: the time between two steps that no event claims
    account.on_log(None, None, None, {"loss": 1.0})
    account._mark -= 3.0
    account.on_log(None, None, None, {"eval_loss": 1.0})
    account._mark -= 1.0
    account.on_save(None, None, None)
    seconds = account.result()["seconds"]
    assert {name: round(value) for name, value in seconds.items() if name != "total"} == {
        "training": 2, "evaluation": 3, "saving": 1,
    }  # fmt: skip
