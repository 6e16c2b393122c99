"""What the operator sets in the environment before the workbench starts: every variable it reads, in one typed model.

`Settings.current()` reads them when it is called. All that is wrong is told together, each with its variable and what
to set instead; values that may be secret are never shown. docs/settings.md is written from this model by
`llm-workbench settings --markdown`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from workbench.core.errors import Problem, SpecError, shortened, suggestion

PREFIX = "WORKBENCH_"
TESTS_PREFIX = "WORKBENCH_TEST_"
DEFAULT_HOME = "~/.llm-workbench"
NO_SECRET = SecretStr("")
SHOWN_CHARACTERS = 60  # characters of a value that is refused


def _variable(
    name: str, default: Any, label: str, description: str, *, group: str, takes: str, unit: str = "", without: str = "",
    **bounds: float,
) -> Any:  # fmt: skip
    """A field read from the variable `name`.

    takes: what it can be set to, said where a value is refused. without: what holds where the variable is not set, for
    a default that is no plain value. bounds: ge, gt, le, lt.
    """
    extra = {"group": group, "takes": takes, "unit": unit, "without": without}
    return Field(
        default, validation_alias=name, title=label, description=description, json_schema_extra=extra, **bounds
    )  # type: ignore[call-overload]


def _by_space(text: Any) -> Any:
    return text.replace(",", " ").split() if isinstance(text, str) else text


def _as_in_path(text: Any) -> Any:
    return [entry.strip() for entry in text.split(os.pathsep) if entry.strip()] if isinstance(text, str) else text


Names = Annotated[tuple[str, ...], BeforeValidator(_by_space)]
Entries = Annotated[tuple[str, ...], BeforeValidator(_as_in_path)]

PLACES, SERVING, JOBS, MODELS = "Where things lie", "Serving the page", "Jobs", "Models from elsewhere"
OWN_CODE, LABELS, SPACE = "Code of your own", "Labels", "Hugging Face Spaces"
FOLDER, FOLDERS, NAMES = (
    "a folder",
    "folders (whole paths), separated as in PATH",
    "names, separated by commas or blanks",
)
SECRET = "text, kept secret"  # noqa: S105 -- what such a variable takes


class Settings(BaseSettings):
    """The operator's settings. A variable that is set to nothing counts as not set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", case_sensitive=True, env_ignore_empty=True, enable_decoding=False,
        hide_input_in_errors=True, protected_namespaces=(),
    )  # fmt: skip

    home: Path = _variable(
        "WORKBENCH_HOME", Path(DEFAULT_HOME), "Home", "Folder of models, datasets, jobs and labels.",
        group=PLACES, takes=FOLDER, without="`~/.llm-workbench`; on a Space with storage `/data/llm-workbench`",
    )  # fmt: skip
    cache: Path | None = _variable(
        "WORKBENCH_CACHE", None, "Download cache", "Folder of what was downloaded, which several homes may share.",
        group=PLACES, takes=FOLDER, without="`cache` in the home",
    )  # fmt: skip
    host: str = _variable(
        "WORKBENCH_HOST", "", "Host", "Address the page is served at. One that others reach asks for a login.",
        group=SERVING, takes="a name or an IP address", without="127.0.0.1; on a Space 0.0.0.0",
    )  # fmt: skip
    port: int = _variable(
        "WORKBENCH_PORT", 7860, "Port", "Port the page is served at.",
        group=SERVING, takes="a number such as 7860", ge=1, le=65_535,
    )  # fmt: skip
    hosts: Names = _variable(
        "WORKBENCH_HOSTS", (), "Further names",
        "Names, with or without a port, by which browsers reach the page besides, such as a reverse proxy's: "
        "`bench.example.org`. Others are refused.",
        group=SERVING, takes=NAMES, without="none",
    )  # fmt: skip
    password: SecretStr = _variable(
        "WORKBENCH_PASSWORD", NO_SECRET, "Password",
        "Password of the user `workbench`, which all share. Where people have accounts it only makes the first owner.",
        group=SERVING, takes=SECRET, without="on this machine alone no login; elsewhere people log in with accounts",
    )  # fmt: skip
    password_login: bool = _variable(
        "WORKBENCH_PASSWORD_LOGIN", True, "Password login",
        "Whether people may log in with passwords of their own where they can log in with Hugging Face.",
        group=SERVING, takes="1 or 0", without="yes",
    )  # fmt: skip
    folders: Entries = _variable(
        "WORKBENCH_FOLDERS", (), "Readable folders", "Folders whose files may be named in the page.",
        group=SERVING, takes=FOLDERS, without="where there is no login every path may be named, else none",
    )  # fmt: skip
    upload_gb: float = _variable(
        "WORKBENCH_UPLOAD_GB", 20.0, "Room for uploads",
        "What files sent by browsers may take together. They go when they are imported, or after a day.",
        group=SERVING, takes="a number of GB such as 20", unit="GB", gt=0, lt=1e6,
    )  # fmt: skip
    bin_days: float = _variable(
        "WORKBENCH_BIN_DAYS", 7.0, "Days in the bin", "How long what was deleted can be restored.",
        group=PLACES, takes="a number of days such as 7", unit="days", ge=0, le=3650,
    )  # fmt: skip
    light_jobs: int | None = _variable(
        "WORKBENCH_LIGHT_JOBS", None, "Light jobs", "How many jobs that need no device run at a time.",
        group=JOBS, takes="a whole number from 1", unit="jobs", without="half the cores, 2 to 8", ge=1,
    )  # fmt: skip
    job_niceness: int = _variable(
        "WORKBENCH_JOB_NICENESS", 10, "Niceness of jobs",
        "How far jobs let others go first where cores are short, so that the page answers while a model is trained: 19 "
        "the furthest, 0 not at all.",
        group=JOBS, takes="a whole number from 0 to 19", unit="steps", ge=0, le=19,
    )  # fmt: skip
    memory_gb: float | None = _variable(
        "WORKBENCH_MEMORY_GB", None, "Memory for training",
        "The most memory of the device that the check before a training counts on, where others need the rest.",
        group=JOBS, takes="a number of GB such as 8", unit="GB", without="all that is free", gt=0, lt=1e6,
    )  # fmt: skip
    plugins: Entries = _variable(
        "WORKBENCH_PLUGINS", (), "Plug-ins",
        "Folders (whole paths) and names of Python modules that add methods ([how](plugins.md)). Every process "
        "imports them, with all rights of the workbench.",
        group=OWN_CODE, takes="folders and names of modules, separated as in PATH", without="none",
    )  # fmt: skip
    allow_plugins: bool = _variable(
        "WORKBENCH_ALLOW_PLUGINS", False, "Plug-ins found here",
        "Whether Python files of the home's folder `plugins`, and installed packages with an entry point in the group "
        "`llm_workbench.methods`, are imported as plug-ins, too.",
        group=OWN_CODE, takes="1 or 0", without="no",
    )  # fmt: skip
    allow_python: bool = _variable(
        "WORKBENCH_ALLOW_PYTHON", False, "Python steps",
        "Whether the recipe of a dataset may run Python files of the home's folder `steps`, with all rights of the "
        "workbench.",
        group=OWN_CODE, takes="1 or 0", without="no",
    )  # fmt: skip
    embedder: Path | None = _variable(
        "WORKBENCH_EMBEDDER", None, "Sentence model",
        "Folder of a sentence model such as all-MiniLM-L6-v2, for steps that compare meanings.",
        group=MODELS, takes=FOLDER, without="these steps cannot be used",
    )  # fmt: skip
    vllm: Path | None = _variable(
        "WORKBENCH_VLLM", None, "vLLM",
        "Folder of a virtual environment with vLLM in it (`python -m venv FOLDER`, `FOLDER/bin/pip install vllm`), for "
        "many answers at once on an NVIDIA GPU.",
        group=MODELS, takes=FOLDER, without="vLLM cannot be chosen",
    )  # fmt: skip
    endpoint_url: SecretStr = _variable(
        "WORKBENCH_ENDPOINT_URL", NO_SECRET, "Endpoint",
        "Address of a server that speaks OpenAI's chat completions, such as `https://host/v1`, for making rows.",
        group=MODELS, takes="an http(s) address, kept secret", without="none",
    )  # fmt: skip
    endpoint_model: str = _variable(
        "WORKBENCH_ENDPOINT_MODEL", "", "Model of the endpoint", "Model that the endpoint is asked for.",
        group=MODELS, takes="text", without="none",
    )  # fmt: skip
    endpoint_key: SecretStr = _variable(
        "WORKBENCH_ENDPOINT_KEY", NO_SECRET, "Key of the endpoint", "Key that the endpoint wants.",
        group=MODELS, takes=SECRET, without="none",
    )  # fmt: skip
    labels_url: SecretStr = _variable(
        "WORKBENCH_LABELS_URL", NO_SECRET, "Database of the labels",
        "Where votes are kept, such as `postgresql+psycopg://user:password@host/labels`.",
        group=LABELS, takes="a database address, kept secret", without="`labels.sqlite` in the home",
    )  # fmt: skip
    space_id: str = _variable(
        "SPACE_ID", "", "Space", "Set by the hub where the page runs in a Space.",
        group=SPACE, takes="text", without="no Space",
    )  # fmt: skip
    space_host: Names = _variable(
        "SPACE_HOST", (), "Names of the Space", "Set by the hub: names by which browsers reach the Space.",
        group=SPACE, takes=NAMES, without="none",
    )  # fmt: skip
    space_author_name: str = _variable(
        "SPACE_AUTHOR_NAME", "", "Author of the Space",
        "Set by the hub: the user or organisation the Space belongs to. Such a user becomes an owner by logging in.",
        group=SPACE, takes="text", without="the first part of SPACE_ID",
    )  # fmt: skip
    space_creator_user_id: str = _variable(
        "SPACE_CREATOR_USER_ID", "", "Creator of the Space",
        "Set by the hub: the id of who made the Space, who becomes the owner by logging in while there is none.",
        group=SPACE, takes="text", without="none",
    )  # fmt: skip
    oauth_client_id: str = _variable(
        "OAUTH_CLIENT_ID", "", "Login with Hugging Face",
        "Set by the hub where the Space's README.md says `hf_oauth: true`: how its logins know the Space.",
        group=SPACE, takes="text", without="no login with Hugging Face",
    )  # fmt: skip
    oauth_client_secret: SecretStr = _variable(
        "OAUTH_CLIENT_SECRET", NO_SECRET, "Secret of the login", "Set by the hub together with it.",
        group=SPACE, takes=SECRET, without="no login with Hugging Face",
    )  # fmt: skip
    openid_provider_url: str = _variable(
        "OPENID_PROVIDER_URL", "", "Provider of the login", "Set by the hub together with it: who proves the logins.",
        group=SPACE, takes="an https address", without="no login with Hugging Face",
    )  # fmt: skip
    zero_gpu: bool = _variable(
        "SPACES_ZERO_GPU", False, "ZeroGPU", "Set by the hub where the Space borrows GPUs for moments.",
        group=SPACE, takes="true or false", without="no",
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Blanks around a value mean nothing, but in a password."""
        password = variable_of("password")
        stripped = {
            name: value.strip() if isinstance(value, str) and name != password else value
            for name, value in values.items()
        }
        return {name: value for name, value in stripped.items() if value != ""}

    @classmethod
    def current(cls) -> Self:
        """What the environment says now; raises `SpecError` naming every variable that is wrong."""
        return cls._read(tuple(os.environ.get(name) for name in variable_names()))

    @classmethod
    @lru_cache(maxsize=8)
    def _read(cls, texts: tuple[str | None, ...]) -> Self:
        """texts: the values of all variables, by which what they mean is remembered."""
        try:
            return cls()
        except ValidationError as error:
            raise SpecError(_problems(error)) from None


def variable_of(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    return str(Settings.model_fields[field].validation_alias)


@lru_cache(maxsize=1)
def variable_names() -> tuple[str, ...]:
    """Every variable, in the order of the fields."""
    return tuple(map(variable_of, Settings.model_fields))


def unknown_variables() -> list[str]:
    """A sentence for every variable that begins as ours do and is none of them, such as a misspelt one."""
    names = [name for name in sorted(os.environ) if name.startswith(PREFIX) and not name.startswith(TESTS_PREFIX)]
    known = list(variable_names())
    return [f"{name} is no setting. {suggestion(name, known)}" for name in names if name not in known]


def setting_detail(field: FieldInfo, name: str) -> str:
    """What `_variable` says of a field besides: its group, what it takes, its unit, what holds without it."""
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra[name])


def _problems(error: ValidationError) -> list[Problem]:
    fields = {str(field.validation_alias): field for field in Settings.model_fields.values()}
    problems = []
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0])
        value = shortened(os.environ.get(name, "").strip(), SHOWN_CHARACTERS)
        takes = setting_detail(fields[name], "takes")
        problems.append(Problem((name,), f"{value!r} cannot be used.", f"Give {takes}."))
    return problems
