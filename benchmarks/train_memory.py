"""Does the plan know the peak memory of a step? Predicted beside measured, for several kinds of training.

Each setting trains two steps in a process of its own; measured is the most that the process held beyond what it held
before the model was loaded. Large blocks are given back to the system as soon as they are freed (glibc keeps them as
soon as it has seen some, and fragments: with `--as-is` the process holds up to twice as much as its tensors need).

    OMP_NUM_THREADS=1 python benchmarks/train_memory.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import train_mixes
from train_speed import resident

WITHIN = 0.15
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
SFT = "{projector: 1.0e-4, language_model: 1.0e-4}"
SETTINGS = {  # name -> (mix, vocabulary, what learns, devices)
    "sft": ("llava", 4096, SFT, "per_device_batch_size: 8"),
    "sft, one micro-batch a step": ("llava", 4096, SFT, "per_device_batch_size: 16"),
    "sft, vocabulary of 32 K": ("llava", 32_000, SFT, "per_device_batch_size: 8"),
    "alignment": ("llava", 4096, "{projector: 1.0e-4}", "per_device_batch_size: 8"),
    "sft, checkpointing": ("llava", 4096, SFT, "per_device_batch_size: 8, activation_checkpointing: true"),
    "everything learns": ("short_answer", 4096, f"{SFT[:-1]}, vision_encoder: 1.0e-4}}", "per_device_batch_size: 8"),
    "six questions an image": ("open_world", 4096, SFT, "per_device_batch_size: 4"),
}
RECIPE = """\
name: memory
runs_root: {place}/runs
built_root: {place}/built
model: {{checkpoint: {place}/model, max_tokens: 2048}}
data: {{mix: {{path: {place}/mix}}}}
stages: {{sft: {{train: {train}, mix: {{mix: 1}}, global_batch_size: 16}}}}
devices: {{accelerator: cpu, {devices}}}
evaluation: {{tasks: []}}
"""


def measure(place: Path) -> None:
    """Prints {"predicted": bytes, "measured": bytes}."""
    from fgtrain.jobs.inputs import final_plan
    from fgtrain.jobs.prepare import prepare
    from fgtrain.jobs.train import train_stage
    from fgtrain.processes import Group
    from fgtrain.recipe import load_recipe

    recipe = load_recipe(place / "memory.yaml", [])
    prepare(recipe, Group(), show=False)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    train_stage(recipe, Group(), "sft", "start")
    predicted = final_plan(recipe).stage("sft").memory_bytes
    print(json.dumps({"predicted": predicted, "measured": resident("VmHWM") - before}))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    arguments.add_argument("--as-is", action="store_true", help="leave the allocator as it is")
    arguments.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.place:
        measure(chosen.place)
        return
    holds = True
    for name in chosen.settings:
        mix, vocabulary, train, devices = SETTINGS[name]
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            train_mixes.write_model(place / "model", vocabulary)
            train_mixes.write_mix(place / "mix", mix, 32)
            (place / "memory.yaml").write_text(RECIPE.format(place=place, train=train, devices=devices))
            command = [sys.executable, __file__, "--place", str(place)]
            environment = {**os.environ, "WANDB_MODE": "disabled", **({} if chosen.as_is else GIVEN_BACK)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                sys.exit(done.stderr)
            found = json.loads(done.stdout.splitlines()[-1])
        off = found["predicted"] / found["measured"] - 1
        holds &= abs(off) <= WITHIN
        sizes = ", ".join(f"{key} {size / 2**20:6.0f} MiB" for key, size in found.items())
        print(f"{name:28} {sizes}: {off:+.1%}", flush=True)
    print(f"holds: within {WITHIN:.0%}" if holds else "DOES NOT HOLD")


if __name__ == "__main__":
    main()
