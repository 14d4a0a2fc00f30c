"""Drawing every picture, in several processes, each taking every n-th.

Processes of their own, not forks: whoever asks for a world may have loaded libraries that do not survive a fork.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from ..shared.errors import UserError
from ..shared.files import write_bytes
from ..shared.terminal import say
from .canvas import jpeg
from .cub_layout import pictures
from .skills import KINDS, paint
from .taxonomy import all_species

REPORT_EVERY = 50  # pictures
SPLITS = ("train", "test")


@dataclass(frozen=True)
class World:
    """Everything that decides the pictures."""

    seed: int
    pixels: int
    train_images_per_species: int
    test_images_per_species: int
    general_train: int
    general_test: int

    def general(self) -> Iterator[tuple[str, str, int]]:
        """(kind, split, number) of every general picture."""
        for kind in KINDS:
            for split, count in zip(SPLITS, (self.general_train, self.general_test), strict=True):
                yield from ((kind, split, number) for number in range(count))

    def species_pictures(self):
        return pictures(all_species(), self.train_images_per_species, self.test_images_per_species)

    @property
    def images(self) -> int:
        species = self.train_images_per_species + self.test_images_per_species
        return len(all_species()) * species + len(KINDS) * (self.general_train + self.general_test)


def general_image(kind: str, split: str, number: int) -> str:
    """Relative to general/<kind>."""
    return f"images/{split}_{number:06}.jpg"


def jobs(out: Path, world: World) -> Iterator[tuple[Path, Callable[[], bytes]]]:
    """(path, what draws it) of every picture."""
    for one in world.species_pictures():
        path = out / "CUB_200_2011" / "images" / one.path
        yield path, lambda one=one: jpeg(one.draw(world.seed, world.pixels).image)
    for kind, split, number in world.general():
        path = out / "general" / kind / general_image(kind, split, number)
        yield (
            path,
            lambda k=kind, s=split, n=number: jpeg(paint(k, s, n, world.seed, world.pixels, world.general_train)),
        )


def draw_share(out: Path, world: World, first: int, step: int) -> Iterator[int]:
    """Draw every `step`-th picture from `first` on, unless it is there; yields how many were finished."""
    since = 0
    for path, drawn in islice(jobs(out, world), first, None, step):
        if not path.exists():
            write_bytes(path, drawn())
        since += 1
        if since == REPORT_EVERY:
            yield since
            since = 0
    yield since


def draw_all(out: Path, world: World, processes: int, advance: Callable[[int], None]) -> None:
    """Draw what is missing. The pictures do not depend on `processes`."""
    if processes == 1:
        for done in draw_share(out, world, 0, 1):
            advance(done)
        return
    running: list[subprocess.Popen] = []
    # The package must be found whether it is installed or stands in the working directory.
    packages = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, packages))}

    def follow(first: int) -> None:
        task = json.dumps({"out": str(out), "world": asdict(world), "first": first, "step": processes})
        command = [sys.executable, "-m", __name__, task]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        running.append(process)
        for line in process.stdout:
            advance(int(line))
        if code := process.wait():
            raise (
                UserError("drawing stopped; the reason stands above")
                if code == 2
                else RuntimeError(f"a drawing process ended with status {code}")
            )

    try:
        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(follow, range(processes)))
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()


def main() -> None:
    task = json.loads(sys.argv[1])
    try:
        for done in draw_share(Path(task["out"]), World(**task["world"]), task["first"], task["step"]):
            say(done)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)  # whoever started this process was interrupted too, and says so


if __name__ == "__main__":
    from ..shared.errors import run_command

    sys.exit(run_command(main))
