"""Runs the frozen encoder over all pictures that stages and questions will show it, by all processes of the job."""

from fgtrain.data import ImageRef
from fgtrain.plan.encoding import encoded_at, encoder_learns
from fgtrain.processes import Group
from fgtrain.recipe import START, Recipe
from fgtrain.runs.encoded import note_encoded
from fgtrain.runs.evaluations import asked, tasks_of

from .inputs import encoder_at, encoder_of, feature_cache, final_plan, job_device, question_cache, stage_data


def encode(recipe: Recipe, group: Group, origin: str, key: str, start: str, stages: list[str], questions: bool) -> None:
    """Fill the cache with what the encoder of checkpoint `origin` makes of the pictures of the stages that use it.

    `key`: a name for just this work, under which it is noted as done; `start`: the untrained model's fingerprint;
    `stages`, `questions`: whose pictures, as far as was known when the job was made. UserError where a picture cannot
    be read and devices.bad_rows allows none.
    """
    plan = final_plan(recipe)
    if not encoded_at(recipe, plan).get(origin) and encoder_learns(recipe):
        return  # the whole plan knows better than the one that this job was made from
    lvlm = encoder_at(recipe, plan, origin, job_device(recipe, group.local_rank)).lvlm
    encoder = encoder_of(lvlm)
    cache = feature_cache(recipe, encoder)
    # One at a time: others would encode the pictures that they share with this one once more.
    with group.locked(cache.folder / ".encode.lock", "image features: another run is encoding; waiting for it"):
        for stage in encoded_at(recipe, plan).get(origin, ()):
            data = stage_data(recipe, stage, lvlm)
            data.features = cache
            good = data.encode((group.rank, group.size))
            if group.together(good) and group.first:
                data.note_encoded()
        tasks = tasks_of(recipe) if origin == START and asked(recipe) else []
        if tasks and question_cache(recipe, plan, encoder) is not None:
            paths = {item.image_path for task in tasks for item in task.items if item.image_path is not None}
            cache.ensure(map(ImageRef, sorted(paths)), "evaluation: image features", part=(group.rank, group.size))
    whole = not (recipe.run_folder / "quarantine.jsonl").exists()  # bad ones may be mended before the next start
    if group.together(True) and group.first and whole:
        note_encoded(recipe, plan, key=key, origin=origin, start=start, stages=stages, questions=questions)
