"""A stage that is watched: it ends where the watch says, as if that step had been its last, however it got there."""

import signal
from pathlib import Path

import pytest
import torch
from launching import figures_of
from safetensors.torch import load_file
from stage_fakes import Case, run_case, tiny_lvlm

from fgtrain.model import LVLM
from fgtrain.training import stop_signals
from fgtrain.training.stop_signals import Stopped, stop_if_asked
from fgtrain.training.trainer import StageInterruptedError

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def at_step(parts: Path) -> dict[int, Weights]:
    """The weights after each step of a stage that nobody watches."""
    found: dict[int, Weights] = {}
    lvlm = tiny_lvlm(parts)

    def ask(step: int, rank: int, ranks: int) -> list[dict]:
        found[step] = weights(lvlm)
        return []

    run_case(Case(parts, name="free", steps=4), lvlm, ask)
    return found | {4: weights(lvlm)}


def weights(lvlm: LVLM) -> Weights:
    return {name: values.detach().clone() for name, values in lvlm.state_dict().items()}


def same(found: Weights, wanted: Weights) -> bool:
    return all(torch.equal(values, wanted[name]) for name, values in found.items())


def test_a_watch_ends_the_stage_and_keeps_what_had_learnt(parts: Path, at_step: dict[int, Weights]) -> None:
    case = Case(parts, name="ended", steps=4, every=1, watches=2)
    assert same(weights(run_case(case)), at_step[2])
    kept = load_file(case.out / "kept.safetensors")
    assert {name.partition(".")[0] for name in kept} >= {"hf"}
    assert same(kept, at_step[2])
    assert [row["step"] for row in figures_of(case)] == [1, 2]
    assert [path.name for path in (case.out / "resume").iterdir()] == ["step00000001"]  # none of its last step


def test_watched_to_its_end_is_as_if_nobody_had(parts: Path, at_step: dict[int, Weights]) -> None:
    assert same(weights(run_case(Case(parts, name="watched", steps=4, watches=99))), at_step[4])


@pytest.mark.parametrize("at", [1, 2], ids=["before the end", "in the last step"])
def test_stopped_and_gone_on_ends_at_the_same_step(
    parts: Path, at_step: dict[int, Weights], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal in the step that the watch makes the last one comes too late: the stage is done."""
    monkeypatch.setattr(stop_signals, "_asked", [])
    case = Case(parts, name=f"signal-{at}", steps=4, watches=2)
    signalled = Case(**{**vars(case), "signal_at": at, "signal": int(signal.SIGTERM)})
    if at == 1:
        with pytest.raises(StageInterruptedError, match="step 1 of 4"):
            run_case(signalled)
        assert same(weights(run_case(case)), at_step[2])
        return
    assert same(weights(run_case(signalled)), at_step[2])
    with pytest.raises(Stopped):
        stop_if_asked()
