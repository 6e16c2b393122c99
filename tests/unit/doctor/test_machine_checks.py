"""The checks of the machine: faults put in their way become the right finding, and no report tells on anybody."""

import errno
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.running import carry
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home
from workbench.doctor.checks import bitsandbytes, file_system, optional_kernels, qlora_7b, system
from workbench.doctor.checks.device import TorchBuild, unusable_gpu
from workbench.doctor.checks.port import Port
from workbench.doctor.checks.qlora_training import QloraTraining
from workbench.doctor.examination import chosen_checks, examine, failed_checks
from workbench.doctor.finding import Fact, MachineFinding
from workbench.doctor.jobs.doctor import Doctor
from workbench.doctor.layer_trial import LayerTrial, try_layer
from workbench.doctor.machine_check import Check, CheckProbe, NotRun, ordered_checks
from workbench.doctor.machine_report import markdown_report
from workbench.doctor.privacy import Privacy
from workbench.doctor.qlora_plan import SEVEN_B, TRAINING, ModelSize, TrainingSize, qlora_memory

FAULTS = '''
import os, signal, threading
from typing import ClassVar
from workbench.core.errors import UserError
from workbench.doctor.layer_trial import LayerTrial, try_layer
from workbench.doctor.machine_check import CHECKS, Check


@CHECKS.register
class Crash(Check):
    """Dies as a broken kernel does."""

    method: ClassVar[str] = "crash"
    title: ClassVar[str] = "Crash"
    order: ClassVar[int] = 1
    remedy: ClassVar[str] = "Remove that kernel."

    def measure(self, probe):
        probe.fact("before", 5, "ms")
        os.kill(os.getpid(), signal.SIGSEGV)


@CHECKS.register
class Hang(Crash):
    """Never ends."""

    method: ClassVar[str] = "hang"
    order: ClassVar[int] = 2
    limit_seconds: ClassVar[float] = 4

    def measure(self, probe):
        threading.Event().wait()


@CHECKS.register
class Unforeseen(Crash):
    """Fails in a way it does not know."""

    method: ClassVar[str] = "unforeseen"
    order: ClassVar[int] = 3

    def measure(self, probe):
        raise RuntimeError("odd\\n thing")
'''


def probe_of(folder: Path) -> tuple[CheckProbe, dict[str, Any]]:
    """What a check gets, and the facts that it reports."""
    facts: dict[str, Any] = {}
    scratch = folder / "scratch"
    scratch.mkdir()
    return CheckProbe(folder / "home", scratch, lambda fact: facts.__setitem__(fact.name, fact.value)), facts


def problem(check: type[Check], folder: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        check().measure(probe_of(folder)[0])
    return caught.value


def test_a_crash_and_a_hang_are_findings_and_end_no_other_check(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "faults.py").write_text(FAULTS)
    command = [sys.executable, "-m", "workbench", "--json", "doctor", "crash", "hang", "unforeseen", "file-system"]
    environment = {**os.environ, "WORKBENCH_PLUGINS": str(tmp_path / "plugins")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert "3 of 4 checks found a problem: crash, hang, unforeseen." in done.stderr
    assert {name: finding["status"] for name, finding in findings.items()} == {
        "crash": "problem", "hang": "problem", "unforeseen": "problem", "file-system": "ok",
    }  # fmt: skip
    assert "signal 11" in findings["crash"]["message"]
    assert findings["crash"]["facts"] == [{"name": "before", "value": 5, "unit": "ms"}]
    assert "did not end within 4 seconds" in findings["hang"]["message"]
    assert findings["unforeseen"]["message"] == "RuntimeError: odd thing."
    assert {finding["remedy"] for finding in findings.values()} == {"Remove that kernel.", ""}


def test_a_stop_ends_the_check_under_way(tmp_path: Path) -> None:
    asked: list[str] = []

    def stop() -> None:
        asked.append("stop?")
        if len(asked) > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(tmp_path, chosen_checks(["file-system"]), check_stop=stop)


def test_every_check_has_a_place_and_a_remedy() -> None:
    checks = ordered_checks()
    assert len(checks) == 11
    assert all(check.summary() and check.title and check.remedy and check.order < 1000 for check in checks)
    assert [check.order for check in checks] == sorted({check.order for check in checks})


def test_an_unknown_check_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="lora-training"):
        chosen_checks(["lora-trainin"])


def test_packages_that_are_missing_or_of_another_version_are_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["pydantic==0.0.1", "no-such-package>=2,<3", "psutil", 'pywin32==1; sys_platform == "nowhere"']
    monkeypatch.setattr(system, "required_versions", lambda: wanted)
    error = problem(system.System, tmp_path)
    assert "pydantic==0.0.1 is required, " in error.message
    assert "no-such-package>=2,<3 is required, it is not installed" in error.message
    assert error.remedy == 'pip install "pydantic==0.0.1" "no-such-package>=2,<3"'


def test_a_home_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    error = problem(file_system.FileSystem, tmp_path)
    assert error.message.startswith("The home cannot be written") and "WORKBENCH_HOME" in error.remedy


def test_a_home_that_can_only_be_read_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: Path, text: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(file_system, "write_synced", read_only)
    error = problem(file_system.FileSystem, tmp_path)
    assert "The disk can only be read" in error.message and "WORKBENCH_HOME" in error.remedy
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(("code", "lock"), [("OTHER_LOCK", "file lock"), ("OTHER_WRITER", "SQLite's lock")])
def test_a_lock_that_does_not_hold_is_a_problem(
    code: str, lock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_system, code, "pass")  # the other process gets through, as on a disk without locks
    error = problem(file_system.FileSystem, tmp_path)
    assert f"{lock} does not hold between two processes" in error.message


def test_a_taken_port_is_told_with_its_program_and_the_next_free_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setenv("WORKBENCH_PORT", str(port))
        monkeypatch.setattr("workbench.doctor.checks.port.ANSWER_SECONDS", 0.2)
        error = problem(Port, tmp_path)
    assert error.message.startswith(f"Port {port} is taken by ") and str(os.getpid()) in error.message
    assert int(error.remedy.partition("WORKBENCH_PORT=")[2].partition(",")[0]) > port


def test_a_port_that_the_page_is_served_at_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OurPage(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>LLM Workbench</title>")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OurPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WORKBENCH_PORT", str(server.server_address[1]))
        probe, facts = probe_of(tmp_path)
        Port().measure(probe)
        server.shutdown()
    assert "this workbench" in facts["state"]


@pytest.mark.parametrize("check", [bitsandbytes.BitsAndBytes, QloraTraining])
def test_without_bitsandbytes_its_checks_are_not_run(
    check: type[Check], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    error = problem(check, tmp_path)
    assert isinstance(error, NotRun)
    assert (error.message, error.remedy) == ("bitsandbytes is not installed.", "pip install bitsandbytes")


def test_weights_that_come_back_damaged_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setattr(bitsandbytes, "_four_bit", lambda bnb, weights: weights * 1.5)
    error = problem(bitsandbytes.BitsAndBytes, tmp_path)
    assert error.message.startswith("4-bit (nf4) weights come back 0.5 off") and "LoRA" in error.remedy


def test_a_library_that_does_not_load_is_a_problem_and_an_absent_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_kernel.py").write_text("raise ImportError('undefined symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    listed = {"broken_kernel": ("broken-kernel", "speed", True), "absent_kernel": ("absent-kernel", "room", True)}
    monkeypatch.setattr(optional_kernels, "OPTIONAL", listed)
    error = problem(optional_kernels.OptionalKernels, tmp_path)
    assert "broken-kernel does not load (ImportError: undefined symbol)" in error.message
    assert error.remedy.endswith("pip uninstall broken-kernel")


BUILD = TorchBuild("2.13.0+cpu", "", "", usable=False, nvidia=False, amd=False)
CUDA = TorchBuild("2.13.0", "13.0", "", True, True, False, "sm_90", ("sm_80", "sm_90"))


@pytest.mark.parametrize(
    ("build", "message", "remedy"),
    [
        (TorchBuild("2.13.0+cpu", "", "", False, True, False), "without CUDA", "torch==2.13.0"),
        (TorchBuild("2.13.0", "13.0", "", False, True, False), "driver is too old", "Update the driver"),
        (TorchBuild("2.13.0+cpu", "", "", False, False, True), "without ROCm", "rocm"),
        (TorchBuild("2.13.0", "13.0", "", True, True, False, "sm_61", ("sm_80", "sm_90")), "sm_61", "--index-url"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_told_with_what_to_install(build: TorchBuild, message: str, remedy: str) -> None:
    error = unusable_gpu(build)
    assert error and message in error.message and remedy in error.remedy


@pytest.mark.parametrize("build", [BUILD, CUDA])
def test_a_machine_without_gpu_and_one_that_works_have_no_problem(build: TorchBuild) -> None:
    assert unusable_gpu(build) is None


def test_qlora_of_a_7b_model_is_estimated_without_its_weights(own_home: Path) -> None:
    home, gpu = Home.at(own_home), Hardware(device="cuda", name="a GPU", memory=24 * 2**30, bf16=True)
    whole, saved = (qlora_memory(home, SEVEN_B, TRAINING, gpu, checkpointing=flag) for flag in (False, True))
    linear = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)  # Mistral 7B without its embeddings
    assert linear / 2 < whole.weights < 1.3 * linear / 2 + 2 * 32000 * 4096 * 2
    assert whole.optimizer == pytest.approx(41_943_040 * 8, rel=0.01)  # AdamW's two states of an adapter of rank 16
    assert saved.activations < whole.activations / 4
    assert 5e9 < saved.total < whole.total
    file = home.models / "seven-b" / "model.safetensors"
    assert file.stat().st_size > 14e9 and (not hasattr(file.stat(), "st_blocks") or file.stat().st_blocks < 10_000)


def test_a_gpu_too_small_for_a_7b_model_is_told_what_makes_it_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Hardware(device="cuda", name="a GPU", memory=12 * 2**30, bf16=True)
    monkeypatch.setattr(qlora_7b, "detect_hardware", lambda: small)
    monkeypatch.setattr("workbench.doctor.layer_trial.try_layer", lambda *_: LayerTrial(0.05, 10**9))
    probe, facts = probe_of(tmp_path)
    qlora_7b.Qlora7b().measure(probe)
    assert facts["in all with gradient checkpointing"] < small.memory < facts["in all"]
    assert facts["one layer, peak memory"] == 10**9
    assert [note.remedy for note in probe.notes] == [qlora_7b.Qlora7b.remedy]


def test_one_layer_is_trained_as_qlora_does_it(tmp_path: Path, one_thread: None) -> None:
    size = ModelSize(hidden=64, intermediate=128, layers=1, heads=4, key_value_heads=2, vocabulary=64)
    trial = try_layer(tmp_path, size, TrainingSize(2, 16, 4), Hardware(device="cpu"))
    assert 0 < trial.seconds < 300 and trial.peak == 0


SECRETS = {
    "HF_TOKEN": "hf_abcdefghijklmnopqrst", "WORKBENCH_ENDPOINT_KEY": "my-endpoint-key", "DB_PASSWORD": "pa55word",
    "HTTPS_PROXY": "http://proxy.corp.example:3128", "WORKBENCH_ENDPOINT_URL": "https://inner.example.org/v1",
    "WORKBENCH_LABELS_URL": "postgresql://me:letmein@base.example/labels",
}  # fmt: skip


def test_no_report_tells_secrets_names_or_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", "/home/jane.doe")
    monkeypatch.setattr("getpass.getuser", lambda: "jdoe")
    monkeypatch.setattr("socket.gethostname", lambda: "janes-laptop.corp")
    home = tmp_path / "jane-home"
    texts = [*SECRETS.values(), str(home / "models"), "/home/jane.doe/.cache", "by jdoe", "on janes-laptop.corp:7860"]
    told = f"It failed: {' | '.join(texts)} sk-1234567890abcdef https://me:secret@example.org/x {ROOT}/workbench/x.py"
    finding = MachineFinding(
        check="x", title="X", status="problem", facts=[Fact(name="said", value=told)], message=told, remedy=told
    )
    cleaned = Privacy.of_machine(home).cleaned(finding)
    report = markdown_report([cleaned]) + json.dumps(cleaned.to_dict())
    hidden = [
        *SECRETS.values(),
        str(tmp_path),
        "jane",
        "jdoe",
        "janes-laptop",
        "sk-123",
        "me:secret",
        "letmein",
        str(ROOT),
    ]
    assert [text for text in hidden if text in report] == []
    assert "It failed" in report and "./workbench/x.py" in report and "~/.cache" in report and "~/home/models" in report


def test_the_job_gives_findings_and_a_report(own_home: Path) -> None:
    result = carry(Home.at(own_home), Doctor(checks=["port", "system"], quick=True)).state.result
    assert [finding["check"] for finding in result["findings"]] == ["system", "port"]
    assert result["report"].startswith("## LLM Workbench") and "| System and packages | " in result["report"]
    findings = [MachineFinding.parse(finding) for finding in result["findings"]]
    assert failed_checks(findings) is None, result["report"]


def test_a_quick_look_leaves_out_what_is_slow(tmp_path: Path) -> None:
    class Slow(Check):
        """Slow."""

        method: ClassVar[str] = "slow"
        title: ClassVar[str] = "Slow"
        slow: ClassVar[bool] = True

    [finding] = examine(tmp_path, [Slow], quick=True)
    assert (finding.status, finding.remedy) == ("not run", "Leave out --quick.")
