"""GPUs are known by the names that drivers give them; for others the recipe can say what they do."""

from types import SimpleNamespace

import pytest
import torch
from plan_fakes import recipe_of

from fgtrain.errors import UserError
from fgtrain.plan.peak import GPUS, Peak, assumed_peak, known_gpu
from fgtrain.training.throughput import device_peak, peak_flops

FIGURES = "devices.gpu={bf16_tflops: 100, fp32_tflops: 50.5, memory_tb_per_s: 1, memory_gb: 32}"


@pytest.mark.parametrize(
    ("name", "bf16", "speed", "size"),
    [
        ("NVIDIA B300 SXM6 AC", 2250, 8.0, 288),
        ("NVIDIA GB200", 2500, 8.0, 186),
        ("NVIDIA B200", 2250, 8.0, 180),
        ("NVIDIA GH200 480GB", 989, 4.0, 96),
        ("NVIDIA H200", 989, 4.8, 141),
        ("NVIDIA H200 NVL", 835, 4.8, 141),
        ("NVIDIA H100 80GB HBM3", 989, 3.35, 80),
        ("NVIDIA H100 PCIe", 756, 2.0, 80),
        ("NVIDIA H100 NVL", 835, 3.9, 94),
        ("NVIDIA H20", 148, 4.0, 96),
        ("NVIDIA A100-SXM4-80GB", 312, 2.0, 80),
        ("NVIDIA A100 80GB PCIe", 312, 2.0, 80),
        ("NVIDIA A100-PCIE-40GB", 312, 1.555, 40),
        ("NVIDIA A30", 165, 0.933, 24),
        ("NVIDIA L40S", 362, 0.864, 48),
        ("NVIDIA L20", 119.5, 0.864, 48),
        ("NVIDIA L4", 121, 0.3, 24),
        ("NVIDIA GeForce RTX 4090", 165, 1.008, 24),
        ("NVIDIA GeForce RTX 5090", 210, 1.792, 32),
        ("NVIDIA RTX 6000 Ada Generation", 364, 0.96, 48),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 504, 1.792, 96),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 480, 1.597, 96),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 439, 1.792, 96),
    ],
)
def test_a_gpu_is_known_by_its_drivers_name(name: str, bf16: float, speed: float, size: float):
    found = known_gpu(name)
    assert (found.bf16_tflops, found.memory_tb_per_s, found.memory_gb) == (bf16, speed, size)


# Names that hold the letters of another one, slices of a GPU, and smaller ones that share its name.
@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA RTX A1000",
        "NVIDIA RTX A4000",
        "NVIDIA A2",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "Quadro RTX 6000",
    ],
)
def test_others_are_not_taken_for_one_of_these(name: str):
    assert known_gpu(name) is None


def test_the_table_is_ordered_as_physics_is():
    for name, (bf16, fp32, speed, size) in GPUS.items():
        assert 50 < bf16 < 3000, name
        assert bf16 > 1.5 * fp32 > 10, name
        assert 0.2 < speed < 10 < size < 300, name


def test_a_recipe_may_name_its_gpu_or_give_its_figures(tmp_path):
    named = recipe_of(tmp_path, "devices.gpu=H200", "devices.precision=bf16").devices
    assert (assumed_peak(named).train, assumed_peak(named).holds) == (989e12, 141 * 10**9)
    assert device_peak(named) == assumed_peak(named)
    assert device_peak(named).of == "H200"
    assert assumed_peak(recipe_of(tmp_path, FIGURES).devices) == Peak(50.5e12, 50.5e12, 1e12, 32 * 10**9)
    with pytest.raises(UserError, match=r"devices\.gpu: H1000 is not known.*H100 NVL.*bf16_tflops"):
        device_peak(recipe_of(tmp_path, "devices.gpu=H1000").devices)


def test_a_gpu_that_is_here_and_not_known_is_told_once(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "NVIDIA Z1")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=7 << 30))
    plain, told = recipe_of(tmp_path).devices, recipe_of(tmp_path, FIGURES).devices
    assert [device_peak(plain).train for _ in range(2)] == [None, None]
    said = capsys.readouterr().out
    assert said.count("NVIDIA Z1 is not in the table") == 1
    assert "devices.gpu=" in said
    assert device_peak(told).holds == 7 << 30, "what the driver reports, not what a data sheet says"
    here = SimpleNamespace(type="cuda")
    assert (device_peak(told).train, peak_flops(here, told), peak_flops(here, plain)) == (50.5e12, 50.5e12, None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "NVIDIA H100 PCIe")
    assert device_peak(told).train == 51e12  # what is here counts, whatever was assumed
