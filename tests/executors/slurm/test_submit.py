"""--submit with a fake sbatch: what is queued, what waits for what, and what is said when it goes wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from submit_fakes import REPOSITORY, Submitter, recipe_values, write

from fgtrain.__main__ import main
from fgtrain.checksums import write_checksums
from fgtrain.executors.slurm import slurm_record

WHOLE = {
    "one/build-short_answer-names": [],
    "one/prepare": [101],
    "one/train-align": [102],
    "one/train-sft": [102, 103],
    "one/evaluate-start": [102],
    "one/evaluate-align": [102, 103],
    "one/evaluate-sft": [102, 104],
    "one/report": [102, 103, 104, 105, 106, 107],
}


def jobs_of(folder: Path, run: str = "one") -> Path:
    return folder / "runs" / run / "jobs"


def test_every_job_of_the_graph_is_a_script_that_waits_for_those_before_it(submit: Submitter, tmp_path: Path) -> None:
    recipe = write(tmp_path, recipe_values(tmp_path, devices={"nodes": 2, "count": 4}))
    status, output = submit(str(recipe), "seed=5")
    assert status == 0, output
    assert submit.submitted() == WHOLE
    assert list(submit.submitted()) == list(WHOLE)
    folders = {path.parent.name: path.parent for path in jobs_of(tmp_path).glob("*/job.sbatch")}
    assert len(folders) == 8
    assert {slurm_record(folder)["id"] for folder in folders.values()} == set(range(101, 109))
    assert "scancel 101 102 103 104 105 106 107 108" in output
    texts = {name: (folder / "job.sbatch").read_text() for name, folder in folders.items()}
    for name, text in texts.items():
        assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0, name
        for line in ("--requeue", "--signal=B:USR1@600", "--partition=gpu", f"--output={folders[name]}/log.txt"):
            assert f"#SBATCH {line}\n" in text
        assert text.endswith(f" -m fgtrain.jobs {folders[name]}\n")
        assert (folders[name] / "launch.sh").read_text() == (REPOSITORY / "slurm" / "launch.sh").read_text()
    for name in ("train-sft", "evaluate-sft"):  # both on all devices of the recipe
        for line in ("--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--cpus-per-task=6", "--time=10:00:00"):
            assert f"#SBATCH {line}\n" in texts[name]
    assert "gpus" not in texts["prepare"]
    assert "'train sft, ask align, ask sft, report of one'" in texts["train-align"]
    # What was submitted stays as it was: the recipe is edited while the jobs wait.
    recipe.write_text("")
    assert "seed: 5\n" in (folders["train-sft"] / "recipe.yaml").read_text()


def test_the_plan_shows_everything_and_writes_nothing(submit: Submitter, tmp_path: Path) -> None:
    recipe = write(tmp_path, recipe_values(tmp_path))
    status, output = submit(str(recipe), "--plan", path=os.environ["PATH"])  # also without sbatch
    assert status == 0, output
    assert output.count("#!/usr/bin/env bash") == 8
    assert "Checkpoints" in output  # the plan itself
    assert "Nothing was written or submitted" in output
    assert submit.submitted() == {}
    assert not (tmp_path / "runs").exists()


def test_submitting_needs_no_torch(submit: Submitter, tmp_path: Path) -> None:
    recipe = write(tmp_path, recipe_values(tmp_path))
    code = (
        "import sys; from fgtrain.__main__ import main; "
        f"main([{str(recipe)!r}, '--submit', '--cluster', 'cluster.yaml']); "
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    environment = {**os.environ, **submit.environment(), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert submit.submitted() == WHOLE


def test_builds_that_only_wait_for_one_another_share_a_script(submit: Submitter, tmp_path: Path) -> None:
    first = [{"what": "drawn", "out": str(tmp_path / name)} for name in ("a", "b", "c")]
    status, output = submit(str(write(tmp_path, recipe_values(tmp_path, prepare=first))))
    assert status == 0, output
    jobs = submit.submitted()
    assert len(jobs) == 9  # with the two of `prepare` in the script of the first
    assert jobs["one/build-drawn-a"] == []
    assert jobs["one/build-short_answer-names"] == [101]  # and others wait beside it: a job of its own
    folders = [next(jobs_of(tmp_path).glob(f"build-drawn-{name}-*")) for name in ("a", "b", "c")]
    assert [slurm_record(folder)["id"] for folder in folders] == [101, 101, 101]
    text = (folders[0] / "job.sbatch").read_text()
    assert text.endswith(f" -m fgtrain.jobs {' '.join(map(str, folders))}\n")


def test_recipes_share_a_stage_and_its_evaluation(submit: Submitter, tmp_path: Path) -> None:
    one = write(tmp_path, recipe_values(tmp_path))
    values = recipe_values(tmp_path, name="two")
    values["stages"]["sft"]["mix"] = {"names": 3}
    status, output = submit(str(one), str(write(tmp_path, values)))
    assert status == 0, output
    jobs = submit.submitted()
    ids = {name: number for number, name in enumerate(jobs, 101)}
    assert len(jobs) == 13
    assert not {"two/train-align", "two/evaluate-start", "two/evaluate-align"} & set(jobs)
    assert ids["one/train-align"] in jobs["two/train-sft"]
    assert {ids["one/evaluate-align"], ids["two/evaluate-sft"]} <= set(jobs["two/report"])
    assert jobs["together/answer"] if "together/answer" in jobs else jobs["one-two/answer"]


def test_work_that_another_run_has_in_the_queue_is_waited_for(submit: Submitter, tmp_path: Path) -> None:
    assert submit(str(write(tmp_path, recipe_values(tmp_path))))[0] == 0
    values = recipe_values(tmp_path, name="later")
    values["stages"]["sft"]["mix"] = {"names": 3}
    assert submit(str(write(tmp_path, values)))[0] == 0
    jobs = {name: after for name, after in submit.submitted().items() if name.startswith("later/")}
    assert jobs == {
        "later/prepare": [101],
        "later/train-sft": [103, 109],
        "later/evaluate-sft": [109, 110],
        "later/report": [103, 105, 106, 109, 110, 111],
    }


def test_what_is_in_the_queue_is_not_submitted_again_by_whomever(submit: Submitter, tmp_path: Path) -> None:
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    assert submit(recipe)[0] == 0
    status, output = submit(recipe)
    assert status == 0, output
    assert "in the queue already, and waited for: 101, 102" in output
    assert len(submit.submitted()) == 8
    submit.queue.write_text("107\n")  # the rest has gone
    assert submit(recipe)[0] == 0
    lines = submit.log.read_text().splitlines()[8:]
    assert len(lines) == 7
    assert not any("evaluate-sft" in line for line in lines)
    assert "107" in lines[-1]


def test_status_tells_what_slurm_has_of_a_run(submit: Submitter, tmp_path: Path, capsys) -> None:
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    assert submit(recipe)[0] == 0
    submit.queue.write_text("103\n")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in submit.environment().items():
            patch.setenv(name, value)
        main([recipe, "--status"])
    printed = capsys.readouterr().out
    assert "train align: queued as job 103, pending" in printed
    assert printed.count("queued") == 2  # the line, and its place in the table


def test_two_that_submit_at_once_submit_everything_once(submit: Submitter, tmp_path: Path) -> None:
    recipe = write(tmp_path, recipe_values(tmp_path))
    environment = {**os.environ, **submit.environment(), "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-m", "fgtrain", str(recipe), "--submit", "--cluster", "cluster.yaml"]
    both = [subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=-1, stderr=-2, text=True) for _ in range(2)]
    outputs = [one.communicate(timeout=600)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    assert submit.submitted() == WHOLE
    assert sum("Nothing to submit" in output for output in outputs) == 1


def test_a_job_in_the_queue_keeps_its_folder_to_itself(submit: Submitter, tmp_path: Path) -> None:
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    assert submit(recipe)[0] == 0
    status, output = submit(recipe, "devices.workers=3")
    assert status == 2
    assert "is in the queue as job 101, but not as it would be submitted now: devices.workers was" in output
    assert "scancel 101 102 103 104 105 106 107 108" in output
    submit.queue.unlink()
    assert submit(recipe, "devices.workers=3")[0] == 0


def test_a_job_that_is_just_ending_is_waited_for(submit: Submitter, tmp_path: Path) -> None:
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    assert submit(recipe)[0] == 0
    squeue = tmp_path / "bin" / "squeue"
    ending = f'#!/usr/bin/env bash\necho "103 COMPLETING"\nrm -f "$QUEUE"\nmv {squeue}.real {squeue}\n'
    squeue.rename(f"{squeue}.real")
    squeue.write_text(ending)
    squeue.chmod(0o755)
    status, output = submit(recipe)
    assert status == 0, output
    assert "just ending: 103" in output
    assert len(submit.log.read_text().splitlines()) == 16


def test_what_is_done_is_not_submitted(submit: Submitter, tmp_path: Path) -> None:
    recipe = write(tmp_path, recipe_values(tmp_path))
    submit(str(recipe))
    fingerprint = slurm_record(jobs_of(tmp_path) / "train-align")["fingerprint"]
    done = tmp_path / "runs" / ".stages" / fingerprint / "checkpoint"
    done.mkdir(parents=True)
    (done / "config.json").write_text("{}")
    write_checksums(done)
    shutil.rmtree(tmp_path / "runs" / "one")
    for file in (submit.log, submit.queue):
        file.unlink()
    status, output = submit(str(recipe))
    assert status == 0, output
    assert "one/train-align" not in submit.submitted()
    assert submit.submitted()["one/train-sft"] == [102]
    assert "one/evaluate-align" in submit.submitted()


def test_a_refused_job_names_those_before_it_and_the_same_command_submits_the_rest(
    submit: Submitter, tmp_path: Path
) -> None:
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    status, output = submit(recipe, REFUSE="3")
    assert status == 2
    assert "Traceback" not in output
    assert "Invalid account" in output
    assert "2 of 8 jobs: 101, 102" in output
    assert "scancel 101 102" in output
    status, output = submit(recipe)
    assert status == 0, output
    assert submit.submitted() == WHOLE


def test_the_first_refused_job_leaves_nothing_to_cancel(submit: Submitter, tmp_path: Path) -> None:
    status, output = submit(str(write(tmp_path, recipe_values(tmp_path))), REFUSE="1")
    assert status == 2
    assert "Invalid account" in output
    assert "Nothing was submitted" in output


def test_without_slurm_or_a_place_to_write_it_says_so(submit: Submitter, tmp_path: Path) -> None:
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    bare = tmp_path / "bare"
    bare.mkdir()
    status, output = submit(recipe, path=str(bare))
    assert status == 2
    assert "no sbatch" in output
    assert "--submit --plan" in output
    status, output = submit(recipe, "runs_root=/proc/none")
    assert status == 2
    assert "cannot write /proc/none" in output
    assert "runs_root=DIR" in output
    assert submit.submitted() == {}


def test_no_line_break_of_a_recipe_reaches_a_script(submit: Submitter, tmp_path: Path) -> None:
    harm = f"\ntouch {tmp_path / 'harmed'}\n#"
    for change in ({"runs_root": f"{tmp_path}/x{harm}"}, {"built_root": f"{tmp_path}/y{harm}"}):
        status, output = submit(str(write(tmp_path, recipe_values(tmp_path, **change))))
        assert status == 2, output
        assert "without line breaks" in output
    (tmp_path / f"a{harm.replace('/', '_')}.yaml").write_text((tmp_path / "cluster.yaml").read_text())
    recipe = str(write(tmp_path, recipe_values(tmp_path)))
    status, output = submit(recipe, "--cluster", f"a{harm.replace('/', '_')}.yaml")
    assert status == 2, output
    assert submit.submitted() == {}


def test_names_that_the_shell_would_read_are_quoted(submit: Submitter, tmp_path: Path) -> None:
    root = tmp_path / "a b'c$(touch harmed)%j"
    status, output = submit(str(write(tmp_path, recipe_values(tmp_path))), f"runs_root={root}")
    assert status == 0, output
    script = root / "one" / "jobs" / "prepare" / "job.sbatch"
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    printed = 'fgtrain_job() { printf "%s\\n" "${@: -1}"; }'
    text = "\n".join(line for line in script.read_text().splitlines() if not line.startswith(". "))
    done = subprocess.run(["bash", "-c", f"{printed}\n{text}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == str(script.parent), done.stderr
    assert not (tmp_path / "harmed").exists()
    assert "%%j" in next(line for line in text.splitlines() if "--output" in line)


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
def test_more_gpus_than_a_node_has_are_spread_for_you(submit, tmp_path, devices, said) -> None:
    values = recipe_values(tmp_path, devices=devices)
    for stage in values["stages"].values():
        stage["global_batch_size"] = 96 if devices["count"] == 6 else 64
    status, output = submit(str(write(tmp_path, values)))
    assert status == 2
    assert "a node has 4 GPUs (gpus_per_node in cluster.yaml)" in output
    assert said in output


def test_a_partition_for_questions_must_have_the_recipes_devices_too(submit: Submitter, tmp_path: Path) -> None:
    submit.profile({"gpus_per_node": 4, "time": "10:00:00", "evaluate": {"gpus_per_node": 2}})
    status, output = submit(str(write(tmp_path, recipe_values(tmp_path, devices={"count": 4}))))
    assert status == 2
    assert "a node has 2 GPUs (evaluate.gpus_per_node in cluster.yaml)" in output
