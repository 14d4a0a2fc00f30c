"""What keeps torch from the GPUs that are here is said in one message, before anything is built; and each process takes
the GPU that is its own, however its launcher has shown it."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy

from fgtrain import own_gpu as own_gpu_file
from fgtrain.errors import SharedUserError, UserError
from fgtrain.executors.local.carry_out import carry_out
from fgtrain.executors.local.devices import Host, refuse_missing_gpus, refuse_unusable_gpus
from fgtrain.gpu_faults import Seen, fault, has_kernels
from fgtrain.jobs.inputs import job_device
from fgtrain.own_gpu import gpu_is_here, look, look_from_outside, own_gpu, refuse_shared_gpus, uses_gpu
from fgtrain.recipe.devices_schema import Devices
from fgtrain.training.group_environment import GroupEnvironment
from fgtrain.training.strategy import OwnGpu, weights_device

CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
H200 = Seen("2.13.0+cu130", "13.0", CU130, "580.65.06", True, "", ("NVIDIA H200",) * 2, ((9, 0),) * 2)
LOST = replace(H200, usable=False, names=(), capabilities=(), kernels=())

FAULTS = {
    "old driver": (
        replace(LOST, driver="550.54.15", error="The NVIDIA driver on your system is too old (found version 12040)"),
        r"installed CUDA 13 build of torch \(2\.13\.0\+cu130\) wants driver 580 or newer, yours is 550\.54\.15.*cu126",
    ),
    "older driver": (replace(LOST, driver="470.1"), r"yours is 470\.1\. Let it be updated; or write devices.acc"),
    "build for CPUs": (
        replace(LOST, torch="2.13.0+cpu", build=None),
        r"GPU is here \(driver 580\.65\.06\), but this torch \(2\.13\.0\+cpu\) is a build for CPUs.*whl/cu130",
    ),
    "build for CPUs, old driver": (replace(LOST, build=None, driver="535.1"), "build for CPUs.*whl/cu126"),
    "something else": (
        replace(LOST, error="CUDA unknown error"),
        "cannot use the GPU.*580.65.06.*: CUDA unknown error",
    ),
    "new kind": (
        replace(H200, names=("NVIDIA B300",) * 2, capabilities=((10, 3),) * 2, kernels=CU126, torch="2.13.0+cu126"),
        r"NVIDIA B300 is an sm_103, and this torch \(2\.13\.0\+cu126\) has kernels for sm_50, .*sm_90 alone.*whl/cu130",
    ),
    "old kind": (replace(H200, names=("V100", "V100"), capabilities=((7, 0),) * 2), "V100 is an sm_70"),
    "too few": (replace(H200, names=H200.names[:1], capabilities=H200.capabilities[:1]), "torch sees 1.*count=1"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_own_message(name: str):
    seen, told = FAULTS[name]
    with pytest.raises(UserError, match=told):
        refuse_unusable_gpus(Devices(count=2), lambda: seen)
    refuse_unusable_gpus(Devices(count=2, accelerator="cpu"), lambda: seen)


def test_gpus_that_work_are_taken():
    refuse_unusable_gpus(Devices(count=2), lambda: H200)
    slices = replace(H200, names=("NVIDIA H200 MIG 3g.71gb",), capabilities=((9, 0),))
    assert fault(slices, Devices(count=1), "MIG-5a,MIG-6b") is None
    assert "one slice of a GPU at a time" in fault(slices, Devices(count=2), "MIG-5a,MIG-6b")


@pytest.mark.parametrize(
    ("capability", "kernels", "runs"),
    [
        ((9, 0), CU130, True),
        ((10, 3), CU130, True),  # machine code of 10.0 runs on it
        ((8, 9), CU130, True),  # of 8.6
        ((12, 1), CU130, True),
        ((13, 0), CU130, True),  # intermediate code of 12.0 is compiled for it
        ((7, 0), CU130, False),
        ((10, 0), CU126, False),
        ((9, 0), ("sm_100", "compute_100"), False),
        ((10, 3), ("sm_100a",), False),
        ((10, 3), ("sm_103a",), True),
        ((9, 4), ("gfx90a",), True),  # not CUDA's to say
    ],
)
def test_kernels_run_where_cuda_says_that_they_do(capability: tuple[int, int], kernels: tuple, runs: bool):
    assert has_kernels(capability, kernels) == runs


def fake_gpus(monkeypatch: pytest.MonkeyPatch, visible: str | None, number: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


@pytest.mark.parametrize(
    ("visible", "number", "local_rank", "index"),
    [
        (None, 8, 3, 3),
        ("4,5,6,7", 4, 3, 3),
        ("0", 1, 3, 0),  # srun --gpus-per-task=1: all tasks call theirs 0
        ("3", 1, 3, 0),  # a launcher's own choice
        ("MIG-1f0c", 1, 3, 0),
    ],
)
def test_each_process_takes_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, number: int, local_rank: int, index: int
):
    fake_gpus(monkeypatch, visible, number)
    own = torch.device("cuda", index)
    assert own_gpu(local_rank) == own
    assert job_device(SimpleNamespace(devices=Devices(count=4)), local_rank) == own
    assert weights_device(Devices(count=4, strategy="ddp"), local_rank, local_rank) == own


def test_lightning_takes_it_too(monkeypatch: pytest.MonkeyPatch):
    fake_gpus(monkeypatch, "0", 1)
    monkeypatch.setattr("lightning.pytorch.accelerators.cuda.num_cuda_devices", lambda: 1)
    for name, value in {"RANK": 3, "WORLD_SIZE": 4, "LOCAL_RANK": 3, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    trainer = Trainer(
        accelerator=OwnGpu(),
        devices=4,
        strategy=DDPStrategy(),
        plugins=[GroupEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    assert trainer.strategy.root_device == torch.device("cuda", 0)
    assert (trainer.num_devices, trainer.strategy.num_processes) == (4, 4)


def test_a_process_that_sees_too_few_says_so(monkeypatch: pytest.MonkeyPatch):
    fake_gpus(monkeypatch, "0,1", 2)
    with pytest.raises(UserError, match=r"process 3 of this host sees 2 GPUs \(CUDA_VISIBLE_DEVICES=0,1\)"):
        own_gpu(3)


@pytest.mark.parametrize(
    ("uuids", "told"),
    [
        (["a", "b", "c"], None),
        (["a", "b", "a"], r"processes 0 and 2 would both compute on GPU a of .*CUDA_VISIBLE_DEVICES"),
    ],
)
def test_no_two_processes_share_a_gpu(monkeypatch: pytest.MonkeyPatch, uuids: list[str], told: str | None):
    """A launcher may have shown one GPU to each, or the same one to all."""
    fake_gpus(monkeypatch, "0", 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=uuids[2]))

    def gather(places: list, own: tuple[str, str]) -> None:
        assert own[1] == uuids[2]
        places[:] = [(own[0], uuid) for uuid in uuids]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    if told is None:
        refuse_shared_gpus(3, 2)
    else:
        with pytest.raises(SharedUserError, match=told):
            refuse_shared_gpus(3, 2)


def test_tasks_with_a_gpu_each_are_told_who_starts_the_processes():
    bound = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "0", "CUDA_VISIBLE_DEVICES": "0"}
    with pytest.raises(
        UserError, match=r"srun has bound one GPU to each of its 4 tasks.*Leave srun out.*gpu-bind=none"
    ):
        refuse_missing_gpus(Devices(count=4), 1, bound)


# A GPU that is here, and a torch that cannot use it: no run ends up on the CPU because of that.
def test_a_gpu_that_torch_cannot_use_stops_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_gpu_file, "NODES", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert not gpu_is_here()
    assert uses_gpu(Devices()) is False
    with pytest.raises(UserError, match="there is no GPU here"):
        uses_gpu(Devices(accelerator="gpu"))
    (tmp_path / "nvidia0").touch()
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(own_gpu_file, "look", lambda: FAULTS["old driver"][0])
    assert gpu_is_here()
    with pytest.raises(UserError, match="wants driver 580 or newer"):
        uses_gpu(Devices())
    assert uses_gpu(Devices(accelerator="cpu")) is False
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1,0")  # hidden: what comes after -1 does not count
    assert uses_gpu(Devices()) is False


def test_the_executor_looks_before_its_first_job(monkeypatch: pytest.MonkeyPatch):
    recipe = SimpleNamespace(devices=Devices(count=2))
    job = SimpleNamespace(computes=True, recipe=recipe, name="build", runs=("a",), gpu=True)
    looked = "fgtrain.executors.local.carry_out"
    monkeypatch.setattr(sys.modules[looked], "this_host", lambda: Host(8, ("0", "1")))
    monkeypatch.setattr(sys.modules[looked], "look_from_outside", lambda: FAULTS["new kind"][0])
    with pytest.raises(UserError, match="NVIDIA B300 is an sm_103"):
        carry_out([job])


def test_another_process_sees_what_this_one_sees(monkeypatch: pytest.MonkeyPatch):
    """Told through JSON; without a GPU, that there is none."""
    here = look()
    assert here.torch == torch.__version__
    answer = SimpleNamespace(returncode=0, stdout="a library's word\n" + json.dumps(asdict(H200)), stderr="")
    monkeypatch.setattr(own_gpu_file.subprocess, "run", lambda *words, **options: answer)
    assert look_from_outside({}) == H200


def test_the_driver_is_read_from_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "version"
    monkeypatch.setattr(own_gpu_file, "DRIVER", path)
    for text, version in (
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 2024\nGCC version: gcc 12.2.0",
            "550.54.15",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build", "580.65.06"),
    ):
        path.write_text(text)
        own_gpu_file.driver_version.cache_clear()
        assert own_gpu_file.driver_version() == version
    own_gpu_file.driver_version.cache_clear()
