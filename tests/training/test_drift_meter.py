"""The drift is the KL of two dense models on the same tokens, 0 at the start, and measuring it changes no weight."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from stage_fakes import Case, batch_of, run_case, tiny_lvlm

from fgtrain.batch import IGNORE_INDEX, Batch
from fgtrain.training.drift_file import DRIFT, drift_rows
from fgtrain.training.drift_meter import DriftMeter, drift_noter


def batches(parts: Path) -> list[Batch]:
    made = [batch_of(Case(parts), 0, range(place, place + 1)) for place in range(4)]
    return [replace(batch, data_sets=["even" if n % 2 == 0 else "odd"]) for n, batch in enumerate(made)]


def test_it_is_the_kl_of_two_dense_models_and_measuring_changes_nothing(parts: Path):
    rows = batches(parts)
    lvlm, before = tiny_lvlm(parts), tiny_lvlm(parts)
    meter = DriftMeter(lvlm, rows, "fp32")
    assert meter.measure(lvlm)["kl"] == 0
    out = parts / "store"
    out.mkdir()
    note = drift_noter(meter, lvlm, "sft", out, lambda step: 8 * step)
    case = Case(parts, "measured", train={"projector": 0.1, "language_model": 0.1})
    run_case(case, lvlm, lambda step, rank, ranks: [note(step)][:0])
    alone = run_case(replace(case, name="alone"), tiny_lvlm(parts))
    for one, other in zip(lvlm.parameters(), alone.parameters(), strict=True):
        assert torch.equal(one, other)

    note(case.steps)
    with open(out / DRIFT, "a") as file:
        file.write('{"step": 9, "half')
    told = drift_rows(out)
    assert [row["step"] for row in told] == [1, 2, 3]
    assert 0 < told[0]["kl"] < told[-1]["kl"]
    sums: dict[str, list[float]] = {"even": [], "odd": []}
    for batch in rows:
        now, then = (
            one.lm_head(one.hidden_BTD(one.embed(batch), batch)).double().log_softmax(-1)
            for one in (lvlm.eval(), before)
        )
        found_BT = (then.exp() * (then - now)).sum(-1)
        sums[batch.data_sets[0]] += found_BT[batch.targets_BT != IGNORE_INDEX].tolist()
    assert told[-1]["positions"] == sum(map(len, sums.values()))
    assert told[-1]["kl"] == pytest.approx(sum(map(sum, sums.values())) / told[-1]["positions"], rel=1e-4)
    assert told[-1]["by"] == pytest.approx({name: sum(some) / len(some) for name, some in sums.items()}, rel=1e-4)
