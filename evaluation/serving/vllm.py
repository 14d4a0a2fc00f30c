"""vLLM as a user has installed it: where it is, which version, and how it is started. No option of it runs code of a
checkpoint, and it reaches no network. The options are those of 0.33.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data_builders.shared.errors import UserError

from ..launcher import SRUN, TORCHRUN

VARIABLE = "FGTRAIN_VLLM"  # the executable, where it is not on PATH
VISIBLE = "CUDA_VISIBLE_DEVICES"
KEY_VARIABLE = "VLLM_API_KEY"  # both the server's and the client's name for it
INSTALL = "python -m venv ~/vllm && ~/vllm/bin/pip install 'vllm>=0.33,<0.34' && export FGTRAIN_VLLM=~/vllm/bin/vllm"
HOW = f"It needs an environment of its own. Type: {INSTALL}"
HOST = "127.0.0.1"
OWN = "fgtrain.json"  # lies in folders that were saved here
# Of the device. The rest is for what the job itself holds there, a CUDA context at least.
MEMORY_FRACTION = 0.88
VERSION_SECONDS = 300.0  # it imports torch first
# What tells of whoever started this process, and of its place in a group: the server would take it for its own.
NOT_INHERITED = {*TORCHRUN, *SRUN, "MASTER_ADDR", "MASTER_PORT", "VLLM_PORT", "PYTHONHOME"}
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Vllm:
    """An installed vLLM."""

    executable: Path
    version: str


def place_of_vllm(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The executable that $FGTRAIN_VLLM names, else the one on PATH, else the one beside this Python; None without.

    UserError where the variable names none. Nothing is run: a recipe cannot say what is.
    """
    if named := environment.get(VARIABLE):
        path = Path(named).expanduser()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise UserError(f"{VARIABLE} is {named}, which is no program. Let it name vLLM's own: .../bin/vllm")
        return path.absolute()
    if found := shutil.which("vllm", path=environment.get("PATH", os.defpath)):
        return Path(found).absolute()
    beside = Path(sys.executable).parent / "vllm"
    return beside if beside.is_file() and os.access(beside, os.X_OK) else None


def gpu_name(number: int, environment: Mapping[str, str] = os.environ) -> str:
    """The GPU of the process with this number on its host, as CUDA_VISIBLE_DEVICES names it."""
    names = [name.strip() for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    return names[number % len(names)] if names else str(number)


def find_vllm(environment: Mapping[str, str] = os.environ) -> Vllm:
    """UserError where there is none, or it cannot be run."""
    place = place_of_vllm(environment)
    if place is None:
        raise UserError(
            f"vLLM is not installed: no vllm on PATH or beside {sys.executable}, and {VARIABLE} names none. {HOW}"
        )
    return Vllm(place, version_of(place))


def version_of(executable: Path) -> str:
    """As its environment's files say, else as it says itself. UserError when it cannot be run."""
    folder = executable.resolve().parent.parent
    for path in sorted(folder.glob("lib/python*/site-packages/vllm-*.dist-info")):
        return path.name.removesuffix(".dist-info").removeprefix("vllm-")
    try:
        done = subprocess.run(
            [str(executable), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=VERSION_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{executable} cannot be run: {error}") from None
    if done.returncode or not (found := re.search(r"\d+\.\d+\S*", done.stdout)):
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise UserError(f"{executable} --version fails{': ' if said else ''}{''.join(said)}. Install vLLM anew")
    return found.group()


@dataclass(frozen=True)
class Settings:
    """How a checkpoint is served. `gpu`: as CUDA names it; None leaves what the process sees."""

    folder: Path
    name: str  # under which it is served
    dtype: str = "bfloat16"
    seed: int = 0
    gpu: str | None = None


def command(vllm: Vllm, settings: Settings, port: int) -> list[str]:
    """The words that start a server of the checkpoint at the port."""
    words = [str(vllm.executable), "serve", str(settings.folder)]
    words += ["--served-model-name", settings.name, "--host", HOST, "--port", str(port)]
    words += ["--dtype", settings.dtype, "--seed", str(settings.seed)]
    # As long as fits beside the weights, up to the model's own: what is asked is short.
    words += ["--max-model-len", "auto", "--gpu-memory-utilization", str(MEMORY_FRACTION)]
    words += ["--limit-mm-per-prompt", json.dumps({"image": 1, "video": 0})]
    # The folder's sampling settings (temperature, repetition penalty) are for chats; the tokens that end an answer are
    # read from the folder in any case.
    words += ["--generation-config", "vllm"]
    template = settings.folder / "chat_template.jinja"
    if template.is_file():  # an older folder has it in tokenizer_config.json
        words += ["--chat-template", str(template)]
    # Ours take the parts of a message as they are sent; guessing that from a template's text can fail.
    words += ["--chat-template-content-format", "openai" if (settings.folder / OWN).is_file() else "auto"]
    return [*words, "--uvicorn-log-level", "warning"]  # else a line for each question


def environment(vllm: Vllm, settings: Settings, key: str, now: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Of the server: offline, on its GPU, and nothing in it of who started this process."""
    gone = lambda name: name in NOT_INHERITED or name.startswith(("FGTRAIN_", "TORCHELASTIC_"))  # noqa: E731
    kept = {name: value for name, value in now.items() if not gone(name)}
    if vllm.executable.parent != Path(sys.executable).parent:
        kept.pop("PYTHONPATH", None)  # of this environment, whose packages are others
    gpu = {VISIBLE: settings.gpu} if settings.gpu is not None else {}
    return {**kept, **OFFLINE, **gpu, KEY_VARIABLE: key, "PYTHONUNBUFFERED": "1"}
