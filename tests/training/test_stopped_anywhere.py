"""A stage that is stopped after any step, or killed at any moment, goes on to the losses of one that never was."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from stage_fakes import Case, run_case

from fgtrain.training import resume, resume_files
from fgtrain.training.trainer import StageInterruptedError

STEPS = 5
TRAIN = {"projector": 1.0e-2, "language_model": {"lr": 1.0e-2, "lora": {"rank": 2, "dropout": 0.5}}}


def case_of(parts: Path, where: Path, **values: object) -> Case:
    case = Case(str(where), name="stage", steps=STEPS, every=2, train=TRAIN, **values)
    for part in ("vision", "language"):
        if not (where / part).exists():
            (where / part).symlink_to(parts / part)
    return case


def outcome(case: Case) -> tuple[list[tuple], dict[str, torch.Tensor]]:
    """Run to the end: (step, loss, gradient norm) of every step, and the weights."""
    lvlm = run_case(case)
    rows = [json.loads(line) for line in (case.out / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"], row["grad_norm"]) for row in rows], lvlm.state_dict()


@pytest.fixture(scope="module")
def whole(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    return outcome(case_of(parts, tmp_path_factory.mktemp("whole")))


def assert_as_whole(case: Case, whole: tuple) -> None:
    case.signal_at = None
    figures, weights = outcome(case)
    assert [step for step, _, _ in figures] == list(range(1, STEPS + 1))
    assert figures == whole[0]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in whole[1].items())


def killed(run: Callable[[], object]) -> None:
    """Do it in a child process, which kills itself on the way."""
    child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(status := os.waitpid(child, 0)[1])
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL], ids=lambda n: n.name)
def test_after_any_step(parts: Path, whole: tuple, tmp_path: Path, number: signal.Signals) -> None:
    for step in range(1, STEPS):
        (where := tmp_path / str(step)).mkdir()
        case = case_of(parts, where, signal_at=step, signal=int(number))
        if number == signal.SIGKILL:
            killed(lambda case=case: run_case(case))
        else:
            with pytest.raises(StageInterruptedError, match=f"{number.name}.*step {step} of {STEPS}"):
                run_case(case)
            assert resume_files.points(case.out / "resume")[0].name == f"step{step:08d}"  # no step is done twice
        assert_as_whole(case, whole)


def half_a_file(content: object, file: object) -> None:
    file.write(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)


def before_it_is_published(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


MOMENTS = {
    "while its state is written": (resume_files.torch, "save", half_a_file),
    "before it is published": (resume, "publish", before_it_is_published),
    "before the older ones go": (resume_files, "_sync", None),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_while_a_resume_point_is_saved(
    parts: Path, whole: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    module, name, replacement = MOMENTS[moment]
    plain, calls = getattr(module, name), []

    def second_time(*arguments: object) -> object:
        calls.append(1)
        if len(calls) < (4 if replacement is None else 2):  # two folders are synced for each point
            return plain(*arguments)
        return (replacement or before_it_is_published)(*arguments)

    case = case_of(parts, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(module, name, second_time)
        killed(lambda: run_case(case))
    assert_as_whole(case, whole)
    assert not list((case.out / "resume").glob(".step*"))
