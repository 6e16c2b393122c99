"""The study behind a search: optuna's journal in the job's folder, its sampler, and what mattered in the end."""

import warnings
from pathlib import Path
from typing import Any

JOURNAL = "journal.log"
TRIALS = "trials.json"
RANDOM_TRIALS = 8
FEWEST_TRIALS = 8


def open_study(folder: Path) -> Any:
    """The job's optuna study, made if there is none. Trials that a dead process left running are failed."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _mend(folder / JOURNAL)
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    study = optuna.create_study(storage=storage, study_name="recipe", direction="minimize", load_if_exists=True)
    give_up(study)
    return study


def give_up(study: Any) -> None:
    """Marks the trials under way as failed."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _mend(path: Path) -> None:
    """Takes away what a killed writer left: half a line, and its lock (the job's own lock says it is dead)."""
    for lock in path.parent.glob(f"{path.name}.lock*"):
        lock.unlink()
    if path.is_file():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            path.write_bytes(whole)


def finished(study: Any) -> list[Any]:
    """The trials with a loss, oldest first."""
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def importance(study: Any) -> dict[str, float]:
    """How much each parameter of the best method decides the loss; the shares sum to 1. Empty after few trials.

    PED-ANOVA: https://www.ijcai.org/proceedings/2023/488
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    trials = finished(study)
    if not trials:
        return {}
    best = min(trials, key=lambda trial: trial.value).params["method"]
    mine = [trial for trial in trials if trial.params["method"] == best]
    free = [name for name in mine[0].params if name != "method" and len({trial.params.get(name) for trial in mine}) > 1]
    if len(mine) < FEWEST_TRIALS or not free:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)
        shares = get_param_importances(study, evaluator=evaluator, params=free)
    return {name.removeprefix(f"{best}."): round(float(share), 4) for name, share in shares.items()}


def sampler(seed: int, number: int) -> Any:
    """TPE seeded by the trial's number, so that a resumed search draws what an unbroken one would have drawn.

    https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, seed=(1_000_003 * seed + number) % 2**32, multivariate=True, group=True
        )
