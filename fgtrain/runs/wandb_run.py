"""One W&B run of a run: whether it is online, how it is opened, by which id, and what it has already.

<run>/wandb/run.json      its id, and the stages' fingerprints that it shows
<run>/wandb/sent-<id>     what the server has for certain
<run>/wandb/outcome.json  what became of it in the latest report: online, offline or failed
"""

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from data_builders.shared.files import read_json, write_json
from data_builders.shared.locks import locked
from data_builders.shared.terminal import say
from fgtrain.errors import UserError
from fgtrain.plan import Plan
from fgtrain.recipe import Recipe, as_values

from .curves import axes
from .identity import identity_of

FOLDER = "wandb"
ONLINE, OFFLINE, DISABLED = "online", "offline", "disabled"
INIT_SECONDS = 60  # that a server may take to answer; then figures are kept offline
FINISH_SECONDS = 60  # that it may take for what is still to be sent, while others wait for the devices
NO_KEY = "no key is there: set WANDB_API_KEY, or type wandb login"


def chosen_mode(recipe: Recipe) -> tuple[str, str | None]:
    """ONLINE, OFFLINE or DISABLED, and why it is offline though the recipe allows the network. Sends nothing."""
    asked = os.environ.get("WANDB_MODE", "").lower()
    if not recipe.wandb.enabled or asked == DISABLED:
        return DISABLED, None
    if not recipe.network or asked in (OFFLINE, "dryrun"):
        return OFFLINE, None
    try:
        return (ONLINE, None) if _has_key() else (OFFLINE, NO_KEY)
    except Exception as error:
        return OFFLINE, first_line(error)


def _has_key() -> bool:
    """Of the environment, or what `wandb login` has left."""
    import wandb

    return bool(os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or wandb.api.api_key)


def open_run(recipe: Recipe, plan: Plan, kind: str, of: str, online: bool) -> Any:
    """The W&B run, which holds recipe, plan and hashes of the data. `kind`, `of`: as `tracking.track` has them.

    Online, jobs that run side by side write to it at once; offline, each leaves a folder <run>/wandb/offline-run-*.
    """
    import wandb

    settings = {"silent": True, "console": "off", "disable_git": True, "save_code": False, "init_timeout": INIT_SECONDS}
    if online:
        settings |= {"x_label": f"{kind}-{of}" if of else kind, "x_primary": kind in ("train", "report")}
        settings |= {"x_update_finish_state": kind == "report", "x_disable_stats": kind != "train"}
        settings |= {"finish_timeout": FINISH_SECONDS, "finish_timeout_raises": True}
    run = wandb.init(
        entity=recipe.wandb.entity,
        project=recipe.wandb.project,
        group=recipe.wandb.group,
        tags=recipe.wandb.tags or None,
        job_type="train" if plan.stages else "evaluate",
        name=recipe.name,
        id=run_id(recipe.run_folder, plan),
        reinit="finish_previous",
        dir=str(recipe.run_folder),
        mode="shared" if online else "offline",
        config={
            "arm": recipe.wandb.arm or recipe.name,
            "seed": recipe.seed,
            "recipe": as_values(recipe),
            "plan": plan.model_dump(mode="json"),
            "data_sha256": {data.name: data.sha256 for stage in plan.stages for data in stage.data},
            "fingerprints": {stage.name: stage.fingerprint for stage in plan.stages},
        },
        allow_val_change=True,
        settings=wandb.Settings(**settings),
    )
    for axis, names in axes(plan).items():
        run.define_metric(axis, hidden=True)
        run.define_metric(names, step_metric=axis)
    return run


def forget_runs() -> None:
    """End W&B's own process: it holds the id of the run that could not be started, and would refuse it to another."""
    with suppress(Exception):
        import wandb

        if wandb.run is not None:  # of a recipe before this one: without its process it could not be finished
            wandb.run.finish()
        wandb.teardown()


def run_id(folder: Path, plan: Plan) -> str:
    """Drawn at the first start; another one when a stage was trained anew, whose curves must not mix with the old."""
    path = folder / FOLDER / "run.json"
    now = {stage.name: stage.fingerprint for stage in plan.stages}
    with locked(folder / FOLDER / ".lock"):
        known = _known(path) or {"id": secrets.token_hex(8), "stages": {}}
        if any(known["stages"].get(name, fingerprint) != fingerprint for name, fingerprint in now.items()):
            known = {"id": secrets.token_hex(8), "stages": {}}
        if known["stages"] != known["stages"] | now or not path.is_file():
            write_json(path, {"id": known["id"], "stages": known["stages"] | now})
    return known["id"]


def _known(path: Path) -> dict[str, Any] | None:
    """What is noted of the W&B run; None, with a word, where it is not that any more."""
    if not path.is_file():
        return None
    try:
        known = read_json(path)
        if isinstance(known["id"], str) and isinstance(known["stages"], dict):
            return known
    except (UserError, KeyError, TypeError):
        pass
    say(f"{path} is not what was written (cut off or altered); a new W&B run is begun", file=sys.stderr)
    return None


class Sent:
    """What of the figures the server has, known to all jobs of the run, some of which run side by side.

    A line ~KEY says that a job has taken it on to send the figures, a line KEY that they were delivered.
    """

    def __init__(self, path: Path | None, certain: bool = False) -> None:
        """`path`: None forgets all, for a run that is written anew from the beginning. `certain`: what was taken on but
        not delivered for certain, because its job was killed, is sent again."""
        self.path, self.certain = path, certain
        self.known: set[str] = set()
        self.mine: list[str] = []
        self._read = 0  # bytes of the file

    def first_time(self, figures: dict[str, Any]) -> bool:
        """Are they still to be sent? Then it is this job that does."""
        key = identity_of(figures)
        self._read_on()
        if key in self.known:
            return False
        self.known.add(key)
        self.mine.append(key)
        self._add([f"~{key}"])
        return True

    def delivered(self) -> None:
        """All that this job has sent has arrived."""
        self._add(self.mine)
        self.mine.clear()

    def _read_on(self) -> None:
        if self.path is None or not self.path.is_file() or self.path.stat().st_size == self._read:
            return
        with open(self.path, "rb") as file:
            file.seek(self._read)
            found = file.read()
        found = found[: found.rfind(b"\n") + 1]
        self._read += len(found)
        for line in found.decode().split():
            if not (self.certain and line.startswith("~")):
                self.known.add(line.removeprefix("~"))

    def _add(self, lines: list[str]) -> None:
        if self.path is not None and lines:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
