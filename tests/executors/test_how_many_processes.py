"""How many processes a launcher has started is compared with the recipes before anything is read."""

import pytest

from evaluation.launcher import launched
from fgtrain.errors import SharedUserError, UserError
from fgtrain.misfit import refuse_misfit
from fgtrain.recipe.devices_schema import Devices

TWO = {"tiny": Devices(count=2)}
BATCH = {  # what a batch script sees, however many tasks the job has
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NTASKS": "2",
    "SLURM_NNODES": "1",
    "SLURM_NTASKS_PER_NODE": "2",
}


def torchrun(rank: int, size: int, **more: str) -> dict[str, str]:
    numbers = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size}
    return {name: str(number) for name, number in numbers.items()} | {"TORCHELASTIC_RUN_ID": "x"} | more


def srun(rank: int, size: int, **more: str) -> dict[str, str]:
    return BATCH | {"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": str(size), "SLURM_STEP_NUM_NODES": "1"} | more


def refused(environment: dict[str, str], recipes: dict[str, Devices] = TWO) -> str:
    with pytest.raises(UserError) as caught:
        refuse_misfit(recipes, environment)
    return str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        BATCH,
        BATCH | {"SLURM_NTASKS": "1"},
        {"NODE_RANK": "0", "WORLD_SIZE": "8"},
        {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "bash", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"},
    ],
)
def test_where_nobody_has_started_several_one_process_starts_them_all(environment: dict[str, str]) -> None:
    here = refuse_misfit(TWO, environment)
    assert (here.first, here.size, here.by) == (True, 1, None)


@pytest.mark.parametrize("start", [torchrun, srun])
def test_of_as_many_as_are_wanted_the_first_one_carries_out(start) -> None:
    assert [refuse_misfit(TWO, start(rank, 2)).first for rank in range(2)] == [True, False]


@pytest.mark.parametrize("start", [torchrun, srun])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_another_number_is_refused_by_all_alike_so_that_one_may_speak(start, size: int) -> None:
    if start is srun and size == 1:
        pytest.skip("one task is where the others are started from")
    for rank in range(size):
        with pytest.raises(SharedUserError, match=f"tiny asks for 2 processes .* has started {size} "):
            refuse_misfit(TWO, start(rank, size))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"LOCAL_RANK": "0"}, ["LOCAL_RANK=0", "none will come", "unset LOCAL_RANK", "torchrun --nproc-per-node=2"]),
        ({"RANK": "0", "WORLD_SIZE": "1"}, ["RANK=0, WORLD_SIZE=1", "asks for 2", "unset RANK WORLD_SIZE"]),
        (
            {"KUBERNETES_PORT": "tcp://x", "RANK": "0", "WORLD_SIZE": "1", "MASTER_PORT": "29655"},
            ["No other will come", "unset RANK WORLD_SIZE", "devices.count=1"],
        ),
        ({"RANK": "1", "WORLD_SIZE": "2"}, ["not the first of 2 processes", "unset RANK WORLD_SIZE"]),
        (srun(0, 4), ["--ntasks-per-node=2 --nodes=1", "devices.count=4", "Leave srun out"]),
        (torchrun(0, 4), ["--nproc-per-node=2 --nnodes=1", "devices.count=4", "Leave torchrun out"]),
        (srun(0, 2, SLURM_STEP_NUM_NODES="2"), ["on 2 nodes", "--submit", "slurm/train.sbatch"]),
        (torchrun(0, 2, LOCAL_WORLD_SIZE="1"), ["on 2 nodes", "--submit", "slurm/train.sbatch"]),
        ({"RANK": "2", "WORLD_SIZE": "2"}, ["RANK=2 and WORLD_SIZE=2 do not fit together"]),
    ],
)
def test_what_is_left_over_or_wrong_is_named_with_what_to_type(environment: dict[str, str], said: list[str]) -> None:
    message = refused(environment)
    assert [text for text in said if text not in message] == [], message


def test_srun_without_a_number_of_tasks_a_node_is_refused() -> None:
    environment = srun(0, 2)
    del environment["SLURM_NTASKS_PER_NODE"]
    assert "--ntasks-per-node=2" in refused(environment)


def test_every_recipe_must_fit() -> None:
    message = refused(torchrun(0, 2), TWO | {"wide": Devices(count=4)})
    assert message.startswith("wide asks for 4")


def test_a_rank_of_torchruns_counts_before_slurms() -> None:
    """In an interactive shell of Slurm every process sees that shell's numbers."""
    here = launched(srun(0, 1) | torchrun(1, 2))
    assert (here.rank, here.size, here.by) == (1, 2, "torchrun")
