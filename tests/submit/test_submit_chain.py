"""--submit with a fake sbatch: what is queued, what waits for what, and what is said when it goes wrong."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fgtrain.model.checksums import write_checksums
from submit_fakes import REPOSITORY, recipe_values, record, write

WHOLE = [
    ("one/prepare", []),
    ("one/align", [101]),
    ("one/sft", [102]),
    ("one/evaluate-start", [101]),
    ("one/evaluate-align", [102]),
    ("one/evaluate-sft", [103]),
    ("one/report", [104, 105, 106, 103]),
]


def test_one_job_a_stage_with_evaluation_beside_training(submit, tmp_path):
    recipe = write(tmp_path, recipe_values(tmp_path, devices={"nodes": 2, "count": 4}))
    status, output = submit(str(recipe), "seed=5")
    assert status == 0, output
    assert submit.submitted() == WHOLE
    assert [row["id"] for row in record(tmp_path)] == list(range(101, 108))
    assert "scancel 101 102 103 104 105 106 107" in output
    assert "squeue --jobs 101,102" in output
    folder = tmp_path / "runs" / "one" / "slurm"
    texts = {path.stem: path.read_text() for path in folder.glob("*.sbatch")}
    for name, text in texts.items():
        assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0, name
        assert "#SBATCH --requeue\n" in text
        assert "#SBATCH --signal=B:USR1@600\n" in text
        assert "#SBATCH --partition=gpu\n" in text
    for line in ("--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--cpus-per-task=6", "--time=10:00:00"):
        assert f"#SBATCH {line}\n" in texts["sft"]
    assert texts["sft"].endswith(f"-m fgtrain {folder / 'recipe.yaml'} --only sft\n")
    assert "#SBATCH --nodes=1\n" in texts["evaluate-sft"]
    assert "--ntasks-per-node=4" in texts["evaluate-sft"]
    assert texts["evaluate-sft"].endswith("--evaluate sft\n")
    assert "gpus" not in texts["prepare"]
    assert "'sft of one, evaluate-align of one, evaluate-sft of one, report of one'" in texts["align"]
    # What was submitted stays as it was: the recipe is edited while the jobs wait.
    recipe.write_text("")
    assert "seed: 5\n" in (folder / "recipe.yaml").read_text()
    assert (folder / "launch.sh").read_text() == (REPOSITORY / "slurm" / "launch.sh").read_text()


def test_the_plan_shows_everything_and_submits_nothing(submit, tmp_path):
    recipe = write(tmp_path, recipe_values(tmp_path))
    status, output = submit(str(recipe), "--plan", path=os.environ["PATH"])  # also without sbatch
    assert status == 0, output
    assert output.count("#!/usr/bin/env bash") == 7
    assert "Checkpoints" in output  # the plan itself
    assert "Nothing was written or submitted" in output
    assert submit.submitted() == []
    assert not (tmp_path / "runs").exists()


def test_recipes_share_a_stage_and_its_evaluation(submit, tmp_path):
    one = write(tmp_path, recipe_values(tmp_path))
    values = recipe_values(tmp_path, name="two")
    values["stages"]["sft"]["mix"] = {"names": 3}
    two = write(tmp_path, values)
    status, output = submit(str(one), str(two))
    assert status == 0, output
    assert submit.submitted() == [
        ("one/prepare", []),
        ("one/align", [101]),
        ("one/sft", [102]),
        ("two/sft", [102]),
        ("one/evaluate-start", [101]),
        ("one/evaluate-align", [102]),
        ("one/evaluate-sft", [103]),
        ("two/evaluate-sft", [104]),
        ("one/report", [105, 106, 107, 103]),
        ("two/report", [105, 106, 108, 104]),
        ("one/compare", [109, 110]),
    ]
    shared = next(row for row in record(tmp_path, "two") if row["name"] == "evaluate-align")
    assert shared["runs"] == ["one", "two"]
    assert Path(shared["script"]).read_text().endswith("two/slurm/recipe.yaml --evaluate align\n")


def test_a_stage_that_another_run_has_queued_is_waited_for(submit, tmp_path):
    assert submit(str(write(tmp_path, recipe_values(tmp_path))))[0] == 0
    values = recipe_values(tmp_path, name="later")
    values["stages"]["sft"]["mix"] = {"names": 3}
    assert submit(str(write(tmp_path, values)))[0] == 0
    jobs = dict(submit.submitted()[7:])
    assert "later/align" not in jobs
    assert jobs["later/sft"] == [102, 108]  # and for the preparation of its own run


def test_what_is_done_is_not_submitted(submit, tmp_path):
    recipe = write(tmp_path, recipe_values(tmp_path))
    submit(str(recipe))
    fingerprint = next(row["fingerprint"] for row in record(tmp_path) if row["name"] == "align")
    done = tmp_path / "runs" / ".stages" / fingerprint / "checkpoint"
    done.mkdir(parents=True)
    (done / "config.json").write_text("{}")
    write_checksums(done)
    shutil.rmtree(tmp_path / "runs" / "one")
    for file in (submit.log, submit.queue):
        file.unlink()
    status, output = submit(str(recipe))
    assert status == 0, output
    names = [name for name, _ in submit.submitted()]
    assert "one/align" not in names
    assert dict(submit.submitted())["one/sft"] == [101]
    assert "one/evaluate-align" in names


def test_a_refused_job_names_those_before_it(submit, tmp_path):
    recipe = write(tmp_path, recipe_values(tmp_path))
    status, output = submit(str(recipe), REFUSE="3")
    assert status == 2
    assert "Traceback" not in output
    assert "Invalid account" in output
    assert "2 of 7 jobs: 101 prepare, 102 align" in output
    assert "scancel 101 102" in output
    assert [row["id"] for row in record(tmp_path)] == [101, 102]
    status, output = submit(str(recipe))  # they are in the queue: a second chain would train align twice
    assert status == 2
    assert "one has jobs in the queue: 101 prepare, 102 align" in output
    submit.queue.unlink()
    assert submit(str(recipe))[0] == 0


def test_the_first_refused_job_leaves_nothing_to_cancel(submit, tmp_path):
    status, output = submit(str(write(tmp_path, recipe_values(tmp_path))), REFUSE="1")
    assert status == 2
    assert "Invalid account" in output
    assert "Nothing was submitted" in output


def test_without_slurm_or_a_place_to_write_it_says_so(submit, tmp_path):
    recipe = write(tmp_path, recipe_values(tmp_path))
    bare = tmp_path / "bare"
    bare.mkdir()
    status, output = submit(str(recipe), path=str(bare))
    assert status == 2
    assert "no sbatch" in output
    assert "--submit --plan" in output
    status, output = submit(str(recipe), "runs_root=/proc/none")
    assert status == 2
    assert "cannot write /proc/none" in output
    assert "runs_root=DIR" in output
    assert submit.submitted() == []


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ({"count": 8}, "8 devices (8 x 1 node) are 2 nodes of 4: write devices.count=4 devices.nodes=2"),
        (
            {"count": 6, "per_device_batch_size": 1, "nodes": 2},
            "are 3 nodes of 4: write devices.count=4 devices.nodes=3",
        ),
    ],
)
def test_more_gpus_than_a_node_has_are_spread_for_you(submit, tmp_path, devices, said):
    values = recipe_values(tmp_path, devices=devices)
    for stage in values["stages"].values():
        stage["global_batch_size"] = 96 if devices["count"] == 6 else 64
    status, output = submit(str(write(tmp_path, values)))
    assert status == 2
    assert "a node has 4 GPUs (gpus_per_node in cluster.yaml)" in output
    assert said in output


def test_options_without_effect_are_refused(submit, tmp_path):
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    for words, said in ((["--only", "align"], "--only and --submit"), (["--report"], "--report and --submit")):
        status, output = submit(recipe, *words)
        assert status == 2
        assert said in output
