"""Trains released families for two steps under several strategies, in each process of a launch.

    RANK=0 WORLD_SIZE=2 ... python family_worker.py CASES.json

On two processes the second one never sees a picture.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from stage_fakes import Case, DrawnData, set_trainable

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from family_fakes import ROWS, built, pixels_of, samples_of

from fgtrain.batch import Batch
from fgtrain.data.datamodule import MicroBatchLoader
from fgtrain.data.dataset import Share
from fgtrain.data.packing import pack
from fgtrain.model import LVLM
from fgtrain.training.trainer import StageRun, run_stage

# Of AdamW. Its own, 1e-8, makes whole steps of gradients that are nothing but rounding: a bias of keys shifts all
# scores alike, and of thousands of weights there is always one that hardly matters.
EPSILON = 1e-5
STEPS = ([0, 1, 2, 1], [3, 1, 1, 1])  # rows of each step; two processes take every second one


@dataclass
class FamilyBatches:
    share: Share
    lvlm: LVLM
    pictures: Path

    def __len__(self) -> int:
        return len(STEPS)

    def __getitem__(self, number: int) -> Batch:
        chosen = STEPS[number][self.share.rank :: self.share.world_size]
        samples = samples_of(self.lvlm, self.pictures, [ROWS[i] for i in chosen])
        return pack(samples, None, pixels_NCHW=pixels_of(self.lvlm, samples), data_sets=["drawn"] * len(samples))


class FamilyData(DrawnData):
    def __init__(self, case: Case, lvlm: LVLM, pictures: Path) -> None:
        super().__init__(case)
        self.lvlm, self.pictures = lvlm, pictures

    def train_dataloader(self) -> MicroBatchLoader:
        share = Share(4, 1, self.trainer.global_rank, self.trainer.world_size)
        return MicroBatchLoader(FamilyBatches(share, self.lvlm, self.pictures), 0, 0, self.totals)


def train_family(case: Case, kind: str) -> dict[str, Any]:
    """The model's tensors after the stage."""
    folder = Path(case.folder)
    lvlm = built(folder / kind, device=case.device())
    job = StageRun(
        name=case.name,
        stage=case.stage(),
        devices=case.devices_section(),
        steps=len(STEPS),
        samples=8,
        folder=case.out,
        seed=1,
    )
    groups = [{**group, "eps": EPSILON} for group in set_trainable(lvlm, case.stage().train)]
    run_stage(job, lvlm, groups, FamilyData(case, lvlm, folder))
    return lvlm.state_dict()


def main(path: str) -> None:
    torch.set_num_threads(1)
    for kind, values in json.loads(Path(path).read_text()):
        state = train_family(Case(**values), kind)
        if os.environ["RANK"] == "0":
            save_file({name: value.contiguous().clone() for name, value in state.items()}, values["save"])


if __name__ == "__main__":
    main(sys.argv[1])
