"""Runs stages under several strategies, one after the other, in each of the processes that it forks.

    WORLD_SIZE=2 MASTER_PORT=... python strategy_worker.py CASES.json

The cases are a list; `save` of a case names the safetensors file that rank 0 writes of the model after it. Ends as the
first process does that does not end well, and ends the others then.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import torch
from deepspeed.utils import safe_get_full_grad
from safetensors.torch import save_file
from stage_fakes import Case, run_case
from torch.distributed.tensor import DTensor

from fgtrain.errors import TrainingFailedError, UserError
from fgtrain.model import merge_adapters
from fgtrain.model import seen as seen_file
from fgtrain.training.module import StageModule
from fgtrain.training.trainer import StageInterruptedError

LOGITS_AT_ONCE = seen_file.LOGITS_AT_ONCE
PLAIN_STEP, PLAIN_BEFORE = StageModule.training_step, StageModule.on_before_optimizer_step


def note(case: Case) -> None:
    """From now on the case's folder says, of its latest micro-batch, in which parts a module was in train mode, how
    many numbers learn, and of how many this rank's optimizer keeps a mean gradient."""

    case.out.mkdir(exist_ok=True)

    def step(self: StageModule, batch: object, index: int) -> torch.Tensor:
        optimizer = self.trainer.optimizers[0]
        states = getattr(optimizer, "optimizer", optimizer).state.values()
        means = [state["exp_avg"] for state in states if "exp_avg" in state]
        facts = {
            "training": [part for part, m in self.lvlm.parts.items() if any(one.training for one in m.modules())],
            "learns": sum(p.numel() for p in self.learns),
            "kept": sum((mean.to_local() if isinstance(mean, DTensor) else mean).numel() for mean in means),
        }
        (case.out / f"noted{self.trainer.global_rank}.json").write_text(json.dumps(facts))
        return PLAIN_STEP(self, batch, index)

    StageModule.training_step = step
    StageModule.on_before_optimizer_step = PLAIN_BEFORE
    if case.sums:
        note_sums(case)


def note_sums(case: Case) -> None:
    """summed.json: of each step, |gradient - sum in fp32| / |sum in fp32|. A micro-batch's gradient is what all ranks'
    are together in the type in which they are reduced."""
    given: dict[str, list[torch.Tensor]] = {}
    found: list[float] = []
    step = StageModule.training_step

    def first(self: StageModule, batch: object, index: int) -> torch.Tensor:
        if index == 0:
            for name, parameter in self.lvlm.named_parameters():
                if parameter.requires_grad:
                    parameter.register_hook(lambda g, name=name: given.setdefault(name, []).append(g.detach().clone()))
        return step(self, batch, index)

    def before(self: StageModule, optimizer: object) -> None:
        PLAIN_BEFORE(self, optimizer)
        if not self.step_is_whole:
            return
        parameters, squares = dict(self.lvlm.named_parameters()), torch.zeros(2, dtype=torch.float64)
        for name in sorted(given):
            # Stage 1 adds up by itself first, in fp32, and reduces the sum; the others reduce what comes, as it comes.
            parts = [gradient.float() if case.strategy.endswith("1") else gradient for gradient in given[name]]
            for gradient in parts:
                torch.distributed.all_reduce(gradient.div_(self.trainer.world_size))
            wanted = sum(gradient.float() for gradient in parts)
            got = safe_get_full_grad(parameters[name]).reshape(wanted.shape)
            squares += torch.stack([(got.double() - wanted).square().sum(), wanted.double().square().sum()])
        given.clear()
        found.append((squares[0] / squares[1]).sqrt().item())
        (case.out / "summed.json").write_text(json.dumps(found))

    StageModule.training_step, StageModule.on_before_optimizer_step = first, before


def main(path: str) -> None:
    torch.set_num_threads(1)
    for values in json.loads(Path(path).read_text()):
        case = Case(**values)
        seen_file.LOGITS_AT_ONCE = case.logits_at_once or LOGITS_AT_ONCE
        note(case)
        moving(moved := [])
        end = "done"
        try:
            lvlm = run_case(case)
            merge_adapters(lvlm)
            if case.save and os.environ["RANK"] == "0":
                save_file({k: v.contiguous().clone() for k, v in lvlm.state_dict().items()}, case.save)
        except StageInterruptedError as stopped:
            end = f"stopped: {stopped}"
        except UserError as error:
            end = f"refused: {error}"
        except TrainingFailedError as failure:
            end = f"failed: {failure}"
        except Exception:
            traceback.print_exc()
            raise
        end += f", moved {moved}" if moved else ""
        print(f"CASE {case.name} rank {os.environ['RANK']}: {end}", flush=True)


PLAIN_TO = torch.nn.Module.to


def moving(moved: list[str]) -> None:
    """From now on `moved` fills with the modules with sharded parameters that somebody moves to a device as a whole."""

    def to(self: torch.nn.Module, *args: object, **kwargs: object) -> torch.nn.Module:
        if any(isinstance(parameter, DTensor) for parameter in self.parameters()):
            moved.append(f"{type(self).__name__} {args} {kwargs}")
        return PLAIN_TO(self, *args, **kwargs)

    torch.nn.Module.to = to


def fork(rank: int, path: str) -> int:
    """Start one process; rank 0 prints to this one's output, the others to a file beside the cases."""
    if (pid := os.fork()) > 0:
        return pid
    status = 1
    try:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        if rank > 0:
            log = os.open(Path(path).with_suffix(f".{rank}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
        main(path)
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


def fork_all(path: str) -> int:
    running = {fork(rank, path) for rank in range(int(os.environ["WORLD_SIZE"]))}
    failed = 0
    while running:
        pid, status = os.wait()
        running.discard(pid)
        if status and not failed:
            failed = 1
            for other in running:
                os.kill(other, signal.SIGKILL)
    return failed


if __name__ == "__main__":
    sys.exit(fork_all(sys.argv[1]))
