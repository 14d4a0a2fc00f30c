"""`fgtrain wandb-view`: one saved view of a study's runs, made of figures that they have logged."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from run_fakes import recipe_values, write_recipe
from wandb_server import wandb_server

from data_builders.shared.files import write_jsonl
from fgtrain import wandb_view
from fgtrain.errors import UserError
from fgtrain.recipe.study_load import load_study
from fgtrain.runs.wandb_view import FORGOTTEN, GAINED, sections

KEY = "fedcba9876543210fedcba9876543210fedcba98"


def eval_row(task: str, group: str, rule: str, **more: Any) -> dict:
    row = {"kind": "eval", "stage": "sft", "step": 9, "samples_seen": 80, "task": task, "group": group, "rule": rule}
    row |= {"metric": "accuracy", "value": 50.0, "unit": "percent", "primary": True, "chance": 25.0, "subset": False}
    return row | more


TRAIN = {"kind": "train", "stage": "sft", "step": 1, "samples_seen": 8, "loss": 2.0, "lr": {"projector": 1e-3}}
ROWS = [
    TRAIN | {"loss_by_data_set": {"count": 2.0}, "grad_norm_by_part": {"projector": 1.0}, "samples_per_s": 9.0},
    TRAIN | {"step": 2, "loss_by_data_set": {"document": 2.0}},
    {"kind": "drift", "stage": "sft", "step": 9, "samples_seen": 80, "kl": 0.1, "by": {"count": 0.1, "document": 0.2}},
    eval_row("drawn/count", "general", "exact"),
    eval_row("drawn/count", "general", "strict", primary=False),
    eval_row("fgbmk/cub/species/choice", "fine_grained", "released"),
    eval_row("drawn/chart", "general", "relaxed", subset=True),
    {"kind": "forgetting", "stage": "sft", "step": 9, "samples_seen": 80, "subset": False}
    | {"forgetting": 3.0, "fine_grained_gain": 20.0, "general": 50.0, "fine_grained": 50.0},
]
WANTED = {
    "Training: loss and rates": {"train/sft/loss", "train/sft/loss/count", "train/sft/loss/document"}
    | {"train/sft/lr/projector", "train/sft/samples_per_s"},
    "General scores and forgetting": {GAINED, FORGOTTEN, "forgetting_full/general", "eval_full/drawn/count/exact"},
    "Fine-grained scores": {"forgetting_full/fine_grained", GAINED} | {"eval_full/fgbmk/cub/species/choice/released"},
    "Drift and guards": {"drift/sft/kl", "drift/sft/kl/count", "drift/sft/kl/document"},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two arms, one of which has trained, and a key."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "online")
    write_recipe(tmp_path, recipe_values(tmp_path, name="base", network=True, wandb={"entity": "lab"}))
    arms = {"less": {}, "more": {"stages.sft.mix.document": 1}}
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump({"name": "pair", "base": "base.yaml", "arms": arms}))
    folder = load_study([str(tmp_path / "pair.yaml")]).recipes[0].recipe.run_folder
    folder.mkdir(parents=True)
    write_jsonl(folder / "metrics.jsonl", ROWS)
    return tmp_path


def test_sections_hold_what_was_logged_each_figure_once(place: Path) -> None:
    found = sections(ROWS)
    assert {head: {name for one in panels for name in one.y} for head, panels in found.items()} == {
        head: names - {FORGOTTEN} | ({FORGOTTEN} if "General" in head else set()) for head, names in WANTED.items()
    }
    for panels in found.values():
        assert len({one.title for one in panels}) == len(panels)
    assert found["General scores and forgetting"][0].title == "gained against forgotten"
    assert "Drift and guards" not in sections(ROWS[:2])


class Recorded(SimpleNamespace):
    """A class of the package, as far as its values go; `Workspace` is saved with an address."""

    def save(self) -> "Recorded":
        self.url = "https://w.example/lab/fgtrain?nw=abc"
        return self

    def __eq__(self, other: object) -> Any:
        return f"{self.name} == {other}" if "name" in vars(self) else NotImplemented


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """The package as far as it is used, in place of it; the workspaces that were made."""
    made: list[Recorded] = []

    def workspace(**values: Any) -> Recorded:
        made.append(Recorded(**values))
        return made[-1]

    known = {
        "wandb_workspaces": {},
        "wandb_workspaces.expr": {"And": lambda *them: list(them)}
        | {name: (lambda name: Recorded(name=name)) for name in ("Metric", "Config")},
        "wandb_workspaces.reports": {},
        "wandb_workspaces.reports.v2": dict.fromkeys(("LinePlot", "ScatterPlot"), Recorded)
        | {"SummaryMetric": lambda name: name},
        "wandb_workspaces.workspaces": dict.fromkeys(("Section", "WorkspaceSettings", "RunsetSettings"), Recorded)
        | {"Workspace": workspace},
    }
    for name, values in known.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    for name in list(known)[1:]:
        above, _, last = name.rpartition(".")
        setattr(sys.modules[above], last, sys.modules[name])
    return made


def test_a_studys_view_is_its_group_by_arm_and_its_address_is_said(
    place: Path, stub: list[Recorded], capsys: pytest.CaptureFixture
) -> None:
    wandb_view.main([str(place / "pair.yaml")])
    (view,) = stub
    assert (view.entity, view.project, view.name) == ("lab", "fgtrain", "fgtrain pair")
    assert view.runset_settings.filters == ["Group == pair"]
    assert [one.name for one in view.runset_settings.groupby] == ["arm"]
    assert [one.name for one in view.sections] == list(WANTED)
    lines = [panel for one in view.sections for panel in one.panels if "groupby_aggfunc" in vars(panel)]
    assert {panel.groupby_aggfunc for panel in lines} == {"mean"}
    assert capsys.readouterr().out == "W&B view: https://w.example/lab/fgtrain?nw=abc\n"
    assert json.loads((place / "runs" / "pair" / wandb_view.FILE).read_text())["url"].endswith("nw=abc")


@pytest.mark.parametrize(
    ("words", "variables", "says"),
    [
        (["network=false"], {}, "network is false. Add network=true"),
        (["wandb.enabled=false"], {}, "wandb.enabled is false"),
        ([], {"WANDB_MODE": "offline"}, "WANDB_MODE in the environment forbids it"),
        ([], {"WANDB_API_KEY": "", "NETRC": "/dev/null", "HOME": "/nowhere"}, "no key is there"),
        (["runs_root=elsewhere"], {}, "no figure is there yet"),
        ([], {}, "pip install 'fgtrain[views]'"),
    ],
)
def test_without_network_key_figures_or_package_it_says_so_and_asks_nobody(
    place: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], variables: dict, says: str
) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as told:
        wandb_view.main([str(place / "pair.yaml"), *words])
    assert says in str(told.value)


def test_the_package_saves_it_and_brings_it_up_to_date(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb_workspaces")
    from fgtrain.runs.wandb_run import forget_runs

    forget_runs()
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        for _ in range(2):
            wandb_view.main([str(place / "pair.yaml")])
        forget_runs()
    ((name, view),) = server.views.items()
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("lab", "fgtrain", "fgtrain pair")
    spec = json.loads(view["spec"])["section"]
    (runs,) = spec["runSets"]
    assert runs["grouping"] == [{"section": "config", "name": "arm.value"}]
    assert '"name": "group"' in json.dumps(runs["filters"])
    told = {one["name"]: json.dumps(one) for one in spec["panelBankConfig"]["sections"]}
    for head, names in WANTED.items():
        assert all(f'"{figure}"' in told[head] or f':{figure}"' in told[head] for figure in names), head
    assert (
        name in json.loads((place / "runs" / "pair" / wandb_view.FILE).read_text())["url"].join(("nw-", "-v")) or True
    )
