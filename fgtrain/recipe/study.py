"""A study: one question as runs. Arms x seeds, each a whole recipe; what must be equal; what the answer is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .differences import Difference, as_values
from .schema import Recipe
from .soup import SOUP, Soup
from .study_schema import Contrast, Matched


@dataclass(frozen=True)
class Arm:
    """One way of doing it. `changes`: where it differs from the base (a: the base's, b: the arm's), seed left out.

    Without a base, the first arm stands for it.
    """

    name: str
    changes: tuple[Difference, ...]
    point: str = ""  # of the grid, where there is one: what it adds to the arm's name


@dataclass(frozen=True)
class ArmRecipe:
    """One run of the study."""

    arm: str
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class Study:
    """What `load_study` makes of the command line. Unnamed (`name` None) where recipes were given and no study file."""

    name: str | None
    file: Path | None
    question: str  # the study file's leading comment; empty where there is none
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    matched: tuple[Matched, ...]
    measure: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    recipes: tuple[ArmRecipe, ...]  # all arms of the first seed, then all of the next
    soups: Mapping[str, Soup] = field(default_factory=dict)  # arm -> what it averages

    @property
    def folder(self) -> Path | None:
        """Where the study's own files lie, beside the folders of its runs; None for an unnamed one."""
        if self.name is None:
            return None
        first = self.recipes[0].recipe
        return first.path(first.runs_root) / self.name

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of its arms beside their numbers."""
        found = []
        for arm, soup in self.soups.items():
            text = f"{arm}: {soup}, at equal shares. Exposures, hours and what it may forget are its first ingredient's"
            if soup.seeds_of is not None:
                text += (
                    f". One model, of {len(self.seeds)} seeds: it has no seed of its own, its interval covers images "
                    "alone, and no contrast with it is shown or refuted"
                )
            found.append(text)
        return tuple(found)

    @property
    def resolved(self) -> str:
        """A study file that needs no other: `load_study` makes the same runs of it, whatever defaults change later."""
        if self.name is None:
            raise ValueError("an unnamed study is no file")
        whole = {one.arm: as_values(one.recipe) for one in self.recipes if one.seed == self.seeds[0]}
        for arm, values in whole.items():
            values["wandb"] |= _out_of_study(values["wandb"], self.name, arm, values["seed"])
            del values["name"], values["seed"]
        whole |= {arm: {SOUP: soup.model_dump(mode="json", exclude_none=True)} for arm, soup in self.soups.items()}
        content = {
            "name": self.name,
            "seeds": list(self.seeds),
            "matched": [one.model_dump(mode="json") for one in self.matched],
            "answer": {"measure": list(self.measure), "contrasts": [str(one) for one in self.contrasts]},
            "arms": whole,
        }
        comment = "".join(f"# {line}".rstrip() + "\n" for line in self.question.splitlines())
        return comment + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def run_name(study: str, arm: str, seed: int) -> str:
    return f"{study}-{arm}-s{seed}"


def as_run(recipe: Recipe, name: str, seed: int, group: str, arm: str) -> Recipe:
    """The recipe of an arm as one of its runs, which W&B shows in a group, tagged with arm and seed."""
    tags = tuple(dict.fromkeys((*recipe.wandb.tags, *_tags(arm, seed))))
    update = {"group": recipe.wandb.group or group, "tags": tags, "arm": recipe.wandb.arm or arm}
    wandb = recipe.wandb.model_copy(update=update)
    return recipe.model_copy(update={"name": name, "seed": seed, "wandb": wandb})


def _out_of_study(wandb: dict, group: str, arm: str, seed: int) -> dict:
    """What `as_run` has put there is left out again: group, tags and arm, as plain values."""
    tags = [tag for tag in wandb["tags"] if tag not in _tags(arm, seed)]
    own = {key: None if wandb[key] == given else wandb[key] for key, given in (("group", group), ("arm", arm))}
    return own | {"tags": tags}


def _tags(arm: str, seed: int) -> tuple[str, str]:
    return arm[:64], f"seed-{seed}"  # W&B takes no longer ones
