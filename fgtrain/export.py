"""python -m fgtrain export CHECKPOINT --to DIR [--format transformers | transformers4 | vllm | adapter] [--dtype bf16]

A checkpoint as other programs want it. `transformers`: as it is (transformers 5), in smaller numbers if wanted.
`transformers4`: as transformers 4.57 reads it. `vllm`: the same, and all that vLLM's loader reads is checked.
`adapter`: what a LoRA stage has learnt, for peft on the model that the stage began with.
"""

import argparse
from pathlib import Path

from data_builders.shared.files import read_json
from data_builders.shared.terminal import say
from fgtrain.checksums import ADAPTER, CARD, NOTES, SUMS, is_checkpoint
from fgtrain.errors import UserError
from fgtrain.recipe.problems import instead
from fgtrain.runs.model_card import with_export, with_scores

FORMATS = ("transformers", "transformers4", "vllm", "adapter")
DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m fgtrain export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="folder, for example runs/NAME/sft/checkpoint")
    top.add_argument("--to", metavar="DIR", type=Path, required=True, help="a folder that is not there yet")
    top.add_argument("--format", default=FORMATS[0], help=f"{', '.join(FORMATS)} (default: {FORMATS[0]})")
    top.add_argument("--dtype", help=f"of the weights: {', '.join(DTYPES)} (default: as they are)")
    return top


def main(words: list[str]) -> None:
    """UserError for what cannot be exported so."""
    arguments = parser().parse_args(words)
    refuse_unknown("--format", arguments.format, FORMATS)
    if arguments.dtype is not None:
        refuse_unknown("--dtype", arguments.dtype, DTYPES)
    refuse_no_checkpoint(arguments.checkpoint)
    refuse_existing(arguments.to)
    if arguments.format == ADAPTER:
        refuse_no_adapter(arguments.checkpoint)
    from fgtrain.model.exported import export_checkpoint

    dtype = DTYPES[arguments.dtype] if arguments.dtype is not None else None
    card = exported_card(arguments.checkpoint, arguments.format, dtype)
    size = export_checkpoint(arguments.checkpoint, arguments.to, arguments.format, dtype, card)
    say(f"{arguments.to}: {arguments.format}, {arguments.dtype or 'types as they were'}, {size / 1e9:,.2f} GB")


def exported_card(checkpoint: Path, kind: str, dtype: str | None) -> str | None:
    """The checkpoint's model card with its scores of by now; None where it has none."""
    path = checkpoint / CARD
    if not path.is_file():
        return None
    return with_export(with_scores(path.read_text(encoding="utf-8"), checkpoint), kind, dtype)


def refuse_unknown(option: str, value: str, known: tuple[str, ...] | dict[str, str]) -> None:
    if value not in known:
        raise UserError(f"{option} is {value!r}. {instead(value, known)}")


def refuse_existing(folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise UserError(f"--to is {folder}, which is there already. Name a new folder, or move that one away")
    above = next(one for one in folder.absolute().parents if one.exists())
    if not above.is_dir():
        raise UserError(f"--to is {folder}, but {above} is a file. Name a new folder")


def refuse_no_checkpoint(folder: Path) -> None:
    """UserError unless a checkpoint of this program lies in the folder; of a stage or run it names the right one."""
    if is_checkpoint(folder):
        return
    if not folder.exists():
        raise UserError(f"{folder}: no such folder. Give a checkpoint, for example runs/NAME/sft/checkpoint")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file. Give the checkpoint's folder: {folder.parent}")
    below = [path.parent for pattern in ("checkpoint", "*/checkpoint") for path in folder.glob(f"{pattern}/{SUMS}")]
    if below:
        raise UserError(f"{folder} holds checkpoints and is none. Give one: {', '.join(map(str, sorted(below)))}")
    if (folder / "config.json").is_file():
        raise UserError(
            f"{folder} holds a model that was not saved here ({NOTES} is missing). It is a Hugging Face folder already"
        )
    raise UserError(f"{folder} is no checkpoint: {NOTES} is missing. Give one, for example runs/NAME/sft/checkpoint")


def refuse_no_adapter(folder: Path) -> None:
    if not (folder / ADAPTER).is_dir():
        why = read_json(folder / NOTES)["extra"].get("no_adapter", "its stage trained without lora")
        raise UserError(f"{folder} keeps no adapter: {why}. Choose another --format")
