"""What a person may write of the evaluation: questions, features, a judge."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from data_builders.shared.llm.keys import KEY_VARIABLES
from data_builders.sources import known_sources
from evaluation.perturbing.spelling import condition_problem

from .keys import AS_TUPLE, Positive, Section, Texts


def _perturbation(condition: str) -> str:
    if wrong := condition_problem(condition):
        raise ValueError(wrong)
    return condition


Perturbation = Annotated[str, AfterValidator(_perturbation)]


def _source(name: str) -> str:
    if name not in known_sources():
        # Told as a word that is none of a list: the nearest one is named.
        raise PydanticCustomError("literal_error", "is no source", {"expected": ", ".join(known_sources())})
    return name


class FeatureSource(Section):
    """A data set in its official layout, with training and test pictures."""

    source: Annotated[str, AfterValidator(_source)]  # as builders call it: cub, dogs, ...
    root: str  # its folder, as downloaded


class Features(Section):
    """What can be read off the vision encoder's features at checkpoints, without the language model.

    Several sources are also measured as one (FG-BMK's meta-classes), where `measures` names the probe.
    """

    sources: Annotated[tuple[FeatureSource, ...], AS_TUPLE]  # whose pictures are looked at
    at: Texts | None = None  # checkpoints; null = as evaluation.at
    parts: Annotated[tuple[Literal["encoder", "projector"], ...], AS_TUPLE] = ("encoder", "projector")  # behind which
    # what is measured of them: a linear probe, nearest neighbours, retrieval, adversarial pictures
    measures: Annotated[tuple[Literal["probe", "knn", "retrieval", "robustness"], ...], AS_TUPLE] = (
        "probe",
        "knn",
        "retrieval",
    )
    protocols: Annotated[tuple[Literal["default", "fgbmk", "dinov2"], ...], AS_TUPLE] = ("default",)  # of the probe
    level: str | None = None  # of names; null = each source's finest
    gallery: Literal["train", "test"] = "train"  # that is retrieved from
    images_per_class: Positive | None = None  # training pictures, and test pictures; null = all
    attack_images: Positive | None = None  # test pictures that robustness attacks; null = all
    batch_size: Positive = 32  # pictures encoded at once


class Judge(Section):
    """What judges open-world answers beside the rules: a model behind an OpenAI-compatible endpoint, or your own."""

    own: str | None = None  # a judge of your own, in the endpoint's place (docs/extending/judges.md)
    options: dict[str, Any] = Field(default_factory=dict)  # what `own` is made with
    model: str = "gpt-4o-mini"  # as the endpoint calls it
    base_url: str | None = None  # null = $OPENAI_BASE_URL, else OpenAI's own
    key_variable: Literal[KEY_VARIABLES] = "OPENAI_API_KEY"  # holds the key
    tasks: Texts = ("frow",)  # of evaluation.tasks
    at: Texts | None = None  # checkpoints; null = as evaluation.at
    requests: Positive = 5000  # most that are sent for a checkpoint, over all starts, retried ones too
    tokens: Positive | None = None  # most that are paid for a checkpoint, over all starts
    requests_in_all: Positive | None = None  # most that are sent for all checkpoints of a run, of all runs of a study
    tokens_in_all: Positive | None = None  # the same, of tokens that are paid for
    with_image: bool = True  # false: it reads the texts alone, which is another judge
    temperature: Annotated[float, Field(ge=0)] | None = 0.0  # null = the endpoint's own
    max_tokens: Positive | None = None  # of a reply; null = the endpoint's own
    accept_no_finish_reason: bool = False  # a reply that does not say how it ended is whole
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None  # that the endpoint allows
    concurrency: Positive = 4  # requests at the same time
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0  # to wait for a reply


class Recovery(Section):
    """Did a stage forget what the model knew, or only how to answer? A few steps on old rows, from its checkpoint, and
    the general tasks of the subset are asked again (docs/strategies.md). Nothing of it is kept but the scores."""

    at: Annotated[Texts, Field(min_length=1)]  # stages
    on: Annotated[Texts, Field(min_length=1)]  # data sets of earlier stages, in equal parts
    steps: Positive = 10  # optimizer steps, of the stage's parts at its peak rates, of its batch size


class Evaluation(Section):
    at: Texts  # checkpoints scored in full: start and stages; left out = start and every enabled stage
    every_steps: Positive | None = None  # a fixed subset in between, for the curves
    subset: Positive = 50  # questions per task in between
    tasks: Texts = ()  # task files, tasks or globs: fgbmk, frow/cub, drawn/*
    # Task, part of its name up to a "/", or glob -> what it asks for, where its task file says otherwise; the last that
    # fits counts. With {fgbmk/fungi: general} what the model could do on fungi before is what it may forget.
    groups: dict[str, Literal["fine_grained", "general"]] = Field(default_factory=dict)
    # Tasks as in `groups` -> what is done to their pictures: blur, noise (blur1 ... noise5; blur is blur3),
    # grey_background, blank, misleading_text. Full evaluations ask them again so, and no mean has them
    # (docs/perturbations.md).
    perturb: dict[str, Annotated[tuple[Perturbation, ...], AS_TUPLE]] = Field(default_factory=dict)
    data: Texts = ("{data_root}", "{built_root}")  # folders searched for question files
    tasks_from: Texts = ()  # folders with task files of your own (docs/extending/tasks.md)
    # Who computes the answers of full evaluations. vllm: an installed vLLM serves the checkpoint, one server a GPU
    # (docs/vllm.md); what needs probabilities, and the subset in between, is asked by own in any case.
    engine: Literal["own", "vllm"] = "own"
    batch_size: Positive = 64  # questions asked at once, by own
    limit: Positive | None = None  # most questions per task of a full evaluation; null = all
    # Categories whose fine-grained scores are also given apart: what all of these hold out (entries of `data`, which
    # are built for it, or folders of training sets), or a file of names, one a line; null = what all mixed sets do.
    held_out: Texts | None = None
    features: Features | None = None  # a vision encoder's features, without the language model
    judge: Judge | None = None  # needs network: true
    recovery: Recovery | None = None  # a few steps on old rows, to see whether what was lost comes back
