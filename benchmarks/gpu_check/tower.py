"""Qwen2.5-VL's tower on four pictures of 1,280 tokens: time, attention calls, and how often the host waits for it."""

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from fgtrain.images import Native
from fgtrain.model import LVLM
from fgtrain.model.families import FAMILIES

from .found import Check, Found
from .timing import seconds_of

VISION = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
TEXT = {"hidden_size": 3584, "intermediate_size": 1024, "num_hidden_layers": 1, "num_attention_heads": 28}
GRIDS = ((64, 80), (72, 70), (90, 56), (64, 78))  # patches high and wide, four make a token
SAME = 4e-2  # of the largest value: bf16's rounding


class Calls(TorchDispatchMode):
    """Operations by what they mean to a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        made, name = func(*args, **(kwargs or {})), func.name()
        if "attention" in name or "flash" in name:
            self.counts["attention"] += 1
        to_host = "_to_copy" in name and args[0].is_cuda and not made.is_cuda
        if "_local_scalar_dense" in name or "nonzero" in name or to_host:
            self.counts["waits"] += 1
        self.counts["all"] += 1
        return made


def run(check: Check, found: Found) -> None:
    lvlm = _model(check)
    grids = GRIDS if not check.small else ((8, 10), (6, 8), (10, 6), (4, 4))
    shapes = torch.tensor([[1, high, wide] for high, wide in grids], device=check.device)
    patches = int(shapes.prod(dim=1).sum())
    pixels = torch.randn(patches, 3 * 2 * 14 * 14, device=check.device)
    with torch.inference_mode(), torch.autocast(check.device, torch.bfloat16):
        with Calls() as calls:
            together = lvlm.encode_images(pixels, shapes).flatten(0, 1)
        found.figure("calls", dict(calls.counts))
        seconds = seconds_of(lambda: lvlm.encode_images(pixels, shapes))
        found.figure("seconds", seconds)
        waits, many = calls.counts["waits"], calls.counts["attention"]
        found.say(
            f"{patches:,} patches in {seconds * 1e3:.1f} ms, {many:,} attention calls, the host waits {waits} times"
        )
        pieces = pixels.split(shapes.prod(dim=1).tolist())
        each = zip(pieces, shapes, strict=True)
        alone = torch.cat([lvlm.encode_images(one, shape[None]).flatten(0, 1) for one, shape in each])
    off = float((together.float() - alone.float()).abs().max() / alone.float().abs().max())
    found.figure("together against alone", off)
    found.require(off <= SAME, f"four pictures together are off by {off:.2g} from each alone")


def _model(check: Check) -> LVLM:
    vision, text = VISION, TEXT
    if check.small:
        vision = {"depth": 4, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32}
        vision["fullatt_block_indexes"] = [3]
        text = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    text = {**text, "num_key_value_heads": 4, "vocab_size": 400, "tie_word_embeddings": False}
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": _sections(text)}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    with torch.device(check.device):
        hf = Qwen2_5_VLForConditionalGeneration(config)
    kind = {"patch": 14, "merge": 2, "frames": 2, "min_pixels": 3136, "max_pixels": 1003520}
    spec = Native(**kind, mean=(0.5,) * 3, std=(0.5,) * 3, resample="bicubic")
    return LVLM(hf, FAMILIES["qwen2_5_vl"], None, spec, "qa", 4096)


def _sections(text: dict[str, Any]) -> list[int]:
    """Of half a head, how much is for time, height and width."""
    half = text["hidden_size"] // text["num_attention_heads"] // 2
    return [half - 2 * (half * 3 // 8), half * 3 // 8, half * 3 // 8]
