"""What a run leaves on disk, and the most that lies there on the way. Pure.

checkpoints  a stage's whole model in fp32, kept
resume       of the stage that trains: what learns in fp32 and AdamW's two states, of the last two points and the
             one being written; gone when the stage is done
features     the frozen encoder's outputs, of every view once
answers      a row for each question of every checkpoint that is scored
"""

from collections.abc import Iterable

from .arithmetic import BYTES_FP32
from .schema import DiskPlan, EvaluationPlan, StagePlan

POINTS = 3  # resume points that lie there at once
STATES = 3  # fp32 values a learning parameter: itself and AdamW's two
ANSWER = 600  # bytes of a row: question, answer, their hashes (measured on FG-BMK's)


def disk_plan(stages: Iterable[StagePlan], evaluations: Iterable[EvaluationPlan], views: int | None) -> DiskPlan:
    """Bytes. `views`: bytes of all pictures that kept features stand for."""
    stages, asked = list(stages), [one.questions for one in evaluations]
    sizes = [_parameters(stage) for stage in stages]
    learning = [None if None in (n := [p.trainable for p in stage.parts]) else sum(n) for stage in stages]
    checkpoints = None if None in sizes else sum(sizes) * BYTES_FP32
    resume = None if None in learning else max(learning, default=0) * BYTES_FP32 * STATES * POINTS
    answers = None if None in asked else sum(asked) * ANSWER
    every = (checkpoints, resume, views, answers)
    return DiskPlan(
        checkpoints=checkpoints,
        resume=resume,
        features=views,
        answers=answers,
        most=None if None in every else sum(every),
    )


def _parameters(stage: StagePlan) -> int | None:
    counts = [part.parameters for part in stage.parts]
    return None if None in counts else sum(counts)
