"""What it cost: divergences by hand, windows, intervals, children that die, resuming, and the whole job on toys."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tabs.figures import cost as cost_figures
from tests.toy_gguf import toy_gguf
from tests.toys import toy_dataset, toy_model, toy_pairs
from workbench.compression.evaluation import child as cost_child
from workbench.compression.evaluation import remarks as cost_words
from workbench.compression.evaluation import speed, variant_child, windows
from workbench.compression.evaluation import variant_costs as cost
from workbench.compression.evaluation.divergence import ReferenceLogits, kl_divergence, log_softmax
from workbench.compression.evaluation.quality import keep_reference, quality, score
from workbench.compression.evaluation.recommend import flagged, recommend
from workbench.compression.evaluation.windows import ScoredText, TextRow
from workbench.compression.jobs.cost import Cost
from workbench.compression.variants import find_variant, quantization
from workbench.core.assets import ROOT
from workbench.core.child_process import ChildProcess
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.core.tasks import Task
from workbench.inference.backend import Backend, LogitsBackend
from workbench.jobs.job import JobContext, JobStopped
from workbench.models.model_references import resolve
from workbench.rendering.tokenizer import Tokenizer

SILENT = Task()
SMALL = {"rows": 4, "threads": 1, "prompt_tokens": 12, "speed_tokens": 3}


# ---- the figures themselves --------------------------------------------------------------------------------


def test_kl_is_what_is_worked_out_by_hand() -> None:
    p, q = np.log([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]), np.log([[0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    assert kl_divergence(p, q) == pytest.approx([0.25 * math.log(2), 0], abs=1e-6)
    forward = kl_divergence(np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]]))
    assert forward == pytest.approx([0.9 * math.log(1.8) + 0.1 * math.log(0.2)], abs=1e-6)
    back = kl_divergence(np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]]))
    assert back == pytest.approx([0.5 * math.log(5 / 9) + 0.5 * math.log(5)], abs=1e-6)


def test_kl_compares_what_two_vocabularies_share() -> None:
    assert kl_divergence(np.log([[0.4, 0.4, 0.2]]), np.log([[0.5, 0.5]])) == pytest.approx([0], abs=1e-6)


def test_outputs_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="no numbers"):
        log_softmax(np.array([[0.0, np.nan]]))


def test_float16_on_the_disk_costs_no_accuracy(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(0, 5, (40, 3000))
    log_probs = log_softmax(logits)
    ReferenceLogits.create(tmp_path, 40, 3000).put(np.arange(40), log_probs)
    kl, same = ReferenceLogits.open(tmp_path).compare(np.arange(40), log_probs)
    assert kl.max() < 1e-5 and same.all()
    other = log_softmax(logits + np.random.default_rng(1).normal(0, 0.1, logits.shape))
    exact = (np.exp(log_probs) * (log_probs - other)).sum(1)
    assert ReferenceLogits.open(tmp_path).compare(np.arange(40), other)[0] == pytest.approx(exact, abs=1e-4)


# ---- the text ----------------------------------------------------------------------------------------------


def text_of(lengths: list[int], context: int, stride: int, targets: list[int] | None = None) -> ScoredText:
    rows = [TextRow("x" * n, list(range(n)), targets or list(range(1, n)), [(1, n)], n - 1) for n in lengths]
    scored = sum(len(row.targets) for row in rows)
    return ScoredText(rows, context, stride, list(range(scored)), "here", "text")


def test_every_token_is_scored_once_with_context() -> None:
    text = text_of([23, 5, 16], 8, 3)
    seen: list[tuple[int, int]] = []
    for window in text.windows():
        assert len(window.ids) <= 8 and min(window.places) >= 0
        assert window.wanted == window.targets  # ids are their own places here
        seen += [(window.row, target) for target in window.targets]
        if window.begin:
            assert min(window.places) >= 8 - 3 - 1
    assert seen == [(row, target) for row, length in enumerate([23, 5, 16]) for target in range(1, length)]


def test_windows_without_anything_to_score_are_passed_over() -> None:
    assert [(one.begin, one.targets) for one in text_of([40], 8, 4, [37, 39]).windows()] == [(32, [37, 39])]


def test_the_text_is_rendered_and_its_answers_counted(home: Home) -> None:
    text = windows.prepare_windows(home, resolve(home, "toy"), "talks", 4, 512, 256, 10, 0)
    answer = "It is good. The red apple is 0 years old.<|im_end|>"
    row = text.rows[0]
    assert row.text[row.spans[0][0] : row.spans[0][1]] == answer and row.bytes == len(answer)
    assert len(text.chosen) == 10 and text.tokens > 10 and text.source == "talks (eval split)"
    again = windows.prepare_windows(home, resolve(home, "toy"), "talks", 4, 512, 256, 10, 0)
    assert again.fingerprint() == text.fingerprint()
    built_in = windows.prepare_windows(home, resolve(home, "toy"), "", 3, 512, 256, 10, 0)
    assert len(built_in.rows) == 3 and built_in.source == "built-in text"


def test_the_same_characters_are_scored_in_other_tokens(home: Home) -> None:
    text = windows.prepare_windows(home, resolve(home, "toy"), "talks", 4, 512, 256, 10, 0)
    other = text.with_tokenizer(letters())
    assert other.tokens == sum(row.bytes for row in text.rows) and not other.chosen
    assert [row.bytes for row in other.rows] == [row.bytes for row in text.rows]


def letters() -> Tokenizer:
    """A tokenizer of single bytes."""
    from tokenizers import Tokenizer as Backing
    from tokenizers import decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backing = Backing(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    backing.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backing.decoder = decoders.ByteLevel()
    return Tokenizer(backing, {})


# ---- a variant against the original ------------------------------------------------------------------------


class Fake(LogitsBackend):
    """Logits that depend on the token and its place alone, shaken by `noise`."""

    words = "a fake"
    parameters = 7

    def __init__(self, tokenizer: Tokenizer | None, noise: float = 0.0, texts: list[str] | None = None):
        self.tokenizer, self.noise, self.texts = tokenizer, noise, texts or []
        self.fed = 0

    def logits(self, ids: Any, places: Any) -> Any:
        for start in range(0, len(places), 7):
            yield np.stack([self._one(ids, place) for place in places[start : start + 7]])

    def _one(self, ids: Any, place: int) -> Any:
        clean = np.random.default_rng(ids[place]).normal(0, 2, 400)
        return clean + self.noise * np.random.default_rng(place).normal(0, 1, 400)

    def prompt(self, ids: Any) -> int:
        self.fed = len(ids)
        return 1

    def step(self, token: int) -> int:
        self.fed += 1
        return token

    def token_text(self, token: int) -> str | None:
        if self.texts:
            return self.texts[token] if token < len(self.texts) else None
        return self.tokenizer.backend.id_to_token(token) if self.tokenizer else None

    def retokenizer(self) -> Tokenizer | None:
        return self.tokenizer


def test_a_model_is_no_distance_from_itself(home: Home, tmp_path: Path) -> None:
    text, own = talks(home)
    nll, vocabulary = keep_reference(Fake(own), text, tmp_path, SILENT)
    found, notes = quality(Fake(own), text, own, tmp_path, SILENT)
    assert vocabulary == 400 and not notes
    assert found["kl"].max() < 1e-5 and found["same"].all() and found["nll"] == pytest.approx(nll)
    shaken, _ = quality(Fake(own, noise=0.5), text, own, tmp_path, SILENT)
    assert 0.02 < shaken["kl"].mean() < 0.5 and not shaken["same"].all()


def test_the_loss_is_that_of_the_next_token(home: Home) -> None:
    text, own = talks(home)
    fake = Fake(own)
    by_hand = []
    for row in text.rows:
        for target in row.targets:
            logits = fake._one(row.ids, target - 1)
            by_hand.append(np.log(np.exp(logits).sum()) - logits[row.ids[target]])
    assert score(fake, text, None, SILENT) == pytest.approx(by_hand, abs=1e-4)


def test_another_tokenizer_is_noticed(home: Home, tmp_path: Path) -> None:
    text, own = talks(home)
    keep_reference(Fake(own), text, tmp_path, SILENT)
    found, notes = quality(Fake(letters()), text, own, tmp_path, SILENT)
    assert "kl" not in found and len(found["nll"]) == len(found["owner"]) != text.tokens
    assert "bits per byte" in notes[0]
    with pytest.raises(UserError, match="not the original's"):
        quality(Fake(None), text, own, tmp_path, SILENT)


def talks(home: Home) -> tuple[ScoredText, Tokenizer]:
    found = resolve(home, "toy")
    return windows.prepare_windows(home, found, "talks", 4, 512, 256, 10**6, 0), Tokenizer.load(found.home_of_template)


def test_speed_is_the_median_of_three(home: Home) -> None:
    class Slow(Fake):
        waits = iter([9.0, 9.0, 0.5, 4.0, 0.25, 1.0, 1.0, 2.0])

        def run(self, prompt: Any, tokens: int) -> tuple[float, float]:
            return next(self.waits), next(self.waits)

    text, own = talks(home)
    test = speed.SpeedTest.of(text, 100, 8, 90)
    assert len(test.prompt) == 82 and test.tokens == 8 and test.prompt[:5] == text.rows[0].ids[:5]
    found = speed.measure_speed(Slow(own), test, 1)
    assert found["generation"] == {"value": 4, "low": 2, "high": 8}
    assert found["prompt"] == {"value": 164, "low": 82, "high": 328}
    fake = Fake(own)
    fake.run([1, 2, 3], 5)
    assert fake.fed == 8


# ---- what to take ------------------------------------------------------------------------------------------


def row(name: str, mb: float, kl: float, speed: float = 1, memory: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "kind": "gguf", "type": "Q4_K_M", "original": False, "bytes": int(mb * 1e6), "parameters": 10**6,
        "bits_per_weight": 4.5, "memory": int((memory or 2 * mb) * 1e6), "kl": spread(kl), "kl_99": spread(9 * kl),
        "ratio": spread(1 + kl), "agreement": spread(0.9), "perplexity": spread(9.0), "bits_per_byte": spread(1.0),
        "load_seconds": 1.0, "same_tokenizer": True, "generation_speed": spread(speed), "speed_test": {"busy": 0.0},
        "prompt_speed": spread(9 * speed), **more,
    }  # fmt: skip


def spread(value: float, by: float = 0.1) -> dict[str, float]:
    return {"value": value, "low": value * (1 - by), "high": value * (1 + by)}


ROWS = [
    row("whole", 269, 0.001, 20, original=True, kind="model"),
    row("q8", 145, 0.002, 100),
    row("q5", 117, 0.03, 110),
    row("bad", 130, 0.5, 30),
    row("q4", 105, 0.05, 140),
    {"name": "torn", "original": False, "error": "It is damaged.", "remedy": "Make it again."},
]


def test_the_fronts_hold_what_nothing_beats() -> None:
    marked = {one["name"]: (one["front_size"], one["front_speed"]) for one in flagged(ROWS)}
    assert marked == {
        "whole": (True, True), "q8": (True, True), "q5": (True, True), "q4": (True, True), "bad": (False, False),
        "torn": (False, False),
    }  # fmt: skip


def test_the_closest_that_fits_is_recommended() -> None:
    assert recommend(ROWS, 8).name == "q8" and "The original fits too." in recommend(ROWS, 8).sentence
    assert recommend(ROWS, 0.25).name == "q5" and "original fits" not in recommend(ROWS, 0.25).sentence
    none = recommend(ROWS, 0.1)
    assert none.name == "" and "q4 takes the least, 210 MB" in none.sentence
    assert recommend([ROWS[0], ROWS[-1]], 8).name == ""


def test_a_smaller_one_that_is_as_good_is_named() -> None:
    rows = [row("large", 200, 0.0100), row("small", 100, 0.0101)]
    assert "small is smaller" in recommend(rows, 8).sentence
    apart = [{"one": "large", "other": "small", "value": -1e-4, "low": -2e-4, "high": -1e-5}]
    assert "small is smaller" not in recommend(rows, 8, apart).sentence


def test_figures_and_table_show_every_row() -> None:
    data = {"rows": flagged(ROWS)}
    kl, ratio, pace = cost_figures.figures(data)
    assert json.loads(json.dumps([kl, ratio, pace]))
    assert sorted(name for part in kl["data"][1:] for name in part["text"]) == ["bad", "q4", "q5", "q8"]
    assert kl["data"][0]["y"] == [0.05, 0.03, 0.002]  # the front, from the smallest on
    assert "original" in ratio["data"][1]["text"] and len(pace["data"][0]["y"]) == 5
    columns, rows = cost_words.cost_table(data)
    assert all(len(one) == len(columns) for one in rows) and len(rows) == 6
    assert cost_figures.figures({}) == [] and cost_words.cost_table({}) == ([], [])


def test_labels_of_near_points_take_different_places() -> None:
    spots = [(200.0, 100.0), (204.0, 103.0), (600.0, 300.0)]
    places = cost_figures.label_places(spots, ["one-long-name", "other-long-name", "far"], [12.0] * 3)
    assert places[0] != places[1]


# ---- the child ---------------------------------------------------------------------------------------------


def child(monkeypatch: pytest.MonkeyPatch, code: str, stop: Callable[[], None] | None = None) -> dict[str, Any]:
    monkeypatch.setattr(variant_child, "COMMAND", (sys.executable, "-c", code))
    return variant_child.measure_in_child(Path("request.json"), 1, Task(check_stop=stop))


def test_a_child_that_is_killed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="memory ran out"):
        child(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(UserError, match="exit code 3"):
        child(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(UserError, match="Its weights are damaged"):
        child(monkeypatch, """print('{"error": "Its weights are damaged.", "remedy": "Make it again."}')""")


def test_a_child_is_killed_when_the_job_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()

    def stop() -> None:
        if time.monotonic() - began > 0.3:
            raise JobStopped

    with pytest.raises(JobStopped):
        child(monkeypatch, "import time; time.sleep(60)", stop)
    assert time.monotonic() - began < 10


def test_a_child_dies_with_its_parent() -> None:
    code = "import threading, time\nfrom workbench.compression.evaluation import child\n"
    code += "threading.Thread(target=child._die_with_parent, daemon=True).start()\nprint('ready', flush=True)\n"
    with ChildProcess([sys.executable, "-c", f"{code}time.sleep(60)"]) as orphan:
        assert orphan.next_line(60) == "ready\n"
        orphan.finish_input()
        assert orphan.wait(30) == 1


def test_the_child_of_a_gguf_needs_no_torch() -> None:
    code = "import sys, workbench.compression.evaluation.child, workbench.inference.backend_llama\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print('torch' in sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


# ---- the job -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """'toy' has learnt something; 'noisy' is a copy with noise, 'torn' one with damaged weights, 'toy-f32' a GGUF."""
    made = Home.at(tmp_path_factory.mktemp("cost"))
    toy_model(made, lessons=30)
    toy_dataset(made)
    copy_of(made, "noisy", lambda weight: weight + np.random.default_rng(0).normal(0, 0.01, weight.shape))
    copy_of(made, "torn", lambda weight: weight * np.nan)
    toy_gguf(made)
    return made


def copy_of(home: Home, name: str, change: Callable[[Any], Any]) -> None:
    source = home.models / "toy"
    with atomic_dir(home.models / name) as folder:
        for path in source.iterdir():
            if path.suffix in (".json", ".jinja"):
                (folder / path.name).write_bytes(path.read_bytes())
        weights = load_file(source / "model.safetensors")
        changed = {key: change(weight).astype(weight.dtype) for key, weight in weights.items()}
        save_file(changed, folder / "model.safetensors", {"format": "pt"})
        write_manifest(folder, Manifest(kind="model", name=name, parents=[parent_of(source, "quantized")]))


def context(home: Home, name: str, resume: bool = False) -> JobContext:
    folder = home.jobs / name
    folder.mkdir(exist_ok=True)
    (folder / "stop").unlink(missing_ok=True)
    return JobContext(home, folder, resume)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Children run in this process; the list gets the name of each, '' for the original's pass."""
    started: list[str] = []

    def measure_in_child(request: Path, threads: int, task: Task) -> dict[str, Any]:
        task.check_stop()
        asked = cost_child.VariantRequest.parse(json.loads(request.read_text()))
        started.append("" if asked.reference else asked.name)
        return cost_child.measure_variant(asked, task)

    monkeypatch.setattr(variant_child, "measure_in_child", measure_in_child)
    return started


def test_the_whole_table_of_a_toy(home: Home, in_process: list[str]) -> None:
    ctx = context(home, "whole")
    job = Cost(original="toy", variants=["noisy", "toy-f32", "torn"], dataset="talks", **SMALL)
    problems = Problems()
    job.check(home, problems)
    problems.check()
    result = job.run(ctx)
    data = cost.read_costs(ctx.folder)
    own, noisy, gguf, torn = data["rows"]
    assert in_process == ["", "toy", "noisy", "toy-f32", "torn"]
    assert result["measured"] == 3 and result["failed"] == ["torn"] and "no numbers" in torn["error"]
    assert own["original"] and own["kl"]["value"] < 1e-2 and noisy["kl"]["value"] > 5 * gguf["kl"]["value"]
    assert gguf["kl"]["value"] < 1e-4 and gguf["agreement"]["value"] > 0.98
    assert gguf["ratio"]["value"] == pytest.approx(1, abs=1e-3)
    assert gguf["backend"].startswith("llama.cpp") and gguf["notes"] == []
    for one in (own, noisy, gguf):
        for key in ("perplexity", "kl", "kl_99", "ratio", "agreement", "bits_per_byte", "generation_speed"):
            assert one[key]["low"] <= one[key]["value"] <= one[key]["high"], key
        assert one["bits_per_weight"] == pytest.approx(32, abs=8) and one["memory"] > 10**7
        assert one["tokens"] == data["protocol"]["tokens"]
    assert {(pair["one"], pair["other"]) for pair in data["paired"]} == {("noisy", "toy-f32")}
    assert data["paired"][0]["low"] > 0 and result["recommended"] == "toy-f32"
    assert not (ctx.folder / "scratch").exists() and "float32" in data["reference"]["backend"]
    assert len(cost_words.cost_table(data)[1]) == 4 and len(cost_figures.figures(data)) == 3
    assert json.loads(json.dumps(data, allow_nan=False))


def test_the_original_is_measured_by_hand_too(home: Home, in_process: list[str]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    job = Cost(original="toy", variants=["noisy"], dataset="talks", speed=False, **SMALL)
    job.run(context(home, "by-hand"))
    row = cost.read_costs(home.jobs / "by-hand")["rows"][1]
    text, _ = talks(home)
    losses, apart = [], []
    models = [
        AutoModelForCausalLM.from_pretrained(home.models / name, dtype=torch.float32) for name in ("toy", "noisy")
    ]
    for one in text.rows:
        with torch.inference_mode():
            p, q = (model(torch.tensor([one.ids])).logits[0].log_softmax(-1) for model in models)
        apart += [float((p[t - 1].exp() * (p[t - 1] - q[t - 1])).sum()) for t in one.targets]
        losses += [-float(q[t - 1, one.ids[t]]) for t in one.targets]
    assert row["perplexity"]["value"] == pytest.approx(math.exp(np.mean(losses)), rel=0.01)
    assert row["kl"]["value"] == pytest.approx(np.mean(apart), rel=0.1)
    total = sum(one.bytes for one in text.rows)
    assert row["bits_per_byte"]["value"] == pytest.approx(sum(losses) / math.log(2) / total, rel=0.01)
    assert row["generation_speed"] is None


def test_what_is_finished_is_kept_over_a_stop(
    home: Home, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Cost(original="toy", variants=["noisy", "toy-f32"], dataset="talks", speed=False, **SMALL)
    ctx = context(home, "stopped")
    write = cost._Table._write

    def write_and_stop(table: Any) -> None:
        write(table)
        if len(table.rows) == 2:
            (ctx.folder / "stop").write_text("keep")

    monkeypatch.setattr(cost._Table, "_write", write_and_stop)
    with pytest.raises(JobStopped) as stopped:
        job.run(ctx)
    assert stopped.value.result["measured"] == 2 and len(cost.read_costs(ctx.folder)["rows"]) == 2
    monkeypatch.setattr(cost._Table, "_write", write)
    job.run(context(home, "stopped", resume=True))
    assert in_process == ["", "toy", "noisy", "toy-f32"]  # nothing twice
    assert [one["name"] for one in cost.read_costs(ctx.folder)["rows"]] == ["toy", "noisy", "toy-f32"]


def test_other_settings_begin_anew_and_failures_are_tried_again(
    home: Home, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ["noisy"]
    measured = cost_child._measured

    def sometimes(request: Any, *given: Any) -> Any:
        if request.name in failing:
            raise MemoryError("out of memory")
        return measured(request, *given)

    monkeypatch.setattr(cost_child, "_measured", sometimes)
    keep: list[Any] = []
    monkeypatch.setattr(cost.shutil, "rmtree", lambda *given, **_: keep.append(given))  # as if the job had died
    job = Cost(original="toy", variants=["noisy"], dataset="talks", speed=False, **SMALL)
    job.run(context(home, "again"))
    failed = cost.read_costs(home.jobs / "again")["rows"][1]
    assert "Out of memory" in failed["error"] and "QLoRA" not in failed["remedy"]
    failing.clear()
    job.run(context(home, "again", resume=True))
    assert (
        in_process == ["", "toy", "noisy", "noisy"] and "error" not in cost.read_costs(home.jobs / "again")["rows"][1]
    )
    job.model_copy(update={"rows": 3}).run(context(home, "again", resume=True))
    assert in_process[4:] == ["", "toy", "noisy"]


def test_discarding_leaves_nothing(home: Home, in_process: list[str]) -> None:
    ctx = context(home, "discarded")
    (ctx.folder / "stop").write_text("discard")
    with pytest.raises(JobStopped):
        Cost(original="toy", variants=["noisy"], dataset="talks", **SMALL).run(ctx)
    assert cost.read_costs(ctx.folder) == {} and not (ctx.folder / "scratch").exists()


def test_without_logits_a_gguf_is_judged_by_its_weights(
    home: Home, in_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.inference import backend_server

    class Server(Backend):
        notes = (backend_server.NOTE,)

        def __init__(self, *_: Any):
            self.words = "a server"

        def run(self, prompt: Any, tokens: int) -> tuple[float, float]:
            return 0.5, 0.5

    def missing() -> None:
        raise UserError("no functions")

    monkeypatch.setattr("workbench.inference.llama_cpp.library", missing)
    monkeypatch.setattr(backend_server, "ServerBackend", Server)
    Cost(original="toy", variants=["toy-f32"], dataset="talks", **SMALL).run(context(home, "no-logits"))
    row = cost.read_costs(home.jobs / "no-logits")["rows"][1]
    assert row["backend"] == "a server" and row["kl"]["value"] < 1e-4 and row["generation_speed"]["value"] == 6
    assert backend_server.NOTE in row["notes"]


def test_a_real_child_measures_a_gguf(home: Home, tmp_path: Path) -> None:
    text, own = talks(home)
    text.save(tmp_path / "text.json")
    keep_reference(Fake(own), text, tmp_path, SILENT)
    request = {"home": str(home.root), "scratch": str(tmp_path), "original": "toy", "name": "toy-f32"}
    (tmp_path / "request.json").write_text(json.dumps({**request, "prompt": 8, "tokens": 2}))
    told: list[str] = []
    found = variant_child.measure_in_child(tmp_path / "request.json", 1, Task(lambda *word: told.append(word[2])))
    assert found["same_tokenizer"] and found["tokens"] == text.tokens and told
    assert 10**7 < found["memory_running"] < 250 * 10**6  # its own, not this process's
    with np.load(tmp_path / "of-toy-f32.npz") as arrays:
        assert len(arrays["kl"]) == text.tokens and not arrays["same"].all()


def test_what_would_fail_is_found_before(home: Home) -> None:
    problems = Problems()
    toy_pairs(home)
    asked = {"dataset": "pairs", "context": 1024, "stride": 1024, "positions": 100_000}
    Cost(original="toy", variants=["noisy", "noisy", "gone"], **asked).check(home, problems)
    assert [problem.field for problem in problems.found] == ["context", "variants", "variants", "dataset", "stride"]
    alone = Problems()
    Cost(original="toy", variants=["toy"]).check(home, alone)
    assert "only the original" in alone.found[0].message


def test_variants_are_described_without_loading_them(home: Home, tmp_path: Path) -> None:
    model, gguf = find_variant(home, "noisy"), find_variant(home, "toy-f32")
    assert (model.kind, model.type, gguf.kind, gguf.type) == ("model", "float32", "gguf", "F32")
    assert model.parameters == gguf.parameters and model.bytes > 4 * model.parameters
    for config, words in (
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bitsandbytes nf4"),
        ({"quant_method": "torchao"}, "torchao"),
        ({"quant_method": "gptq", "bits": 4}, "gptq 4 bit"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({"quantization_config": config}))
        assert quantization(tmp_path) == words
