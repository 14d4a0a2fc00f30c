"""A made-up answer of a study, of any size, without runs: what a page has to show at its widest."""

from data_builders.shared.seeding import draw
from evaluation.study import ArmAnswer, ArmMean, Contrast, MeasureFacts, ParetoPlace, StudyAnswer
from evaluation.study.costs import ArmCost
from evaluation.study.over_run import Curve, OverRun
from evaluation.study.pareto import Ends

SEEDS = (17, 18, 19)
MEASURES = {
    "fine_grained": 12.5,
    "forgetting": None,
    "general": 10.0,
    "frow": None,
    "drawn/presence:precision": None,
    "unseen": 20.0,
}


def made_answer(arms: int, checkpoints: int) -> StudyAnswer:
    """`arms` arms of three seeds by six measures, with curves over `checkpoints` checkpoints."""
    names = [f"{('sft', 'align', 'replay_general')[one % 3]}-with_{one}_passes" for one in range(arms)]
    made = [arm(name, place) for place, name in enumerate(names)]
    return StudyAnswer(
        name="widest",
        question="Which of many arms gains most & forgets least?\n\nMade up.",
        arms=made,
        measures=[
            MeasureFacts(name, "points", [f"{name}/a", f"{name}/b"], 1280, 320, chance)
            for name, chance in MEASURES.items()
        ],
        contrasts=[contrast(names[0], other, measure) for other in names[1:] for measure in ("fine_grained", "frow")],
        pareto=[place(one, made) for one in made],
        matched=[
            {
                "what": "updates.language_model",
                "values": dict.fromkeys(names, 1700) | {names[0]: 4321},
                "equal": False,
                "exempt": [names[0]],
                "note": "one differs",
            }
        ],
        not_measured=["drawn/presence:precision is not measured in one place"],
        notes=["a note that belongs beside the numbers"],
        over_run=[
            OverRun(group, title, [f"{group}/a"], chance, True, [curve(one, group, checkpoints) for one in names])
            for group, title, chance in (("fine_grained", "Fine-grained", 12.5), ("general", "General", None))
        ],
    )


def arm(name: str, place: int) -> ArmAnswer:
    means = {}
    for measure in MEASURES:
        per_seed = {seed: float(draw("made", name, measure, seed).uniform(20, 80)) for seed in SEEDS}
        value = sum(per_seed.values()) / len(per_seed)
        means[measure] = ArmMean(measure, value, value - 5.25, value + 6.75, "seeds and images", 3, 320, 1280, per_seed)
    if place == 1:
        means["drawn/presence:precision"] = None
    stages = {"align": 1000.0 + place, "sft": 20000.0}
    return ArmAnswer(
        name, {seed: f"runs/{name}-{seed}" for seed in SEEDS}, ["sft"], 1.25 + place, means,
        ArmCost(21000.0 + place, stages, "GPU", 71.3, 3),
    )  # fmt: skip


def contrast(first: str, second: str, measure: str) -> Contrast:
    value = float(draw("made", first, second, measure).uniform(-20, 20))
    return Contrast(
        first, second, measure, "shown" if value > 12 else "not shown", "", value, value - 8, value + 8,
        "seeds and images", 3, 320, dict.fromkeys(SEEDS, value), 0.0123, 0.0456,
    )  # fmt: skip


def place(one: ArmAnswer, made: list[ArmAnswer]) -> ParetoPlace:
    def better(other: ArmAnswer) -> bool:
        return other.means["fine_grained"].value > one.means["fine_grained"].value and (
            other.means["forgetting"].value < one.means["forgetting"].value
        )

    ends = [Ends(mean.value, mean.low, mean.high) for mean in (one.means["fine_grained"], one.means["forgetting"])]
    return ParetoPlace(one.arm, *ends, [other.arm for other in made if better(other)], False)


def curve(name: str, group: str, checkpoints: int) -> Curve:
    per_seed = {
        seed: [
            float(draw("made", name, group, seed, place).uniform(20, 30)) + 2 * place for place in range(checkpoints)
        ]
        for seed in SEEDS
    }
    mean = [sum(values) / len(values) for values in zip(*per_seed.values(), strict=True)]
    places = [1000.0 * place for place in range(checkpoints)]
    return Curve(name, places, [f"point_{place}" for place in range(checkpoints)], mean, per_seed)
