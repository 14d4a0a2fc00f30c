"""What a run leaves on disk, and the most that lies there on the way. Pure.

checkpoints  a stage's whole model in fp32, kept; twice where the best of it is kept beside the last
resume       of the stage that trains: what learns in fp32, AdamW's two states and averages, of the last two points and
             the one being written, and what had learnt at the best look; gone when the stage is done
features     the frozen encoder's outputs, of every view once
answers      a row for each question of every checkpoint that is scored
served       of the checkpoint that vLLM is asked about: the whole model in the type that it computes in, and of the
             untrained one, which lies nowhere else, in fp32 as well until that is written
"""

from collections.abc import Iterable
from operator import mul

from fgtrain.recipe import START, Recipe

from .arithmetic import BYTES_BF16, BYTES_FP32
from .schema import DiskPlan, EvaluationPlan, StagePlan

BYTES_SERVED = {"fp32": BYTES_FP32, "bf16": BYTES_BF16}
POINTS = 3  # resume points that lie there at once
STATES = 3  # fp32 values a learning parameter: itself and AdamW's two
ANSWER = 600  # bytes of a row: question, answer, their hashes (measured on FG-BMK's)


def disk_plan(
    stages: Iterable[StagePlan], evaluations: Iterable[EvaluationPlan], views: int | None, served: int = 0
) -> DiskPlan:
    """Bytes. `views`: bytes of all pictures that kept features stand for; `served`: see `served_bytes`."""
    stages, asked = list(stages), [one.questions for one in evaluations]
    sizes = [_parameters(stage) for stage in stages]
    learning = [_learning(stage) for stage in stages]
    best = [stage.watch is not None and stage.watch.best for stage in stages]
    copies = [1 + kept for kept in best]
    checkpoints = None if None in sizes else sum(map(mul, sizes, copies)) * BYTES_FP32
    # At the best look what learns alone; one more is written before the old one goes.
    values = [
        None if numbers is None else numbers[1] * POINTS + numbers[0] * 2 * kept
        for numbers, kept in zip(learning, best, strict=True)
    ]
    resume = None if None in values else max(values, default=0) * BYTES_FP32
    answers = None if None in asked else sum(asked) * ANSWER
    if served:
        served = None if None in sizes else max(sizes, default=0) * served
    every = (checkpoints, resume, views, answers, served)
    return DiskPlan(
        checkpoints=checkpoints,
        resume=resume,
        features=views,
        answers=answers,
        served=served,
        most=None if None in every else sum(every),
    )


def served_bytes(recipe: Recipe) -> int:
    """Bytes a parameter of the model that is served; 0 where none is."""
    if recipe.evaluation.engine == "own" or not recipe.evaluation.tasks:
        return 0
    saved = BYTES_FP32 if START in recipe.evaluation.at else 0
    return saved + BYTES_SERVED[recipe.devices.precision]


def _learning(stage: StagePlan) -> tuple[int, int] | None:
    """(numbers that learn, numbers of a resume point)."""
    counts = [(part.trainable, STATES + (part.ema is not None)) for part in stage.parts]
    if any(learns is None for learns, _ in counts):
        return None
    return sum(learns for learns, _ in counts), sum(learns * times for learns, times in counts)


def _parameters(stage: StagePlan) -> int | None:
    counts = [part.parameters for part in stage.parts]
    return None if None in counts else sum(counts)
