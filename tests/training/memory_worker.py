"""One rank of a stage over a model of some size, with each process's own memory before the model is loaded on record.

RANK=0 WORLD_SIZE=2 ... python memory_worker.py CASE.json
"""

import json
import os
import sys
from pathlib import Path

import deepspeed  # noqa: F401 - what is imported later would count as the model's memory
import lightning.pytorch  # noqa: F401
import peft  # noqa: F401
import torch
import torch.distributed.fsdp
from stage_fakes import Case, DrawnData, set_trainable

from fgtrain.model import build_model
from fgtrain.recipe.model_schema import Model
from fgtrain.training.trainer import StageRun, run_stage


def own_memory(process: int | str = "self") -> int:
    """Bytes of anonymous memory: what no other process shares and no file holds."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("this kernel does not tell anonymous memory")


def main(path: str) -> None:
    torch.set_num_threads(1)
    values = json.loads(Path(path).read_text())
    model, case = Model(**values["model"]), Case(**values["case"])
    (Path(case.folder) / f"before{os.environ['RANK']}").write_text(str(own_memory()))
    lvlm = build_model(model, network=False, seed=5, device=case.device())
    stage, devices = case.stage(), case.devices_section()
    job = StageRun(case.name, stage, devices, case.steps, case.steps * case.global_batch, case.out, seed=1)
    run_stage(job, lvlm, set_trainable(lvlm, stage.train), DrawnData(case))


if __name__ == "__main__":
    main(sys.argv[1])
