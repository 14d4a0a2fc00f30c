"""Every checkpoint is a folder that transformers alone opens: the same tokens, the same pixels, the same logits."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from family_fakes import FAMILIES, LONGEST, TOKENS, built, tokenizer, write_family, write_pictures
from model_fakes import drawn_module, llama_config
from native_fakes import write_tower
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText, LlamaForCausalLM

from fgtrain.data import encode_prompt
from fgtrain.data.packing import pack
from fgtrain.data.sample import Branch, assemble
from fgtrain.model import LVLM, build_model, save_checkpoint
from fgtrain.recipe.model_schema import Model

QUESTION = "what is it?"


def composed(folder: Path, tower: str, chat: str, dtype: torch.dtype, tied: bool, **changes: object) -> LVLM:
    vision, language = write_tower(folder / "vision", tower, dtype), folder / "language"
    config = llama_config(max_position_embeddings=LONGEST, tie_word_embeddings=tied, vocab_size=len(TOKENS))
    drawn_module(LlamaForCausalLM, config).to(dtype).save_pretrained(language)
    tokenizer().save_pretrained(language)
    values = {
        "vision_encoder": str(vision),
        "language_model": str(language),
        "image_size": 32,
        "projector": "mlp2x_gelu",
    }
    return build_model(Model(**values | {"max_tokens": LONGEST, "chat": chat} | changes), network=False, seed=5)


def in_half(folder: Path) -> Path:
    """The same checkpoint with weights in bf16, as most are published."""
    AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


TILES = {"projector": "pixel_shuffle_mlp2x_gelu", "max_tiles": 4}
CASES: dict[str, Callable[[Path], LVLM]] = {
    "CLIP": lambda folder: composed(folder, "CLIP", "vicuna_v1", torch.float32, False, vision_layer=-2),
    "SigLIP, tied, bf16": lambda folder: composed(folder, "SigLIP", "qa", torch.bfloat16, True),
    "ViT, plain": lambda folder: composed(folder, "ViT", "plain", torch.bfloat16, False),
    "InternViT, bf16, tiles": lambda folder: composed(folder, "InternViT", "chatml", torch.bfloat16, False, **TILES),
    "InternViT, tied, one tile": lambda folder: composed(
        folder, "InternViT", "chatml", torch.float32, True, projector="pixel_shuffle_mlp2x_gelu"
    ),
    "llava, bf16": lambda folder: built(in_half(write_family("llava", folder / "released"))),
    **{kind: (lambda folder, kind=kind: built(write_family(kind, folder / "released"))) for kind in FAMILIES},
}


@torch.no_grad()
def own_logits(lvlm: LVLM, paths: list[Path]) -> tuple[Tensor, Tensor]:
    """(ids with the image token's where image tokens stand, logits) of the question about the pictures."""
    pictures = [Image.open(path).convert("RGB") for path in paths]
    alone = len(pictures) == 1
    layouts = [lvlm.image_spec.layout(*picture.size, alone) for picture in pictures]
    prompt = encode_prompt([QUESTION], layouts, lvlm.tokenizer, lvlm.chat, lvlm.image_spec, [1])
    branch = Branch(prompt.branches[0] + [7], [False] * len(prompt.branches[0]) + [True])
    sample = assemble(
        prompt.prefix_ids,
        prompt.prefix_is_image,
        [branch],
        max_tokens=LONGEST,
        layouts=tuple(layouts),
        positions=None if prompt.prefix_positions is None else torch.tensor(prompt.prefix_positions).numpy(),
        name="x",
    )
    rows = [torch.from_numpy(lvlm.image_spec.pixels(picture, alone)) for picture in pictures]
    batch = pack([sample], 1, pixels_NCHW=torch.cat(rows))
    logits_TV = lvlm.lm_head(lvlm.hidden_BTD(lvlm.embed(batch), batch))[0]
    ids_T = batch.token_ids_BT[0].masked_fill(batch.is_image_BT[0], lvlm.hf.config.image_token_id)
    return ids_T[:-1], logits_TV[:-1]


def asked_alone(folder: Path, requests: list[dict]) -> list[dict]:
    (folder / "request.json").write_text(json.dumps(requests))
    environment = {**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    words = [str(Path(__file__).parent / "alone.py"), str(folder / "request.json"), str(folder / "answer.pt")]
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / "answer.pt")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[tuple[Tensor, Tensor], dict]]]:
    """All cases in one process that imports no fgtrain: (what this project computes, what transformers alone does)."""
    place = write_pictures(tmp_path_factory.mktemp("alone"))
    names, own, requests = [], [], []
    for name, make in CASES.items():
        folder = place / name.replace(",", "").replace(" ", "-")
        lvlm = make(folder)
        save_checkpoint(lvlm, folder / "saved", {})
        for pictures in (["wide"], ["even", "high"]):
            if name == "llava_onevision" and len(pictures) > 1:
                continue  # its processor takes several pictures of one sample only as a batch
            paths = [place / f"{picture}.png" for picture in pictures]
            content = [{"type": "text", "text": f" {QUESTION}\n"}, *[{"type": "image"}] * len(paths)]
            messages = [{"role": "user", "content": content}]
            requests.append({"folder": str(folder / "saved"), "pictures": list(map(str, paths)), "messages": messages})
            own.append(own_logits(lvlm, paths))
            names.append(name)
    found: dict[str, list] = {name: [] for name in CASES}
    for name, mine, theirs in zip(names, own, asked_alone(place, requests), strict=True):
        found[name].append((mine, theirs))
    return found


@pytest.mark.parametrize("name", CASES)
def test_transformers_alone_gives_the_same_logits(answers: dict, name: str):
    assert answers[name]
    for (ids_T, logits_TV), theirs in answers[name]:
        assert theirs["class"] != "ComposedLVLM"
        assert theirs["dtype"] == "torch.float32"
        assert theirs["ids"].tolist() == ids_T.tolist()
        torch.testing.assert_close(theirs["logits"], logits_TV, rtol=1e-5, atol=1e-5)
