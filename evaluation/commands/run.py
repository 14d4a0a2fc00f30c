"""`run`: who is asked (a checkpoint, a released model, an endpoint), what, and where the answers go."""

import argparse
from dataclasses import replace
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.made_with import made_with
from data_builders.shared.terminal import say

from ..asking import Share, evaluate, read_unanswered
from ..asking.answerers.find import ENDPOINT, asked_by
from ..compare import print_scores
from ..held_out import read_held_out, read_sides, sides_of_tasks, with_sides, write_sides
from ..perturbing import perturbed_tasks
from ..scoring.score_files import add_checkpoint
from ..serving.answerer import BATCH_SIZE as SERVED_BATCH
from ..tasks.load import load_tasks
from ..tasks.task import Task
from ..tasks.task_files import group_of
from .argument_types import positive
from .endpoint_options import add_endpoint_options

OWN_BATCH = 64


def add_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--model", required=True, help="checkpoint folder, hub id, or endpoint:NAME")
    run.add_argument("--tasks", required=True, help="task files, tasks or globs: fgbmk,frow/cub,drawn/*")
    run.add_argument(
        "--general",
        default="",
        metavar="TASKS",
        help="of them, what asks for a general skill though its file does not say so",
    )
    run.add_argument(
        "--perturb",
        default="",
        metavar="HOW",
        help="ask again about perturbed pictures, and print what that costs: blur, noise (blur1 to blur5), "
        "grey_background, blank, misleading_text; of some tasks alone: fgbmk/*/*/choice=misleading_text",
    )
    run.add_argument("--data", type=Path, nargs="+", required=True, help="folders that hold FG-BMK/, FROW/, general/")
    run.add_argument("--out", type=Path, required=True, help="folder for answers/ and scores.json")
    run.add_argument("--checkpoint", default="start", help="the name of this model in --out (default: start)")
    run.add_argument("--samples-seen", type=int, default=0, help="that it was trained on, for the report's curves")
    run.add_argument("--subset", type=positive, help="ask a fixed part of this many questions a task")
    sizes = f"default: {OWN_BATCH}, to vLLM {SERVED_BATCH:,}"
    run.add_argument("--batch-size", type=positive, help=f"questions asked at once ({sizes})")
    run.add_argument(
        "--held-out",
        type=Path,
        metavar="FILE",
        help="score categories that training neither showed nor named apart: their names, one a line, or the training "
        "set whose manifest has them",
    )
    run.add_argument("--no-options", action="store_true", help="do not weigh the options of closed questions")
    local = run.add_argument_group("models on this machine")
    local.add_argument(
        "--engine",
        choices=("own", "vllm"),
        default="own",
        help="vllm: an installed vLLM serves the folder while it is asked, on one GPU a process",
    )
    local.add_argument("--network", action="store_true", help="a hub id may be downloaded")
    local.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: bfloat16 on GPUs")
    local.add_argument("--device", help="cpu, cuda:1 ... (default: spread over all GPUs)")
    local.add_argument("--one-by-one", action="store_true", help="do not read a picture once for all its questions")
    far = run.add_argument_group("endpoints", "OpenAI's protocol: GPT-4o, Gemini, vLLM, transformers serve ...")
    add_endpoint_options(far, concurrency=8, cache="OUT/replies")
    run.set_defaults(do=command_run)


def chosen(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def in_groups(tasks: list[Task], general: list[str]) -> list[Task]:
    """The tasks, those that `general` means as general ones. UserError: an entry means none of them."""
    found = tasks
    for selector in general:
        before, groups = found, {selector: "general"}
        found = [replace(one, group=group_of(one.name, one.group, groups)) for one in before]
        if not any(group_of(one.name, "", groups) for one in before):
            names = ", ".join(one.name for one in tasks[:12])
            raise UserError(f"--general names {selector}, which is none of the tasks: {names}")
    return found


def perturbations(text: str) -> dict[str, list[str]]:
    """Tasks -> what is done to their pictures, of `--perturb`."""
    found: dict[str, list[str]] = {}
    for entry in chosen(text):
        selector, _, condition = entry.rpartition("=")
        found.setdefault(selector or "*", []).append(condition)
    return found


def command_run(arguments: argparse.Namespace) -> None:
    names = chosen(arguments.tasks)
    if not names:
        raise UserError("--tasks names no task; for example --tasks fgbmk,frow")
    tasks = in_groups(load_tasks(names, arguments.data), chosen(arguments.general))
    sides = sides_of_tasks(tasks, read_held_out(arguments.held_out)) if arguments.held_out else {}
    sides = with_sides(read_sides(arguments.out), sides, arguments.out)
    tasks += perturbed_tasks(tasks, perturbations(arguments.perturb))
    share = Share.from_environment()
    if arguments.model.startswith(ENDPOINT):
        if not share.first:
            print("an endpoint is asked by the first process alone")
            return
        share = Share()
    folder = arguments.out / "answers" / arguments.checkpoint
    size = arguments.batch_size or (OWN_BATCH if arguments.engine == "own" else SERVED_BATCH)
    with asked_by(arguments) as answerer:
        options = not arguments.no_options
        scores = evaluate(answerer, tasks, folder, arguments.subset, size, options=options, share=share, held_out=sides)
    if not share.first:
        return
    if scores:
        add_checkpoint(
            arguments.out,
            arguments.checkpoint,
            stage=None,
            samples_seen=arguments.samples_seen,
            step=0,
            model_hash=answerer.model_hash,
            scores=scores,
            made_with=made_with(answerer.settings.get("code")),
        )
        if sides:
            write_sides(arguments.out, sides)
        print_scores(list(scores.values()))
        say(f"answers in {folder}, scores in {arguments.out / 'scores.json'}")
    if missing := read_unanswered(folder):
        raise UserError(
            f"{len(missing):,} questions got no answer and are in no score ({missing[0]['reason']}); all others are "
            f"kept. The same command asks only these again; {folder / 'unanswered.jsonl'} names them"
        )
