"""Chooses the rows of earlier data that a stage replays, and writes them as a training set of their own."""

from collections import Counter
from pathlib import Path

from data_builders.shared.state_files import read_checked, write_checked
from data_builders.shared.terminal import say
from fgtrain.data.datamodule import StageData
from fgtrain.data.dataset import MicroBatches, Share
from fgtrain.data.replay import Place, as_order, candidates, choose, parts_of, write_replayed
from fgtrain.model import outline_model
from fgtrain.plan import Plan
from fgtrain.plan.versions import choosing_code
from fgtrain.processes import Group
from fgtrain.recipe import Recipe
from fgtrain.training.row_losses import A_ROW_EACH, ROWS_AT_ONCE, row_losses
from fgtrain.training.stop_signals import stop_if_asked

from .inputs import candidate_data, final_plan, job_device, model_at, replayed_folder, use_kept_features
from .own_answers import own_answers


def choose_replayed(recipe: Recipe, group: Group, name: str, stage: str) -> None:
    """Write the set `name` that `stage` replays, and the ledger of all rows that were looked at; return at once where
    it is there. UserError when fewer rows can be chosen than the recipe says."""
    plan, chosen = final_plan(recipe), recipe.data[name].replay
    folder = replayed_folder(recipe, plan, stage, name)
    with group.locked(folder / ".lock", f"{name}: another run is choosing the same rows; waiting for it"):
        if group.agree(lambda: (folder / "manifest.json").is_file()):
            return
        data = candidate_data(
            recipe, name, outline_model(recipe.model_with_paths(), network=recipe.network, seed=recipe.seed)
        )
        group.agree(data.check)
        places = candidates(recipe.seed, name, data.usable(), chosen.among)
        if chosen.answers is not None:
            texts, ledger = own_answers(recipe, plan, group, name, stage, data, places, folder)
            if group.first:
                write_replayed(folder, name, list(texts), data.rows, texts, ledger, chosen, choosing_code())
                say(f"{name}: {len(texts):,} rows drawn at random, answered by {chosen.answers}")
        else:
            losses = [_losses(recipe, plan, group, name, stage, one, places, folder) for one in chosen.between or ()]
            if group.first:
                _write(recipe, name, data, places, losses, folder)
    group.together(True)
    stop_if_asked()


def _losses(
    recipe: Recipe,
    plan: Plan,
    group: Group,
    name: str,
    stage: str,
    checkpoint: str,
    places: list[Place],
    folder: Path,
) -> dict[int, float]:
    """Number of the candidate -> what the checkpoint loses on it. Kept, so that a start that was stopped behind the
    first checkpoint goes on with the second."""
    kept = folder / f"losses-{checkpoint}.json"
    if (known := group.agree(lambda: read_checked(kept))) is not None:
        return {int(number): loss for number, loss in known.items()}
    device = job_device(recipe, group.local_rank)
    lvlm = model_at(recipe, plan, checkpoint, device)
    lvlm.settle_attention(recipe.devices.attention, device, recipe.devices.precision == "bf16")
    data = candidate_data(recipe, name, lvlm)
    data.order = as_order(places, recipe.data[name].replay.of)
    part = (group.rank, group.size)
    use_kept_features(recipe, plan, group, stage, checkpoint, lvlm, data)
    batches = MicroBatches(
        order=data.order,
        loads_SL=data.loads_SL,
        share=Share(ROWS_AT_ONCE, 1),
        maker=data.maker,
        spec=data.image_spec,
        quarantine=data.quarantine,
        pack_tokens=A_ROW_EACH,
        features=data.features,
        left_out=data.quarantine.left_out(),
    )
    title = f"{name}: what {checkpoint} makes of them"
    mine = row_losses(lvlm, batches, title, recipe.devices.precision, part)
    found = {number: loss for part in group.gather(mine) for number, loss in part.items()}
    if group.first:
        write_checked(kept, {str(number): found[number] for number in sorted(found)})
    return found


def _write(
    recipe: Recipe, name: str, data: StageData, places: list[Place], losses: list[dict[int, float]], folder: Path
) -> None:
    chosen, count = recipe.data[name].replay, recipe.data[name].rows
    rises: dict[Place, float] | None = None
    known = {place: [of[number] for of in losses] for number, place in enumerate(places) if _read(number, losses)}
    if losses:  # what could not be read is no candidate
        places, rises = list(known), {place: after - before for place, (before, after) in known.items()}
    parts = parts_of(data.rows, places) if chosen.parts is not None else {place: place[0] for place in places}
    rows = choose(recipe.seed, name, chosen.by, count, places, rises, parts)
    taken = set(rows)
    ledger = []
    for place in places if rises is not None else rows:
        entry = {"data_set": place[0], "row": data.maker.row_id(*place), "part": parts[place]}
        if rises is not None:
            before, after = known[place]
            entry |= {"before": before, "after": after, "rise": rises[place]}
        ledger.append(entry | {"replayed": place in taken})
    write_replayed(folder, name, rows, data.rows, {}, ledger, chosen, choosing_code())
    of = Counter(parts[place] for place in rows)
    say(f"{name}: {count:,} rows chosen by {chosen.by}: {', '.join(f'{n:,} of {part}' for part, n in of.items())}")


def _read(number: int, losses: list[dict[int, float]]) -> bool:
    return all(number in of for of in losses)
