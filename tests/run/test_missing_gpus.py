"""Devices that are not there are refused where a run would train on them, and nowhere else."""

from types import SimpleNamespace

import pytest

from fgtrain.errors import UserError
from fgtrain.executors.local.devices import gpus, refuse_missing_gpus


@pytest.mark.parametrize(
    ("accelerator", "count", "there", "told"),
    [
        ("gpu", 1, 0, "devices.accelerator=cpu"),
        ("gpu", 8, 4, "devices.count=4"),
        ("auto", 8, 4, "devices.count=4"),
        ("auto", 2, 0, None),  # two processes on the CPU
        ("cpu", 8, 4, None),
        ("gpu", 4, 8, None),
    ],
)
def test_gpus_that_are_not_there(accelerator: str, count: int, there: int, told: str | None):
    devices = SimpleNamespace(accelerator=accelerator, count=count)
    if told is None:
        refuse_missing_gpus(devices, there)
    else:
        with pytest.raises(UserError, match=told):
            refuse_missing_gpus(devices, there)


@pytest.mark.parametrize(("visible", "expected"), [("", ()), ("-1", ()), ("3", ("3",)), ("GPU-5f, 1", ("GPU-5f", "1"))])
def test_gpus_are_those_that_cuda_is_told_of(visible: str, expected: tuple[str, ...]):
    assert gpus({"CUDA_VISIBLE_DEVICES": visible}) == expected
