"""python -m fgtrain.export_parts RUN OUT: a run's vision encoder and language model as folders for other recipes.

OUT/vision_encoder and OUT/language_model are Hugging Face folders (safetensors, half precision: other recipes load
them in full precision again). OUT/made_by.json says which recipe and which fingerprint they come from.
"""

import sys
from pathlib import Path

import torch

from data_builders.shared.files import read_json, sha256_file, write_json
from data_builders.shared.temporary_files import open_to_others
from data_builders.shared.terminal import say
from fgtrain.errors import UserError, run_command
from fgtrain.model import load_checkpoint
from fgtrain.model.native import language_model_of
from fgtrain.plan import read_plan


def export_parts(run: Path, out: Path) -> dict:
    """Write both parts of the run's last stage; returns what made_by.json holds. UserError for an unfinished run."""
    plan = read_plan(run / "plan.json")
    last = plan.stages[-1]
    checkpoint = run / last.name / "checkpoint"
    if not checkpoint.is_dir():
        raise UserError(f"{run}: stage {last.name} has no checkpoint yet; run the recipe to its end first")
    lvlm = load_checkpoint(checkpoint)
    vision, language = out / "vision_encoder", out / "language_model"
    lvlm.parts["vision_encoder"].to(torch.float16).save_pretrained(vision)
    write_json(vision / "preprocessor_config.json", read_json(checkpoint / "preprocessor_config.json"))
    language_model_of(lvlm.hf).to(torch.float16).save_pretrained(language)
    lvlm.tokenizer.save_pretrained(language)
    for part in (vision, language):
        open_to_others(part)
    made_by = {
        "recipe": plan.name,
        "seed": plan.seed,
        "stages": {stage.name: stage.fingerprint for stage in plan.stages},
        "sha256": {folder.name: sha256_file(folder / "model.safetensors") for folder in (vision, language)},
        "versions": plan.versions,
    }
    write_json(out / "made_by.json", made_by)
    return made_by


def main(words: list[str]) -> None:
    if len(words) != 2:
        raise UserError("usage: python -m fgtrain.export_parts RUN OUT, for example runs/mini_base recipes/mini/base")
    made_by = export_parts(Path(words[0]), Path(words[1]))
    say(f"{words[1]}: parts of {made_by['recipe']}, stage fingerprints {made_by['stages']}")


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
