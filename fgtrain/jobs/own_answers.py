"""Has a checkpoint answer the rows that a stage is to learn from: distillation from the model that was."""

from pathlib import Path

from data_builders.records import images_of
from data_builders.shared.files import safe_join
from data_builders.shared.progress import progress
from data_builders.shared.state_files import read_checked, write_checked
from evaluation.protocols import ImageQuestions, Question
from fgtrain.data.datamodule import StageData
from fgtrain.data.own_answers import answered_row, drawn_order, questions_of
from fgtrain.data.replay import Place, as_order
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.training.answerer import ModelAnswerer
from fgtrain.training.stop_signals import stop_if_asked

from .inputs import job_device, model_at, use_kept_features

AT_ONCE = 16  # rows
KEPT_TOGETHER = 512  # rows; what a start that was stopped loses at most


def refuse_unasked(recipe: Recipe, name: str, data: StageData) -> None:
    """UserError for a row that the checkpoint which is to answer the set `name` cannot be asked about."""
    if recipe.data[name].replay.answers is not None:
        for data_set, rows in data.rows.items():
            for index in range(len(rows)):
                _asked_of(recipe, name, data, (data_set, index))


def own_answers(
    recipe: Recipe,
    plan: Plan,
    group: Group,
    name: str,
    stage: str,
    data: StageData,
    places: list[Place],
    folder: Path,
) -> tuple[dict[Place, dict], list[dict]]:
    """(row of the candidates -> the row with the checkpoint's answers, as many as the recipe says; a ledger of all that
    were asked). In a drawn order; an answer that is empty or not finished is left out, and so is a row without any.

    UserError when too few rows get one.
    """
    chosen, wanted = recipe.data[name].replay, recipe.data[name].rows
    device = job_device(recipe, group.local_rank)
    lvlm = model_at(recipe, plan, chosen.answers, device)
    lvlm.settle_attention(recipe.devices.attention, device, recipe.devices.precision == "bf16")
    places = drawn_order(recipe.seed, name, places)
    data.order = as_order(places, chosen.of)
    use_kept_features(recipe, plan, group, stage, chosen.answers, lvlm, data)
    answerer = ModelAnswerer(
        lvlm, chosen.answers, model_hash="", features=data.features, precision=recipe.devices.precision
    )
    texts: dict[Place, dict] = {}
    ledger: list[dict] = []
    with answerer.prepared(keep=False), progress(f"{name}: {chosen.answers} answers", "rows", wanted) as advance:
        for start in range(0, len(places), KEPT_TOGETHER):
            if len(texts) >= wanted:
                break
            some = places[start : start + KEPT_TOGETHER]
            answers = _kept(folder / f"answers-{start}.json", group, answerer, data, some, recipe, name)
            for place, of_place in zip(some, answers, strict=True):
                if len(texts) < wanted:
                    if of_place:
                        texts[place] = answered_row(data.rows[place[0]][place[1]], of_place)
                        advance(1)
                    ledger.append(
                        {
                            "data_set": place[0],
                            "row": data.maker.row_id(*place),
                            "answers": of_place,
                            "replayed": bool(of_place),
                        }
                    )
    if len(texts) < wanted:
        raise UserError(
            f"data.{name}.rows is {wanted:,}, but {chosen.answers} has finished answers to {len(texts):,} of "
            f"{len(places):,} rows. Write fewer rows, or more max_new_tokens than {chosen.max_new_tokens}"
        )
    return texts, ledger


def _kept(
    path: Path, group: Group, answerer: ModelAnswerer, data: StageData, places: list[Place], recipe: Recipe, name: str
) -> list[dict[str, str]]:
    """Question -> answer of each row. Kept, so that a start that was stopped goes on behind them."""
    if (known := group.agree(lambda: read_checked(path))) is not None:
        return known["answers"]
    batches = [range(start, min(start + AT_ONCE, len(places))) for start in range(0, len(places), AT_ONCE)]
    mine: dict[int, dict[str, str]] = {}
    for batch in batches[group.rank :: group.size]:
        mine |= zip(batch, _ask(answerer, [places[number] for number in batch], data, recipe, name), strict=True)
    found = {number: answers for part in group.gather(mine) for number, answers in part.items()}
    in_order = [found[number] for number in range(len(places))]
    if group.first:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_checked(path, {"answers": in_order})
    stop_if_asked()
    return in_order


def _asked_of(recipe: Recipe, name: str, data: StageData, place: Place) -> list[str]:
    row = data.rows[place[0]][place[1]]
    return questions_of(row, f"{place[0]}, row {str(row['id'])!r}", recipe.data[name].replay.questions)


def _ask(
    answerer: ModelAnswerer, places: list[Place], data: StageData, recipe: Recipe, name: str
) -> list[dict[str, str]]:
    limit, groups = recipe.data[name].replay.max_new_tokens, []
    for data_set, index in places:
        [image] = images_of(data.rows[data_set][index]) or [None]
        groups.append(
            ImageQuestions(
                None if image is None else safe_join(data.rows[data_set].image_root, image),
                tuple(Question(question, limit) for question in _asked_of(recipe, name, data, (data_set, index))),
            )
        )
    return [
        {
            question.prompt: answer.text
            for question, answer in zip(group.questions, answers, strict=True)
            if answer.finished and answer.text.strip()
        }
        for group, answers in zip(groups, answerer.answer(groups), strict=True)
    ]
