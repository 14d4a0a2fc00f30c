"""A researcher's journey: a study of twelve arms is planned, submitted, followed while it runs, and answered.

`slurm/local_cluster.sh run python -m pytest -m "slurm and slow" tests/executors/slurm`
"""

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
import yaml
from slurm_fakes import ENDED, command, job, small_recipe, submit_words, until

from fgtrain.executors.slurm import slurm_record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(
        shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ, reason="no Slurm is up: make test-slurm"
    ),
]
ARMS = 12
AN_HOUR = 3600  # seconds: a bound for what hangs


def test_twelve_arms_from_the_plan_to_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    base = small_recipe(tmp_path, "base", "runs", mix={"count": 1})
    rates = {f"rate_{number}": {"stages.sft.train.projector": number * 1.0e-4} for number in range(1, ARMS + 1)}
    study = tmp_path / "rates.yaml"
    changes = {"devices.nodes": 1, "devices.count": 1, "evaluation.at": ["align", "sft"]}
    asks = {"measure": ["general"], "contrasts": ["rate_12 - rate_1"]}
    values = {"name": "rates", "base": base.name, "changes": changes, "arms": rates, "seeds": [17], "answer": asks}
    study.write_text(yaml.safe_dump(values | {"matched": ["exposures.count"]}), encoding="utf-8")

    began = time.monotonic()
    status, plan = command(study, "--plan")
    assert status == 0, plan
    assert "12 arms" in plan
    assert "align is trained once for all arms" in re.sub(r"\s+", " ", plan)
    status, output = command(study, *submit_words(tmp_path))
    assert status == 0, output
    submitted = time.monotonic()
    records = [slurm_record(folder) for folder in (tmp_path / "runs").glob("*/jobs/*")]
    numbers = [record["id"] for record in records if record is not None]
    assert len(numbers) > 3 * ARMS
    seen = set()
    while not all(job(number).get("JobState") in ENDED for number in numbers):
        assert time.monotonic() - began < AN_HOUR
        status, shown = command(study, "--status")  # takes seconds, so it is no busy waiting
        assert status == 0, shown
        seen |= {word for word in ("running", "queued", "done") if word in shown}
    assert seen == {"running", "queued", "done"}
    assert {job(number)["JobState"] for number in numbers} == {"COMPLETED"}
    until((tmp_path / "runs/rates/report.html").is_file)
    answer = json.loads((tmp_path / "runs/rates/answer.json").read_text(encoding="utf-8"))
    assert len(answer["arms"]) == ARMS
    ended = time.monotonic()
    with capsys.disabled():
        print(f"\n{len(numbers)} jobs: {submitted - began:.0f} s to the queue, {ended - submitted:.0f} s to the answer")
