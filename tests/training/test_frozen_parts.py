"""What a recipe does not list stays as it is, through the real trainer: to the bit, in eval mode, without a memory.

The parts here would not keep still by themselves: BatchNorm in the encoder, dropout in the language model.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import stage_fakes
import torch
from stage_fakes import Case, run_case

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from model_fakes import drawn_module, model_values, write_language_model, write_preprocessor

from fgtrain.model import LVLM, build_model, merge_adapters
from fgtrain.model.small_conv import SmallConvConfig, SmallConvModel
from fgtrain.training.module import StageModule
from fgtrain.training.resume_files import points
from fgtrain.training.trainer import StageInterruptedError

SIZE = 64
LORA = {"lr": 1.0e-2, "lora": {"rank": 2, "dropout": 0.5}}
STAGES = {
    "a learning projector": {"projector": 1.0e-2},
    "a learning encoder": {"vision_encoder": 1.0e-2},
    "adapters beside it": {"projector": 1.0e-2, "language_model": LORA},
    "a narrowed part beside it": {"projector": 1.0e-2, "language_model": {"lr": 1.0e-2, "only": "attention"}},
}


@pytest.fixture(scope="module")
def restless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    drawn_module(SmallConvModel, SmallConvConfig(stem_width=8, width=6, num_blocks=1)).save_pretrained(
        folder / "vision"
    )
    write_preprocessor(folder / "vision", SIZE)
    write_language_model(folder / "language", attention_dropout=0.5)
    return folder


@pytest.fixture(autouse=True)
def large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(images: int, seed: int) -> torch.Tensor:
        return torch.randn(images, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))

    monkeypatch.setattr(stage_fakes, "pixels", drawn)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, set[bool]], set[str]]]:
    """Of each micro-batch the modes of each part's modules, and what the optimizer holds for the next step."""
    found = []
    plain = StageModule.training_step

    def watched(self: StageModule, batch: object, index: int) -> torch.Tensor:
        names = {id(p): name for name, p in self.lvlm.named_parameters()}
        optimizer = self.trainer.optimizers[0]
        held = {names[id(p)] for p in optimizer.state}
        assert held <= {names[id(p)] for group in optimizer.param_groups for p in group["params"]}
        modes = {part: {m.training for m in module.modules()} for part, module in self.lvlm.parts.items()}
        found.append((modes, held))
        return plain(self, batch, index)

    monkeypatch.setattr(StageModule, "training_step", watched)
    return found


def restless_lvlm(folder: Path) -> LVLM:
    values = model_values(folder / "vision", folder / "language", image_size=SIZE)
    return build_model(values, network=False, seed=5)


def part_of(name: str) -> str:
    return name.split(".")[1]


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_not_listed_keeps_still_also_after_a_stop_and_questions(
    restless: Path, tmp_path: Path, seen: list, stage: str
) -> None:
    case = Case(str(tmp_path), train=STAGES[stage], clip=None, signal_at=1)
    start = {name: tensor.clone() for name, tensor in restless_lvlm(restless).state_dict().items()}
    with pytest.raises(StageInterruptedError):
        run_case(case, restless_lvlm(restless))
    saved = torch.load(points(case.out / "resume")[0] / "state.pt", weights_only=True)
    case.signal_at = None
    model = restless_lvlm(restless)

    def ask(step: int, rank: int, ranks: int) -> list[dict]:
        assert not any(m.training for m in model.modules())
        return []

    lvlm = run_case(case, model, ask)
    learns = {name for name, p in lvlm.named_parameters() if p.requires_grad}
    assert {part_of(name) for name in learns} == set(STAGES[stage])

    assert len(seen) == 2 * case.steps
    for place, (modes, held) in enumerate(seen):
        assert {part for part, training in modes.items() if True in training} == set(STAGES[stage])
        assert all(len(training) == 1 for part, training in modes.items() if part not in STAGES[stage])
        assert held == (set() if place < 2 else learns)
    # Nothing of a frozen part is in the resume point, nor a memory of it.
    assert {part_of(name.removeprefix("lvlm.")) for name in saved["state_dict"]} <= {*STAGES[stage], "vision_encoder"}
    assert len(saved["optimizer_states"][0]["state"]) == len(learns)

    # The same name: dropout is drawn at an address, of which it is part.
    whole = run_case(replace(case, folder=str(tmp_path / "whole")), restless_lvlm(restless))
    assert all(torch.equal(tensor, lvlm.state_dict()[name]) for name, tensor in whole.state_dict().items())
    merge_adapters(lvlm)
    moved = {name for name, tensor in lvlm.state_dict().items() if not torch.equal(tensor, start[name])}
    assert {part_of(name) for name in moved} == set(STAGES[stage])
    assert any("running_var" in name for name in start)
    assert any("running_var" in name for name in moved) == ("vision_encoder" in STAGES[stage])
    if stage == "a narrowed part beside it":
        assert all(part_of(name) == "projector" or "_proj" in name for name in moved)
        assert not any("mlp" in name for name in moved if part_of(name) == "language_model")
