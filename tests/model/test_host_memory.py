"""What loading takes of a process's own memory: no more than what it needs, and nothing that can stay in a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_fakes import model_values, write_language_model, write_vision_encoder

from fgtrain.model import build_model

# 29 M parameters, 118 MB in fp32; the encoder has less than 1 % of them.
LARGE = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 7, "num_attention_heads": 8}
BYTES = 4 * 29_000_000
WAYS = ("outline_model", "build_encoder", "encoder_hash", "build_model", "build_language_model")
MEASURE = """
import json, sys
from fgtrain import model
from fgtrain.recipe.model_schema import Model

def own():  # bytes that no other process shares and no file holds
    with open("/proc/self/smaps_rollup") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))

section, ways = Model(**json.loads(sys.argv[1])), sys.argv[2].split()
model.build_encoder(section, network=False, seed=5)  # what libraries keep is there before
found = {}
for way in ways:
    before = own()
    made = getattr(model, way)(section, network=False, seed=5)
    found[way] = own() - before
    del made
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, float]]:
    """What the files hold, and models' worth of memory that each way of loading takes in a process of its own."""
    folder, dtype = tmp_path_factory.mktemp("large"), {"fp32": torch.float32, "bf16": torch.bfloat16}[request.param]
    write_vision_encoder(folder / "vision", dtype=dtype)
    write_language_model(folder / "language", dtype=dtype, **LARGE)
    model = model_values(folder / "vision", folder / "language", projector="mlp2x_gelu").model_dump_json()
    # What is let go goes back at once, or it would hide what is taken next.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**18)}
    words = [sys.executable, "-c", MEASURE, model, " ".join(WAYS)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return request.param, {way: number / BYTES for way, number in found.items()}


def test_what_needs_no_language_model_takes_no_memory_for_it(taken: tuple[str, dict[str, float]]):
    assert max(taken[1][way] for way in ("outline_model", "build_encoder", "encoder_hash")) < 0.1


def test_weights_in_fp32_stay_in_their_file_and_others_are_held_once(taken: tuple[str, dict[str, float]]):
    stored, found = taken
    for way in ("build_model", "build_language_model"):
        assert found[way] < 0.1 if stored == "fp32" else 0.9 < found[way] < 1.2


def test_a_file_that_is_mapped_is_not_changed_by_what_is_written_to_the_model(vision: Path, language: Path):
    files = [folder / "model.safetensors" for folder in (vision, language)]
    before = [file.read_bytes() for file in files]
    lvlm = build_model(model_values(vision, language), network=False, seed=5)
    with torch.no_grad():
        for parameter in lvlm.parameters():
            parameter.zero_()
    assert [file.read_bytes() for file in files] == before
