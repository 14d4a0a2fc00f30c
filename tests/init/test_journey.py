"""From photos to an answer in three commands, without a hand-written line."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fgtrain.model import build_model, save_checkpoint
from fgtrain.recipe.model_schema import Model

CLASSES, EACH = 12, 3


def bird_photos(data: Path, folder: Path) -> list[str]:
    """Three photos of each of twelve kinds; returns what the kinds are called."""
    kinds = [kind for kind in sorted((data / "CUB_200_2011/images").iterdir()) if len(list(kind.glob("*.jpg"))) >= EACH]
    for kind in kinds[:CLASSES]:
        for photo in sorted(kind.glob("*.jpg"))[:EACH]:
            (folder / kind.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, folder / kind.name)
    return [kind.name.partition(".")[2].replace("_", " ").lower() for kind in kinds[:CLASSES]]


def small_lvlm(weights: Path, folder: Path) -> Path:
    """An encoder that has seen birds and a language model that tells stories, with nothing learnt between them."""
    model = Model(
        vision_encoder=str(weights / "mobilenet_v2_inat_bird"),
        projector="norm_mlp2x_gelu",
        projector_width=192,
        language_model=str(weights / "stories260K"),
        image_size=224,
        image_tokens=16,
        max_tokens=512,
    )
    save_checkpoint(build_model(model, network=False, seed=17), folder, {})
    return folder


@pytest.mark.slow
def test_photos_init_train_report_ask(tmp_path, shared):
    names = bird_photos(shared / "data", tmp_path / "birds")
    model = small_lvlm(shared / "data/weights", tmp_path / "model")
    photo = next((tmp_path / "birds").rglob("*.jpg"))
    took = {}

    def fgtrain(*words: object) -> str:
        began = time.monotonic()
        command = [sys.executable, "-m", "fgtrain", *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        took[str(words[0])] = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    fgtrain("init", "birds", "--model", model)
    fgtrain("birds-fgtrain/recipe.yaml")
    answer = fgtrain("ask", "birds-fgtrain/runs/birds", photo)

    run = tmp_path / "birds-fgtrain/runs/birds"
    scores = json.loads((run / "scores.json").read_text())
    assert (run / "report.html").stat().st_size > 10_000
    assert any(name in answer.lower() for name in names)
    print(answer, json.dumps(scores)[:3000], {what: f"{seconds:.0f} s" for what, seconds in took.items()}, sep="\n")
