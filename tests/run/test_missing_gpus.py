"""Devices that are not there are refused where a run would train on them, and nowhere else."""

from types import SimpleNamespace

import pytest
from fgtrain.run.runnable import refuse_missing_gpus

from fgtrain.errors import UserError


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
def test_gpus_that_are_not_there(monkeypatch, accelerator: str, count: int, there: int, told: str | None):
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    devices = SimpleNamespace(accelerator=accelerator, count=count)
    if told is None:
        refuse_missing_gpus(devices)
    else:
        with pytest.raises(UserError, match=told):
            refuse_missing_gpus(devices)
