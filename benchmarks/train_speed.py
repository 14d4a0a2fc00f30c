"""Training speed and peak memory beside transformers' own Trainer: same model, data, precision and effective batch.

The peer is what the known training suites do: every question with its image is a sample, batches are padded, every
position meets the vocabulary. Both run in processes of their own, one thread, fp32; the vision encoder is frozen (and
not cached), projector and language model learn. Times are CPU seconds of the training loop, from the first forward pass
to the last optimizer step, pictures decoded included; samples are what the peer counts. Memory is the peak beyond what
the process held before the model was loaded. Runs come in pairs, one engine after the other, and a speed is the median
of the pairs' ratios.

How far it could go: the arithmetic that the mathematics asks for, at the speed of one matrix product that was measured
in the same run on the same core, is the bound. Beside it stands what each engine computes (counted in runs of their
own) and its MFU: that arithmetic over its seconds and the matrix product's speed.

    OMP_NUM_THREADS=1 python benchmarks/train_speed.py --pairs 5                         # speed: all mixes
    OMP_NUM_THREADS=1 python benchmarks/train_speed.py --mixes llava --vocabulary 32000  # memory
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import train_arithmetic
import train_mixes
from torch.optim.optimizer import register_optimizer_step_post_hook
from train_limits import middle, show_limit, show_speed

PEER_BATCH, PEER_ACCUMULATION = 8, 3  # samples a micro-batch, micro-batches a step
SPEED_WANTED = {"open_world": 4.0, "open_world_long": 0.95, "llava": 1.3, "short_answer": 0.95}
MEMORY_WANTED = 0.6  # of the peer's, on the mix llava at a vocabulary of 32 K


class Clock:
    """CPU seconds and peak memory of a training loop, whoever runs it."""

    def __init__(self) -> None:
        self.start = self.end = 0.0
        self.before = resident("VmRSS")
        self.rate = 0.0  # FLOP/s of a matrix product, before and after the loop
        self.handle: Any = None

    def watch(self, decoder: Any) -> None:
        """Begin at the decoder's first forward pass; note every optimizer step's end."""
        self.handle = decoder.register_forward_pre_hook(self._begin)
        register_optimizer_step_post_hook(lambda *_: setattr(self, "end", time.process_time()))
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here

    def _begin(self, *_: Any) -> None:
        self.rate = train_arithmetic.matrix_rate()
        self.start = time.process_time()
        self.handle.remove()

    def figures(self, losses: list[float]) -> dict:
        peak = resident("VmHWM") - self.before
        rate = (self.rate + train_arithmetic.matrix_rate()) / 2
        return {"seconds": self.end - self.start, "peak_bytes": peak, "losses": losses, "rate": rate}


def resident(key: str) -> int:
    """Bytes that this process holds (VmRSS) or held at most (VmHWM)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def run_ours(place: Path, mix: str, count: bool) -> dict:
    from fgtrain.data.datamodule import StageData
    from fgtrain.model import build_model, set_trainable
    from fgtrain.recipe.devices_schema import Devices
    from fgtrain.recipe.model_schema import Model
    from fgtrain.recipe.stage_schema import Stage
    from fgtrain.training.trainer import StageRun, run_stage

    clock = Clock()
    questions = train_mixes.MIXES[mix][1]
    lvlm = build_model(Model(checkpoint=str(place / "model"), max_tokens=2048), network=False, seed=0)
    rows = PEER_BATCH * PEER_ACCUMULATION // questions
    # One row holds several of the peer's samples: as many samples a micro-batch as there are rows in it.
    devices = Devices(accelerator="cpu", per_device_batch_size=rows if questions > 1 else PEER_BATCH)
    train = {"projector": 1e-4, "language_model": 1e-4}
    stage = Stage(train=train, mix={mix: 1}, global_batch_size=rows, checkpoint_every_steps=10**6)
    data = StageData(
        name="speed",
        stage=stage,
        folders={mix: place / mix},
        seed=0,
        devices=devices,
        tokenizer=lvlm.tokenizer,
        image_spec=lvlm.image_spec,
        chat="qa",
        max_tokens=2048,
        features=None,
        quarantine=place / "quarantine.jsonl",
        cache=place / "cache",
    )
    data.prepare()
    job = StageRun("speed", stage, devices, data.steps, data.samples, place / f"ours_{mix}")
    clock.watch(lvlm.decoder)
    groups, seen = set_trainable(lvlm, stage.train), train_arithmetic.Seen(lvlm)
    figures: dict = {}
    with train_arithmetic.counted(figures) if count else nullcontext():
        run_stage(job, lvlm, groups, data)
    lines = (job.folder / "metrics.jsonl").read_text().splitlines()
    figures |= clock.figures([json.loads(line)["loss"] for line in lines])
    return figures | {"needed": train_arithmetic.needed_flops(lvlm, seen.counts)}


def run_peer(place: Path, mix: str, count: bool, grouped: bool = False) -> dict:
    import torch
    from transformers import AutoTokenizer, LlavaForConditionalGeneration, Trainer, TrainingArguments

    from data_builders.records import read_rows
    from fgtrain.batch import IGNORE_INDEX
    from fgtrain.data import encode_row, render
    from fgtrain.model import build_model
    from fgtrain.recipe.model_schema import Model

    spec = build_model(Model(checkpoint=str(place / "model")), network=False, seed=0).image_spec
    clock = Clock()
    model = LlavaForConditionalGeneration.from_pretrained(place / "model")
    model.model.vision_tower.requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(place / "model")
    image_id = model.config.image_token_id
    questions = [one for row in read_rows(place / mix) for one in alone(row)]

    class Questions(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(questions)

        def __getitem__(self, number: int) -> dict:
            row = questions[number]
            sample = encode_row(row, tokenizer, "qa", spec, 2048, image_root=place / mix / "images")
            ids = torch.from_numpy(sample.token_ids).long()
            ids[torch.from_numpy(sample.is_image)] = image_id
            labels = torch.full_like(ids, IGNORE_INDEX)
            labels[1:] = torch.from_numpy(sample.targets[:-1]).long()
            pixels = [torch.from_numpy(render(ref, spec, "none", ())) for ref in sample.images]
            return {"input_ids": ids, "labels": labels, "pixels": pixels}

    def padded(samples: list[dict]) -> dict:
        pad = torch.nn.utils.rnn.pad_sequence
        ids = [sample["input_ids"] for sample in samples]
        batch = {
            "input_ids": pad(ids, batch_first=True),
            "labels": pad([sample["labels"] for sample in samples], batch_first=True, padding_value=IGNORE_INDEX),
            "attention_mask": pad([torch.ones_like(one) for one in ids], batch_first=True),
        }
        pixels = [one for sample in samples for one in sample["pixels"]]
        return batch | ({"pixel_values": torch.cat(pixels)} if pixels else {})

    arguments = TrainingArguments(
        output_dir=str(place / "peer"),
        per_device_train_batch_size=PEER_BATCH,
        gradient_accumulation_steps=PEER_ACCUMULATION,
        num_train_epochs=1,
        learning_rate=1e-4,
        lr_scheduler_type="cosine",
        max_grad_norm=1.0,
        logging_steps=1,
        train_sampling_strategy="group_by_length" if grouped else "random",
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Questions(), data_collator=padded)
    clock.watch(model.model.language_model)
    figures: dict = {}
    with train_arithmetic.counted(figures) if count else nullcontext():
        trainer.train()
    return figures | clock.figures([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])


def alone(row: dict) -> list[dict]:
    """A row's independent questions as rows of their own, each with the image."""
    if row.get("turns") != "independent":
        return [row]
    turns = row["conversations"]
    pairs = [turns[place : place + 2] for place in range(0, len(turns), 2)]
    pairs = [
        [{**asked, "value": "<image>\n" + asked["value"].removeprefix("<image>\n")}, told] for asked, told in pairs
    ]
    rest = {key: value for key, value in row.items() if key != "turns"}
    return [{**rest, "id": f"{row['id']}/{number}", "conversations": pair} for number, pair in enumerate(pairs)]


ENGINES = {"ours": run_ours, "peer": run_peer, "peer, grouped by length": partial(run_peer, grouped=True)}


def in_own_process(engine: str, place: Path, mix: str, count: bool = False) -> dict:
    command = [sys.executable, __file__, "--engine", engine, "--place", str(place), "--mixes", mix]
    environment = {**os.environ, "WANDB_MODE": "disabled"}
    done = subprocess.run([*command, *["--count"] * count], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def counted_once(engine: str, place: Path, mix: str) -> float:
    """The arithmetic that an engine does, in FLOP."""
    shutil.rmtree(place / f"ours_{mix}", ignore_errors=True)
    return in_own_process(engine, place, mix, count=True)["flops"]


def in_pairs(engines: list[str], place: Path, mix: str, pairs: int) -> dict[str, list[dict]]:
    """The figures of each engine's runs; every round runs all of them, so that they see the same machine."""
    found: dict[str, list[dict]] = {engine: [] for engine in engines}
    for _ in range(pairs):
        for engine in engines:
            shutil.rmtree(place / f"ours_{mix}", ignore_errors=True)
            found[engine].append(in_own_process(engine, place, mix))
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--mixes", nargs="+", choices=train_mixes.MIXES, default=list(train_mixes.MIXES))
    arguments.add_argument("--vocabulary", type=int, default=train_mixes.SMALL_VOCABULARY)
    arguments.add_argument("--steps", type=int, default=3)
    arguments.add_argument("--pairs", type=int, default=1, help="runs of each engine, in turn")
    arguments.add_argument("--grouped", action="store_true", help="the peer also with samples grouped by length")
    arguments.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    arguments.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.engine:
        print(json.dumps(ENGINES[chosen.engine](chosen.place, chosen.mixes[0], chosen.count)))
        return
    engines = [engine for engine in ENGINES if chosen.grouped or "grouped" not in engine]
    samples, holds = PEER_BATCH * PEER_ACCUMULATION * chosen.steps, True
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        train_mixes.write_model(place / "model", chosen.vocabulary)
        for mix in chosen.mixes:
            train_mixes.write_mix(place / mix, mix, samples // train_mixes.MIXES[mix][1])
            found = in_pairs(engines, place, mix, chosen.pairs)
            speed = show_speed(mix, found, samples)
            show_limit(mix, found, {engine: counted_once(engine, place, mix) for engine in engines})
            holds &= speed["peer"] >= SPEED_WANTED[mix]
            if mix == "llava" and chosen.vocabulary >= 32_000:
                holds &= middle(found["ours"], "peak_bytes") <= MEMORY_WANTED * middle(found["peer"], "peak_bytes")
    print(f"holds: {SPEED_WANTED}, memory {MEMORY_WANTED} at 32 K" if holds else "DOES NOT HOLD")
    print(f"load of the machine over 15 minutes: {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
