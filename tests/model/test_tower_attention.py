"""Encoders for pictures of any size make few calls, wait for the device once, and give what transformers' own give."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from model_fakes import drawn_module
from torch import Tensor
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionConfig,
)
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel, Qwen2VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionConfig, Qwen3VLVisionModel

from fgtrain.model import tower_attention
from fgtrain.model.tower_attention import TOWER, Stretches, run_tower
from fgtrain.model.varlen_attention import PlainKernel

SIZES = {"num_heads": 2, "patch_size": 14, "hidden_size": 32, "depth": 4, "initializer_range": 0.1}
WINDOWS = {"intermediate_size": 48, "out_hidden_size": 16, "fullatt_block_indexes": [3], "window_size": 112}
TOWERS = {
    "qwen2_vl": (
        Qwen2VisionTransformerPretrainedModel,
        Qwen2VLVisionConfig(**{**SIZES, "hidden_size": 16}, embed_dim=32, mlp_ratio=2),
    ),
    "qwen2_5_vl": (Qwen2_5_VisionTransformerPretrainedModel, Qwen2_5_VLVisionConfig(**SIZES, **WINDOWS)),
    "qwen3_vl": (
        Qwen3VLVisionModel,
        Qwen3VLVisionConfig(
            **SIZES, intermediate_size=48, out_hidden_size=16, num_position_embeddings=64, deepstack_visual_indexes=[1]
        ),
    ),
}
# Rows and columns of patches of four photographs, 644 x 448 pixels the first; of one token; of a window a picture.
GRIDS = {
    "photographs": [(46, 32), (32, 46), (34, 28), (34, 28)],
    "one token": [(2, 2)],
    "a window each": [(8, 8), (4, 6)],
}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Calls of SDPA, and of what waits for a device."""
    calls: Counter = Counter()

    def counting(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*given, **options):
            calls[name] += 1
            return real(*given, **options)

        monkeypatch.setattr(owner, name, call)

    counting(F, "scaled_dot_product_attention")
    for name in ("tolist", "item", "cpu"):
        counting(Tensor, name)
    return calls


def outputs(found) -> list[Tensor]:
    return [found.pooler_output, *(getattr(found, "deepstack_features", None) or [])]


@pytest.mark.parametrize("pictures", GRIDS)
@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize("flash", [False, True])
def test_a_tower_is_transformers_own(kind: str, pictures: str, flash: bool, monkeypatch: pytest.MonkeyPatch):
    """Values and gradients; `flash`: with one call for stretches of any length, in plain torch here."""
    if flash:
        monkeypatch.setattr(tower_attention, "FlashKernel", PlainKernel)
        monkeypatch.setattr(tower_attention, "way_for", lambda *given: type("Way", (), {"name": "varlen"}))
    tower = drawn_module(*TOWERS[kind])
    grids = torch.tensor([(1, *grid) for grid in GRIDS[pictures]])
    torch.manual_seed(0)
    patches = torch.randn(int(grids.prod(1).sum()), 3 * 2 * 14 * 14) / 4

    def of(run) -> list[Tensor]:
        tower.zero_grad()
        found = outputs(run(patches))
        weights = [torch.randn(one.shape, generator=torch.Generator().manual_seed(1)) for one in found]
        sum((one * each).sum() for one, each in zip(found, weights, strict=True)).backward()
        return [one.detach() for one in found] + [p.grad.clone() for p in tower.parameters() if p.grad is not None]

    right = of(lambda patches: tower(patches, grid_thw=grids))
    found = of(lambda patches: run_tower(tower, patches, grids))
    assert tower.blocks[0].attn.config._attn_implementation == TOWER
    assert type(tower)(tower.config)  # of which transformers makes a model as before
    for one, expected in zip(found, right, strict=True):
        assert (one - expected).abs().max() <= 2e-5 * expected.abs().max().clamp(min=1e-3)
    # As transformers' own program calls it afterwards, without what is worked out here.
    torch.testing.assert_close(outputs(tower(patches, grid_thw=grids)), found[: len(outputs(tower(patches, grids)))])


def test_windows_are_batched_and_the_device_is_waited_for_once(counted: Counter):
    tower = drawn_module(*TOWERS["qwen2_5_vl"])
    grids = torch.tensor([(1, *grid) for grid in GRIDS["photographs"]])
    patches = torch.randn(int(grids.prod(1).sum()), 3 * 2 * 14 * 14)
    with torch.no_grad():
        tower(patches, grid_thw=grids)
        before = Counter(counted)
        counted.clear()
        run_tower(tower, patches, grids)
    # Three layers of windows and one of whole pictures: 88 windows of 5 sizes, 4 pictures of 2.
    assert before["scaled_dot_product_attention"] == 3 * 88 + 4
    assert counted["scaled_dot_product_attention"] == 3 * 5 + 2
    assert counted["cpu"] == 1  # the grids; all else that is read lies on the host


def test_stretches_of_one_length_lie_side_by_side():
    mine = Stretches.of(torch.tensor([0, 3, 5, 8, 9], dtype=torch.int32), torch.device("cpu"))
    assert mine.order.tolist() == [8, 3, 4, 0, 1, 2, 5, 6, 7]
    assert mine.groups() == [(1, 1), (2, 1), (3, 2)]
    assert torch.equal(mine.order[mine.back], torch.arange(9))
    assert Stretches.of(torch.tensor([0, 4, 8], dtype=torch.int32), torch.device("cpu")).order is None
