"""The same data give the same step under every strategy, on one process and on two; stopped is as if never stopped.

All cases with two processes run in one launch of two gloo processes, one after the other, as stages of a run do.
"""

import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from launching import figures_of, launch
from safetensors.torch import load_file
from stage_fakes import BASE, Case, batch_of, run_case, tiny_lvlm, write_parts
from torch import Tensor
from torch.nn.utils import get_total_norm

from fgtrain.batch import IGNORE_INDEX
from fgtrain.model import LVLM, merge_adapters, set_trainable
from fgtrain.training.gradient_norm import gradient_norms
from fgtrain.training.resume_files import points
from fgtrain.training.schedule import learning_rate_factor

STRATEGIES = ("ddp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3", "fsdp")
SHARDING = STRATEGIES[2:]
# A sum over 8 samples is split otherwise under each strategy; AdamW's first steps magnify what is near its epsilon.
CLOSE = {"rtol": 1e-4, "atol": 2e-5}
LORA = {"projector": 1.0e-2, "language_model": {"lr": 1.0e-2, "lora": {"rank": 2, "alpha": 8.0}}}
AVERAGED = {"decay": 0.9, "parts": ["projector"]}  # the decay begins below it
VARIANTS: dict[str, dict] = {
    "base": {},  # frozen encoder; on two processes one of them never sees an image
    "lora": {"train": LORA, "weighting": "sqrt"},
    "encoder": {"train": {"vision_encoder": 1.0e-3, "projector": 1.0e-2}, "clip": None},
    "text": {"train": {"language_model": 1.0e-2}, "weighting": "sample"},
}
ADAPTERS: dict[str, dict] = {
    "osf-ddp": {"osf": {"keep": 0.5}},
    "mica-deepspeed_stage_3": {"lora": {"rank": 2, "alpha": 8.0, "init": "mica"}},
    "pissa-fsdp": {"lora": {"rank": 2, "alpha": 8.0, "init": "pissa"}},
}


def plain(case: Case) -> tuple[dict[str, Tensor], list[dict]]:
    """(the model after the stage, figures) by the obvious way: one sum over the step, one division, clip, AdamW."""
    lvlm = tiny_lvlm(Path(case.folder))
    groups = set_trainable(lvlm, case.stage().train)
    lvlm.train()
    optimizer = torch.optim.AdamW([{**g, "weight_decay": 0.1, "peak": g["lr"]} for g in groups])
    learns = [p for group in groups for p in group["params"]]
    averaged = [p for g in groups if case.ema and g["part"] in case.ema["parts"] for p in g["params"]]
    averages = [p.detach().clone() for p in averaged]
    figures = []
    for step in range(case.steps):
        optimizer.zero_grad()
        loss, weight = torch.zeros(()), 0.0
        for place in range(case.global_batch):
            batch = batch_of(case, step, range(place, place + 1))
            weights_S = batch.weights_BT[batch.targets_BT != IGNORE_INDEX]
            loss = loss + (lvlm.token_losses_S(batch) * weights_S).sum()
            weight += weights_S.sum().item()
        (loss / weight).backward()
        norm = torch.stack([p.grad.norm() for p in learns]).norm()
        parts = {g["part"]: torch.cat([p.grad.flatten() for p in g["params"]]).norm().item() for g in groups}
        if case.clip is not None:
            for p in learns:
                p.grad *= min(1.0, case.clip / (norm.item() + 1e-6))
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_factor(step, case.steps, 0.4, 0.0)
        optimizer.step()
        decay = min(case.ema["decay"] if case.ema else 0.0, (2 + step) / (11 + step))
        averages = [decay * average + (1 - decay) * p.detach() for average, p in zip(averages, averaged, strict=True)]
        figures.append({"loss": loss.item() / weight, "grad_norm": norm.item(), "grad_norm_by_part": parts})
    for p, average in zip(averaged, averages, strict=True):
        p.data.copy_(average)
    merge_adapters(lvlm)
    return lvlm.state_dict(), figures


class Launched:
    """The cases by name, and what rank 0 printed."""

    def __init__(self, folder: Path) -> None:
        write_parts(folder)
        self.folder = folder
        self.cases: dict[str, Case] = {}
        for variant, values in VARIANTS.items():
            for strategy in STRATEGIES if variant == "base" else SHARDING:
                self.add(f"{variant}-{strategy}", strategy=strategy, **values)
        for key, how in ADAPTERS.items():
            train, strategy = {"language_model": {"lr": 1.0e-2, **how}}, key.partition("-")[2]
            self.add(key, strategy=strategy, train=train, clip=None)
            self.add(f"stopped-{key}", strategy=strategy, train=train, clip=None, signal_at=2, save=None)
            self.add(f"stopped-{key}+", name=f"stopped-{key}", strategy=strategy, train=train, clip=None)
        for strategy in ("ddp", "deepspeed_stage_2"):
            self.add(f"turns-{strategy}", strategy=strategy, per_device=1)
        # Ranks with more labels than others: their logits are made in more pieces.
        self.add("pieces", strategy="deepspeed_stage_3", logits_at_once=80 * 6)
        self.add("handed-over", strategy="ddp", signal_at=2, save=None)
        self.add("offload-2", strategy="deepspeed_stage_2", offload="optimizer")
        self.add("offload-3", strategy="deepspeed_stage_3", offload="parameters")
        self.add("offload-fsdp", strategy="fsdp", offload="parameters")
        for strategy in ("ddp", *SHARDING):
            for key, more in {"averaged": {"asks": True}, "first-half": {"signal_at": 2}, "other-half": {}}.items():
                name = "averaged" if key == "averaged" else "halves"
                more |= {"save": None} if key == "first-half" else {}
                self.add(f"{key}-{strategy}", name=f"{name}-{strategy}", strategy=strategy, ema=AVERAGED, **more)
            stop = {"signal_at": 2, "signal": int(signal.SIGUSR1), "save": None}
            self.add(f"stopped-{strategy}", strategy=strategy, **stop)
            self.add(f"stopped-{strategy}+", name=f"stopped-{strategy}", strategy=strategy)
        for strategy in ("ddp", "deepspeed_stage_3"):
            poisoned = {"images": "all", "poison": [1, 1], "every": 1, "save": None}
            self.add(f"poisoned-{strategy}", strategy=strategy, **poisoned)
        for strategy in ("ddp", "deepspeed_stage_2", "fsdp"):
            self.add(f"watched-{strategy}", strategy=strategy, watches=2)
        for strategy in SHARDING:
            self.add(f"bf16-{strategy}", strategy=strategy, precision="bf16")
        self.printed = launch(list(self.cases.values()))

    def add(self, key: str, **values: object) -> None:
        save = str(self.folder / f"{key}.safetensors")
        defaults = {"folder": str(self.folder), "name": key, "devices": 2, "per_device": 2, "save": save}
        self.cases[key] = Case(**{**defaults, **values})

    def weights(self, key: str) -> dict[str, Tensor]:
        return load_file(self.cases[key].save)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    return Launched(tmp_path_factory.mktemp("launched"))


def check(case: Case, weights: dict[str, Tensor]) -> None:
    """The stage took the steps of the plain way, and what is frozen has not moved by a bit."""
    expected, expected_figures = plain(case)
    start = tiny_lvlm(Path(case.folder)).state_dict()
    assert weights.keys() == expected.keys()
    for name, tensor in expected.items():
        # A bias of keys shifts all scores alike: its gradient is 0 up to rounding, which AdamW magnifies to full steps.
        if not name.endswith("k_proj.bias"):
            torch.testing.assert_close(weights[name], tensor, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
        if torch.equal(tensor, start[name]):
            assert torch.equal(weights[name], tensor), name
    assert not all(torch.equal(expected[name], start[name]) for name in start)
    for row, wanted in zip(figures_of(case), expected_figures, strict=True):
        assert row["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
        assert row["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=1e-4)
        assert row["grad_norm_by_part"] == pytest.approx(wanted["grad_norm_by_part"], rel=1e-4)
        assert row["grad_norm"] ** 2 == pytest.approx(sum(n**2 for n in row["grad_norm_by_part"].values()), rel=1e-5)
    assert case.clip is None or min(row["grad_norm"] for row in expected_figures) > 2 * case.clip


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_process_takes_the_plain_step_however_it_is_cut(tmp_path: Path, variant: str) -> None:
    write_parts(tmp_path)
    for per_device in (8, 4, 1):
        case = Case(str(tmp_path), name=f"by-{per_device}", per_device=per_device, **VARIANTS[variant])
        lvlm = run_case(case)
        merge_adapters(lvlm)
        check(case, lvlm.state_dict())


def test_the_norm_by_parts_is_to_the_bit_the_one_that_torch_clips_by(tmp_path: Path) -> None:
    write_parts(tmp_path)
    lvlm = tiny_lvlm(tmp_path)
    groups = set_trainable(lvlm, Case("", train=VARIANTS["encoder"]["train"] | BASE).stage().train)
    lvlm.token_losses_S(batch_of(Case(""), 0, range(4))).sum().backward()
    norm, norm_G = gradient_norms(groups, torch.device("cpu"))
    assert torch.equal(norm, get_total_norm([p.grad for group in groups for p in group["params"]]))
    assert len(norm_G) == 3
    torch.testing.assert_close(norm_G.norm(), norm)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_take_the_plain_step_under_every_strategy(launched: Launched, strategy: str) -> None:
    check(launched.cases[f"base-{strategy}"], launched.weights(f"base-{strategy}"))


@pytest.mark.parametrize("strategy", SHARDING)
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "base"])
def test_adapters_a_learning_encoder_and_text_alone_do_so_too(launched: Launched, variant: str, strategy: str) -> None:
    check(launched.cases[f"{variant}-{strategy}"], launched.weights(f"{variant}-{strategy}"))


@pytest.mark.parametrize(
    "key", [*(f"base-{s}" for s in STRATEGIES), "lora-fsdp", "text-deepspeed_stage_3", "stopped-fsdp+"]
)
def test_what_is_frozen_is_in_eval_mode_and_no_optimizer_remembers_it(launched: Launched, key: str) -> None:
    case = launched.cases[key]
    noted = [json.loads((case.out / f"noted{rank}.json").read_text()) for rank in range(2)]
    assert all(one["training"] == list(case.train) for one in noted)
    kept, learns = [one["kept"] for one in noted], sum(one["learns"] for one in noted)
    if case.strategy == "ddp":
        assert sum(kept) == learns
    else:  # each rank its half, of numbers that may be filled up to halves of equal size
        whole = sum(p.numel() for p in tiny_lvlm(launched.folder).parameters())
        assert 0.4 < kept[0] / sum(kept) < 0.6
        assert sum(kept) < 0.9 * whole


@pytest.mark.parametrize(
    "key", ["turns-ddp", "turns-deepspeed_stage_2", "pieces", "offload-2", "offload-3", "offload-fsdp"]
)
def test_accumulation_pieces_and_offload_do_not_change_the_step(launched: Launched, key: str) -> None:
    check(launched.cases[key], launched.weights(key))


@pytest.mark.parametrize("strategy", ["ddp", *SHARDING])
def test_stopped_and_started_again_is_as_never_stopped(launched: Launched, strategy: str) -> None:
    assert f"CASE stopped-{strategy} rank 0: stopped: stage stopped-{strategy} stopped by SIGUSR1" in launched.printed
    assert_same_bits(launched, f"base-{strategy}", f"stopped-{strategy}+")


@pytest.mark.parametrize("key", ADAPTERS)
def test_adapters_that_begin_otherwise_take_the_plain_step_and_outlive_a_stop(launched: Launched, key: str) -> None:
    check(launched.cases[key], launched.weights(key))
    assert_same_bits(launched, key, f"stopped-{key}+")


def assert_same_bits(launched: Launched, whole: str, again: str) -> None:
    """The figures and weights of a case that was never stopped, and of one that was."""
    for a, b in zip(figures_of(launched.cases[whole]), figures_of(launched.cases[again]), strict=True):
        assert {key: b[key] for key in ("step", "loss", "grad_norm", "lr")} == {
            key: a[key] for key in ("step", "loss", "grad_norm", "lr")
        }
    for name, tensor in launched.weights(whole).items():
        assert torch.equal(launched.weights(again)[name], tensor), name


@pytest.mark.parametrize("strategy", ["ddp", *SHARDING])
def test_the_average_of_a_part_is_the_plain_one_and_stopping_does_not_change_it(launched: Launched, strategy: str):
    """Shards are averaged where they lie; what is asked on the way is asked of the average."""
    key = f"averaged-{strategy}"
    check(launched.cases[key], launched.weights(key))
    for name, tensor in launched.weights(key).items():
        assert torch.equal(launched.weights(f"other-half-{strategy}")[name], tensor), name
        same = torch.equal(launched.weights(f"base-{strategy}")[name], tensor)
        assert same == ("projector" not in name), name
    plainly = launched.cases["averaged-ddp"].out
    for rank in range(2):
        read, wanted = (json.loads((of / f"read{rank}.json").read_text()) for of in (launched.cases[key].out, plainly))
        assert read.keys() == wanted.keys() == {"1", "2"}
        for step, losses in read.items():
            assert losses == pytest.approx(wanted[step], rel=1e-4)


def test_on_one_process_the_average_is_asked_and_kept_and_a_decay_of_0_is_the_last_weights(tmp_path: Path) -> None:
    write_parts(tmp_path)
    start, ends, asked = tiny_lvlm(tmp_path).state_dict(), {}, {}
    for name, ema in {"without": None, "averaged": AVERAGED, "last": {"decay": 0.0}}.items():
        case, lvlm, seen = Case(str(tmp_path), name=name, ema=ema), tiny_lvlm(tmp_path), []

        def ask(*_: int, lvlm: LVLM = lvlm, seen: list = seen) -> list:
            seen.append({name: values.clone() for name, values in lvlm.state_dict().items()})
            return []

        ends[name], asked[name] = run_case(case, lvlm, ask).state_dict(), seen
        if name == "averaged":
            check(case, ends[name])
    for name, values in ends["without"].items():
        assert torch.equal(ends["last"][name], values), name
        share = 2 / 11 if "projector" in name else 0.0
        expected = share * start[name] + (1 - share) * asked["without"][0][name]
        torch.testing.assert_close(asked["averaged"][0][name], expected, rtol=1e-6, atol=1e-7)


def test_without_shards_another_number_of_ranks_goes_on(launched: Launched) -> None:
    case = replace(launched.cases["handed-over"], devices=1, signal_at=None)
    check(case, run_case(case).state_dict())


@pytest.mark.parametrize("strategy", ["ddp", "deepspeed_stage_3"])
def test_a_loss_that_is_no_number_on_one_rank_stops_all_before_the_step(launched: Launched, strategy: str) -> None:
    line = next(line for line in launched.printed.splitlines() if line.startswith(f"CASE poisoned-{strategy} rank 0"))
    assert "failed: stage poisoned" in line
    assert re.search(
        r"step 2: the loss is nan\. Rows of the micro-batches in question: drawn/1/(1, drawn/1/5|5, drawn/1/1)\. ",
        line,
    )
    case = launched.cases[f"poisoned-{strategy}"]
    assert [row["step"] for row in figures_of(case)] == [1]
    assert [point.name for point in points(case.out / "resume")] == ["step00000001"]


@pytest.mark.parametrize("strategy", SHARDING)
def test_in_bf16_the_frozen_weights_stay_exact(launched: Launched, strategy: str) -> None:
    case, weights = launched.cases[f"bf16-{strategy}"], launched.weights(f"bf16-{strategy}")
    start = tiny_lvlm(launched.folder).state_dict()
    expected, expected_figures = plain(case)
    for name, tensor in weights.items():
        if torch.equal(expected[name], start[name]):
            assert torch.equal(tensor, start[name]), name
        else:
            assert not torch.equal(tensor, tensor.bfloat16().float()), f"{name} was rounded"
    for row, wanted in zip(figures_of(case), expected_figures, strict=True):
        assert row["loss"] == pytest.approx(wanted["loss"], rel=0.02)
        assert row["grad_norm"] == pytest.approx(wanted["grad_norm"], rel=0.1)
        assert row["grad_norm_by_part"] == pytest.approx(wanted["grad_norm_by_part"], rel=0.1)


@pytest.mark.parametrize("strategy", ["ddp", "deepspeed_stage_2", "fsdp"])
def test_all_ranks_end_at_the_step_that_the_watch_says(launched: Launched, strategy: str) -> None:
    case = launched.cases[f"watched-{strategy}"]
    kept = load_file(case.out / "kept.safetensors")
    found = launched.weights(f"watched-{strategy}")
    wanted = launched.weights("watched-ddp")
    assert all(torch.equal(values, found[name]) for name, values in kept.items())
    assert [row["step"] for row in figures_of(case)] == [1, 2]
    for name, values in found.items():
        torch.testing.assert_close(values, wanted[name], **CLOSE)
