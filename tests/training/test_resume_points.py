"""A resume point is whole or it is not used; what could not be written leaves what was there."""

import errno
import json
from pathlib import Path

import pytest
import torch
from stage_fakes import Case, DrawnBatches, run_case

from fgtrain.errors import TrainingFailedError, UserError
from fgtrain.training import resume_files
from fgtrain.training.resume_files import MANIFEST, STATE_FILE, points, refuse_other_shards
from fgtrain.training.trainer import StageInterruptedError

STEPS = 5


@pytest.fixture(scope="module")
def whole(parts: Path) -> dict[str, torch.Tensor]:
    return run_case(case_of(parts, "whole")).state_dict()


def case_of(folder: Path, name: str, **values: object) -> Case:
    return Case(folder, name=name, steps=STEPS, every=1, **values)


def stopped(folder: Path, name: str, at: int) -> list[Path]:
    """The resume points of a stage that was stopped after a step."""
    with pytest.raises(StageInterruptedError):
        run_case(case_of(folder, name, signal_at=at))
    return points(folder / name / "resume")


def equal(lvlm: torch.nn.Module, whole: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, whole[name]) for name, tensor in lvlm.state_dict().items())


def altered(point: Path) -> None:
    path = point / STATE_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def torn(point: Path) -> None:
    path = point / STATE_FILE
    path.write_bytes(path.read_bytes()[:-100])


def without_manifest(point: Path) -> None:
    (point / MANIFEST).write_text('{"step": 3,')


def without_file(point: Path) -> None:
    (point / STATE_FILE).unlink()


FAULTS = {altered: "was altered", torn: "bytes, not", without_manifest: "cannot be read", without_file: "is missing"}


@pytest.mark.parametrize("damage", FAULTS, ids=lambda damage: damage.__name__)
def test_a_damaged_point_is_refused_and_the_one_before_is_used(
    parts: Path, whole: dict, damage: object, capsys: pytest.CaptureFixture
) -> None:
    name = f"damaged-{damage.__name__}"
    newest, before = stopped(parts, name, at=3)
    damage(newest)
    lvlm = run_case(case_of(parts, name))
    said = [line for line in capsys.readouterr().out.splitlines() if "refused" in line]
    assert len(said) == 1
    assert str(newest) in said[0]
    assert FAULTS[damage] in said[0]
    assert before.name in said[0]
    assert equal(lvlm, whole)
    steps = [json.loads(line)["step"] for line in (parts / name / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]


def test_with_no_whole_point_the_stage_begins_anew(parts: Path, whole: dict, capsys: pytest.CaptureFixture) -> None:
    for point in stopped(parts, "none-whole", at=3):
        altered(point)
    assert equal(run_case(case_of(parts, "none-whole")), whole)
    assert "begins anew" in capsys.readouterr().out


def test_going_on_makes_no_batch_of_the_past(parts: Path, whole: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(parts, "no-pass", at=4)
    made: list[int] = []
    make = DrawnBatches.__getitem__
    monkeypatch.setattr(DrawnBatches, "__getitem__", lambda self, number: made.append(number) or make(self, number))
    assert equal(run_case(case_of(parts, "no-pass")), whole)
    assert made == [8, 9]  # two micro-batches a step


def test_a_full_disk_leaves_the_last_good_point_and_says_so(
    parts: Path, whole: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = torch.save, []

    def full(content: object, file: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, file)

    monkeypatch.setattr(resume_files.torch, "save", full)
    with pytest.raises(UserError, match=r"step 3 could not be written .*No space left.*step00000002 is the last good"):
        run_case(case_of(parts, "full"))
    assert [point.name for point in points(parts / "full" / "resume")] == ["step00000002", "step00000001"]
    assert not list((parts / "full" / "resume").glob(".step*"))
    monkeypatch.setattr(resume_files.torch, "save", save)
    assert equal(run_case(case_of(parts, "full")), whole)


def test_shards_go_on_only_as_they_were_cut(parts: Path) -> None:
    point = stopped(parts, "cut", at=2)[0]
    refuse_other_shards(point, "whole", 64)  # nothing is in shards
    with pytest.raises(UserError, match=r"devices\.strategy=auto"):
        refuse_other_shards(point, "fsdp", 2)
    manifest = json.loads((point / MANIFEST).read_text()) | {"strategy": "deepspeed_stage_2", "ranks": 8}
    (point / MANIFEST).write_text(json.dumps(manifest))
    refuse_other_shards(point, "deepspeed_stage_2", 8)
    for strategy, ranks in (("deepspeed_stage_2", 4), ("deepspeed_stage_3", 8), ("whole", 8)):
        with pytest.raises(UserError, match=r"8 ranks.*devices\.strategy=deepspeed_stage_2 on 8 devices"):
            refuse_other_shards(point, strategy, ranks)


def test_what_gets_no_gradient_stops_the_first_step(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fgtrain.model import LVLM

    monkeypatch.setattr(LVLM, "_dummy", lambda self, device: None)
    with pytest.raises(RuntimeError, match=r"got no gradient: hf\.projector"):
        run_case(case_of(parts, "no-gradient", images="none"))


def test_a_gradient_without_a_norm_stops_before_the_step(parts: Path) -> None:
    """Weights that have run away: the loss is a number still, or not any more; nothing of that step is saved."""
    values = {"steps": STEPS, "every": 1, "clip": None, "train": {"projector": {"lr": 1e30}}}
    case = Case(parts, name="ran-away", **values)
    with pytest.raises(TrainingFailedError, match=r"stage ran-away, step \d: .*Rows of the micro-batches in question"):
        run_case(case)
    steps = [json.loads(line)["step"] for line in (case.out / "metrics.jsonl").read_text().splitlines()]
    assert points(case.out / "resume")[0].name == f"step{steps[-1]:08d}"
