"""What strategies do for memory and speed costs no bits that it need not cost: sums, masters, starts, places."""

import json
import signal
from pathlib import Path

import pytest
import torch
from launching import figures_of, launch
from safetensors.torch import load_file
from stage_fakes import Case, tiny_lvlm, write_parts

ZERO = {
    "deepspeed_stage_1": {},
    "deepspeed_stage_2": {},
    "deepspeed_stage_3": {},
    "offload-2": {"strategy": "deepspeed_stage_2", "offload": "optimizer"},
    "offload-3": {"strategy": "deepspeed_stage_3", "offload": "parameters"},
}
HARDLY = {"projector": 1e-9, "language_model": 1e-9}  # rates that leave weights where they are
STOP = {"signal_at": 1, "signal": int(signal.SIGUSR1)}


class Launched:
    """The cases by name, and what the first processes printed: two for sums, masters and places, four for starts."""

    def __init__(self, folder: Path) -> None:
        write_parts(folder)
        self.folder = folder
        self.cases: dict[str, Case] = {}
        for key, values in ZERO.items():
            bf16 = {"strategy": key, "precision": "bf16", **values}
            self.add(f"summed-{key}", per_device=1, global_batch=8, steps=2, sums=True, **bf16)
            self.add(f"still-{key}", train=HARDLY, steps=1, **bf16)
        self.add("still-fsdp", train=HARDLY, steps=1, strategy="fsdp", precision="bf16")
        for key, values in {"ddp": {"strategy": "ddp"}, "fsdp": {"strategy": "fsdp", "offload": "parameters"}}.items():
            self.add(f"whole-{key}", **values)
            self.add(f"stopped-{key}", **values, **STOP)
            self.add(f"stopped-{key}+", **{"name": f"stopped-{key}", **values})
        self.printed = launch([case for case in self.cases.values() if case.devices == 2])
        self.printed += launch([case for case in self.cases.values() if case.devices == 4], 4)

    def add(self, key: str, **values: object) -> None:
        ranks = 4 if values["strategy"] == "ddp" else 2
        save = str(self.folder / f"{key}.safetensors")
        defaults = {"folder": str(self.folder), "name": key, "devices": ranks, "per_device": 2, "save": save}
        self.cases[key] = Case(**{**defaults, **values})

    def weights(self, key: str) -> dict[str, torch.Tensor]:
        return load_file(self.cases[key].save)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    return Launched(tmp_path_factory.mktemp("exact"))


@pytest.mark.parametrize("key", ZERO)
def test_in_bf16_zero_sums_micro_batches_in_fp32(launched: Launched, key: str):
    """Four micro-batches a step. In bf16 the sum is 1e-3 off."""
    found = json.loads((launched.cases[f"summed-{key}"].out / "summed.json").read_text())
    assert len(found) == 2
    assert max(found) < 1e-6


@pytest.mark.parametrize("key", [*ZERO, "fsdp"])
def test_in_bf16_what_learns_begins_where_it_was_and_not_rounded(launched: Launched, key: str):
    """Rounded to bf16, weights would be up to 2e-3 off, relatively."""
    start, end = tiny_lvlm(launched.folder).state_dict(), launched.weights(f"still-{key}")
    learnt = {name for name in end if name.startswith("hf.") and not torch.equal(end[name], start[name])}
    assert learnt
    for name in end:
        torch.testing.assert_close(end[name], start[name], rtol=1e-5, atol=1e-8, msg=name)


@pytest.mark.parametrize("key", ["ddp", "fsdp"])
def test_stopped_after_its_first_step_a_stage_is_as_never_stopped(launched: Launched, key: str):
    """Under ddp on four processes: sums of four depend on where in a bucket a gradient lies, of two they do not."""
    assert f"CASE stopped-{key} rank 0: stopped: stage stopped-{key} stopped by SIGUSR1 at step 1" in launched.printed
    whole, again = f"whole-{key}", f"stopped-{key}+"
    for a, b in zip(figures_of(launched.cases[whole]), figures_of(launched.cases[again]), strict=True):
        assert (a["loss"], a["grad_norm"]) == (b["loss"], b["grad_norm"])
    expected, found = launched.weights(whole), launched.weights(again)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_with_offload_fsdp_learns_as_ddp_does(launched: Launched):
    for a, b in zip(*(figures_of(launched.cases[f"whole-{key}"]) for key in ("ddp", "fsdp")), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-4)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-4)


def test_nobody_moves_shards_that_belong_to_the_host(launched: Launched):
    """On a CPU, where all places are one, nothing but the moving itself can show it."""
    lines = [line for line in launched.printed.splitlines() if line.startswith("CASE") and "fsdp" in line]
    assert len(lines) == 4
    assert not [line for line in lines if "moved" in line]
