"""Checkpoints of every kind that is exported, and another program's answers to the same question."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import torch
from family_fakes import FAMILIES, LONGEST, TOKENS, tokenizer, write_pictures
from model_fakes import drawn_module, llama_config
from native_fakes import write_tower
from test_alone import CASES as ALONE
from test_alone import QUESTION, composed, own_logits
from torch import Tensor
from transformers import LlamaForCausalLM

from fgtrain.model import LVLM, build_model, save_checkpoint
from fgtrain.model.exported import export_checkpoint
from fgtrain.recipe.model_schema import Model


def long(folder: Path) -> LVLM:
    """Rotary settings that no class has by default."""
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 250_000.0}
    language = drawn_module(
        LlamaForCausalLM, llama_config(max_position_embeddings=LONGEST, vocab_size=len(TOKENS), rope_parameters=rope)
    )
    language.save_pretrained(folder / "language")
    tokenizer().save_pretrained(folder / "language")
    parts = {"vision_encoder": str(write_tower(folder / "vision", "CLIP")), "language_model": str(folder / "language")}
    model = Model(**parts, projector="mlp2x_gelu", image_size=32, max_tokens=LONGEST, chat="chatml")
    return build_model(model, network=False, seed=5)


FITS = {
    fit: lambda folder, fit=fit: composed(folder, "CLIP", "vicuna_v1", torch.float32, False, vision_layer=-2, fit=fit)
    for fit in ("pad", "crop")
}
CASES = {"long": long, **FITS, **ALONE}
KINDS = ["long", *FITS, "SigLIP, tied, bf16", "InternViT, tied, one tile", *FAMILIES]


def opened(python: str, place: Path, requests: list[dict]) -> list[dict]:
    """What a process that imports no fgtrain computes."""
    (place / "request.json").write_text(json.dumps(requests))
    environment = {**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    words = [str(Path(__file__).parent / "alone.py"), str(place / "request.json"), str(place / "answer.pt")]
    done = subprocess.run([python, *words], cwd=place, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(place / "answer.pt")


class Cases:
    """A checkpoint of each kind, and how it is asked."""

    def __init__(self, place: Path) -> None:
        self.place = write_pictures(place)
        self.own: dict[str, tuple[Tensor, Tensor]] = {}
        for name in KINDS:
            lvlm = CASES[name](self.folder(name))
            save_checkpoint(lvlm, self.folder(name) / "saved", {})
            self.own[name] = own_logits(lvlm, [place / "wide.png"])

    def folder(self, name: str) -> Path:
        return self.place / name.replace(",", "").replace(" ", "-")

    def export(self, name: str, kind: str, dtype: str | None = None) -> Path:
        to = self.folder(name) / f"{kind}-{dtype}"
        if not to.exists():
            export_checkpoint(self.folder(name) / "saved", to, kind, dtype)
        return to

    def request(self, folder: Path) -> dict[str, Any]:
        content = [{"type": "text", "text": f" {QUESTION}\n"}, {"type": "image"}]
        messages = [{"role": "user", "content": content}]
        return {"folder": str(folder), "pictures": [str(self.place / "wide.png")], "messages": messages}

    def check(self, name: str, answer: dict, tolerance: float) -> None:
        ids_T, logits_TV = self.own[name]
        assert answer["not loaded"] == {}, name
        assert answer["ids"].tolist() == ids_T.tolist(), name
        torch.testing.assert_close(answer["logits"], logits_TV, rtol=tolerance, atol=tolerance, msg=name)
