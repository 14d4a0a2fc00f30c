"""A recipe small enough to be stopped at every moment, and what may be compared between two runs of it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from moments import Moment, counted, hooked
from run_fakes import finished, losses, metrics, recipe_values, start, write_recipe

from data_builders.shared.files import sha256_file

TWO = ("devices.count=2", "devices.per_device_batch_size=4")  # processes


def law_recipe(folder: Path, name: str = "law", **changes: object) -> Path:
    """One stage of nine steps, with a resume point after every third, then one task. One job after the other: what has
    happened by a moment of one does not hang on how fast another is."""
    values = recipe_values(folder, name=name)
    sft = values["stages"]["sft"] | {"mix": {"count": 2, "short": 0.67}, "checkpoint_every_steps": 3}
    values |= {"stages": {"sft": sft}, "evaluation": {"tasks": ["drawn_count"], "at": ["sft"], "batch_size": 2}}
    return write_recipe(folder, values | changes)


class Run:
    """One recipe in a folder of its own, started as often as a test likes, with what its processes did counted."""

    def __init__(self, place: Path, recipe: Path, words: tuple[str, ...] = ()) -> None:
        self.place, self.recipe, self.words = place, recipe, words
        self.folder = place / "runs" / recipe.stem
        self.counts = place / "counts"
        self.starts = 0
        self.kept: dict[str, Any] = {}

    def begin(self, moment: Moment | None = None, **more: Any) -> subprocess.Popen:
        self.starts += 1
        own = self.place / f"start{self.starts}"
        variables = hooked(own, moment, **{"counts": self.counts, **more})
        process = start(self.recipe, *self.words, **variables)
        process.happened = own / "happened"
        return process

    def start(self, moment: Moment | None = None, **more: Any) -> tuple[int, str]:
        """Exit status and everything printed. The moment is reached."""
        process = self.begin(moment, **more)
        status, output = finished(process)
        assert moment is None or process.happened.exists(), output
        return status, output

    def weights(self) -> str:
        return sha256_file(self.folder / "sft" / "checkpoint" / "model.safetensors")

    def scores(self) -> list[Any]:
        """(checkpoint, step, task, its scores) without the place where its pictures lie."""
        found = json.loads((self.folder / "scores.json").read_text())["checkpoints"]
        return [
            (one["name"], one["step"], name, task | {"image_root": None})
            for one in found
            for name, task in one["tasks"].items()
        ]

    def answers(self) -> list[tuple]:
        """(checkpoint, question, answer) of every row, with those that stand twice."""
        files = sorted((self.folder / "answers").glob("*/*.jsonl"))
        rows = [(file.parent.name, json.loads(line)) for file in files for line in file.read_text().splitlines()]
        return sorted((checkpoint, row["task"], row["question_id"], row["answer"]) for checkpoint, row in rows)

    def losses(self) -> list[tuple[str, int, float]]:
        return losses(self.folder)

    def metrics(self) -> list[dict]:
        return metrics(self.folder)

    def counted(self) -> dict[str, int]:
        return counted(self.counts)

    def remember(self) -> None:
        """Keep what there is to compare, whatever becomes of the folder."""
        for name in ("weights", "scores", "answers", "losses", "metrics", "counted"):
            self.kept[name] = getattr(self, name)()

    def is_as(self, other: "Run", *names: str) -> None:
        """The same came out of it."""
        for name in names or ("weights", "scores", "answers", "losses"):
            mine, theirs = getattr(self, name)(), other.kept[name]
            assert mine == theirs, f"{name}: {mine} and {theirs}"

    def made(self) -> dict[str, int]:
        """What is finished -> when it was."""
        kinds = ("built/**/manifest.json", "world/**/manifest.json", "built/.features/whole/*")
        kinds += ("runs/.stages/*/checkpoint/SHA256SUMS", "runs/.stages/*/evaluations/*.json")
        return {
            str(path.relative_to(self.place)): path.stat().st_mtime_ns
            for kind in kinds
            for path in self.place.glob(kind)
        }
