"""ZeRO-2 and ZeRO-3 through the command, on two processes: asked in between and at the ends, stopped in the middle,
started again, consolidated into a folder that transformers loads, and all of it as without sharding.

Recipes share starts, which cost more than they do: three whole runs and two that are stopped, in four starts.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from run_fakes import (
    SCRATCH,
    command,
    finished,
    left_over,
    losses,
    metrics,
    recipe_values,
    start,
    when_at_step,
    write_recipe,
)
from transformers import AutoModelForImageTextToText, CLIPVisionModel, LlavaForConditionalGeneration

from data_builders.shared.files import read_jsonl
from evaluation.asking import evaluate
from evaluation.tasks.load import load_tasks
from fgtrain.model import load_checkpoint, weights_hash
from fgtrain.training.answerer import load_answerer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from model_fakes import write_vision_encoder

ZERO = ("deepspeed_stage_2", "deepspeed_stage_3")
TASKS = ["drawn_count", "drawn_presence"]  # the second one with log-probabilities of yes and no
STOPPED = 130
# AdamW's first steps magnify what is near its epsilon, and there are some thirty steps.
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


def sharded_recipe(place: Path, name: str, strategy: str) -> Path:
    """A frozen encoder: in the first stage out of its cache, in the second (augmented) one at work itself."""
    model = {
        "vision_encoder": str(place / "vision"),
        "projector": "mlp2x_gelu",
        "language_model": str(SCRATCH / "language_model"),  # its head is its table of embeddings
        "from_scratch": ["language_model"],
        "image_size": 32,
        "max_tokens": 384,
    }
    values = recipe_values(place, name=name, model=model, runs_root=str(place / "runs" / name))
    values["stages"]["align"]["mix"] = {"count": 1}
    values["stages"]["sft"] |= {"mix": {"count": 4, "document": 4}, "augment": "flip_crop", "checkpoint_every_steps": 9}
    values["devices"] |= {"count": 2, "per_device_batch_size": 2, "strategy": strategy}
    values["evaluation"] = {"tasks": TASKS, "every_steps": 8, "subset": 4}
    return write_recipe(place, values)


def subset(run: Path) -> list[dict]:
    """Answers asked of the fixed subset in the middle of the second stage, with the step at which they were."""
    folders = sorted((run / "subset" / "sft").glob("step*"))
    return [{"step": int(folder.name.removeprefix("step")), **row} for folder in folders for row in rows_in(folder)]


def answers(rows: Iterable[dict]) -> dict[tuple, str]:
    return {(row.get("step"), row["task"], row["question_id"]): row["answer"] for row in rows}


def weighed(rows: Iterable[dict]) -> dict[tuple, float]:
    """Log-probability of each option of each closed question."""
    return {
        (row.get("step"), row["question_id"], option): found[0]
        for row in rows
        for option, found in row.get("options_log_probability", {}).items()
    }


def same_answers(found: list[dict], expected: list[dict], closed: int) -> None:
    assert answers(found) == answers(expected)
    assert weighed(found) == pytest.approx(weighed(expected), abs=1e-3)
    assert len(weighed(found)) == 2 * closed


def rows_in(folder: Path) -> list[dict]:
    return [row for file in sorted(folder.glob("*.jsonl")) for row in read_jsonl(file)]


def full(run: Path) -> list[dict]:
    """Answers to all questions after the last stage."""
    return rows_in(run / "answers" / "sft")


def checkpoint(run: Path) -> Path:
    return run / "sft" / "checkpoint"


def bare(row: dict) -> dict:
    """An answer without the name of its run."""
    return {key: value for key, value in row.items() if key != "model"}


def stop_at(process: subprocess.Popen, run: Path, step: int, number: int) -> None:
    when_at_step(process, run, "sft", step)
    process.send_signal(number)
    status, output = finished(process)
    assert status == STOPPED, output
    assert not left_over(process)
    assert "Traceback" not in output, output
    assert not checkpoint(run).exists()


class Runs:
    """Run folders by name: ddp, each of ZERO, and each of ZERO with `-stopped`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        write_vision_encoder(place / "vision")
        whole = [sharded_recipe(place, name, name) for name in ("ddp", *ZERO)]
        two, three = (sharded_recipe(place, f"{name}-stopped", name) for name in ZERO)
        status, output = command(*whole)
        assert status == 0, output
        stop_at(start(two), self[two.stem], 9, signal.SIGTERM)
        stop_at(start(three), self[three.stem], 17, signal.SIGUSR1)
        status, self.printed_last = command(two, three)
        assert status == 0, self.printed_last

    def __getitem__(self, name: str) -> Path:
        return self.place / "runs" / name / name


@pytest.fixture(scope="module")
def runs(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    place = tmp_path_factory.mktemp("sharded")
    shutil.copytree(tiny_world, place / "world")
    with pytest.MonkeyPatch.context() as environment:
        for name in ("CC", "CXX"):  # a fresh clone may have no compiler
            environment.setenv(name, "/bin/false")
        environment.setenv("TORCH_EXTENSIONS_DIR", str(place / "extensions"))
        yield Runs(place)
    assert not (place / "extensions").exists()


@pytest.mark.parametrize("strategy", ZERO)
def test_stopped_in_the_middle_and_started_again_is_as_never_stopped(runs: Runs, strategy: str) -> None:
    whole, again = runs[strategy], runs[f"{strategy}-stopped"]
    assert losses(again) == losses(whole)
    assert weights_hash(load_checkpoint(checkpoint(again))) == weights_hash(load_checkpoint(checkpoint(whole)))
    assert [bare(row) for row in subset(again)] == [bare(row) for row in subset(whole)]
    assert [bare(row) for row in full(again)] == [bare(row) for row in full(whole)]
    assert "going on from step 18 of 24" in runs.printed_last


@pytest.mark.parametrize("strategy", ZERO)
def test_the_consolidated_folder_loads_in_transformers_and_is_what_training_without_shards_gives(
    runs: Runs, strategy: str
) -> None:
    for a, b in zip(metrics(runs["ddp"]), metrics(runs[strategy]), strict=True):
        assert b.keys() == a.keys()
        assert b["label_weight"] == a["label_weight"]
        assert b["lr"] == a["lr"]
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
        assert b["loss_by_data_set"] == pytest.approx(a["loss_by_data_set"], rel=1e-3)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-3)
        assert b["grad_norm_by_part"] == pytest.approx(a["grad_norm_by_part"], rel=1e-3)
        assert b["samples_per_s"] > 0
        assert b["tokens_per_s"] > 0
    found, info = AutoModelForImageTextToText.from_pretrained(checkpoint(runs[strategy]), output_loading_info=True)
    assert isinstance(found, LlavaForConditionalGeneration)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert found.dtype == torch.float32
    assert found.get_output_embeddings().weight is found.get_input_embeddings().weight
    expected = AutoModelForImageTextToText.from_pretrained(checkpoint(runs["ddp"])).state_dict()
    encoder = CLIPVisionModel.from_pretrained(runs.place / "vision").state_dict()
    for name, tensor in found.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
        if ".vision_tower." in name:
            assert torch.equal(tensor, encoder[name.split(".vision_tower.")[1]]), name


@pytest.mark.parametrize("strategy", ZERO)
def test_the_same_questions_are_asked_in_between_and_answered_as_without_shards(runs: Runs, strategy: str) -> None:
    asked = subset(runs[strategy])
    questions = {step: [key[1:] for key in answers(asked) if key[0] == step] for step in (8, 16)}
    assert len(questions[8]) == 4 * len(TASKS)
    assert questions[8] == questions[16]
    same_answers(asked, subset(runs["ddp"]), closed=2 * 4)
    rows = metrics(runs[strategy], "eval")
    assert {(row["stage"], row["step"], row["subset"]) for row in rows} >= {("sft", 8, True), ("sft", 16, True)}
    assert {row["stage"] for row in rows if not row["subset"]} == {None, "align", "sft"}


@pytest.mark.parametrize("strategy", ZERO)
def test_the_stage_end_is_answered_as_the_consolidated_checkpoint_answers(runs: Runs, strategy: str) -> None:
    tasks = load_tasks(TASKS, [runs.place / "world"])
    out = runs.place / f"again-{strategy}"
    evaluate(load_answerer(checkpoint(runs[strategy])), tasks, out, None, 8)
    for expected in (full(runs[strategy]), full(runs["ddp"])):
        same_answers(rows_in(out), expected, closed=6)
