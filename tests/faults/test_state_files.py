"""State that a program finds again: cut, of another shape or altered, it is one message or made anew."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from table import rows

from data_builders.build import build, read_manifest
from data_builders.records import Manifest, conversation, write_training_set
from data_builders.shared.build_marker import MARKER, claim_folder
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.errors import UserError
from data_builders.shared.files import write_json
from data_builders.shared.progress import ProgressState, line_of, read_progress
from data_builders.shared.state_files import read_checked, write_checked
from evaluation.ledger.run import load_run
from fgtrain.data.quarantine import Quarantine
from fgtrain.executors.slurm.queue import RECORD, slurm_record
from fgtrain.graph.status import how_far
from fgtrain.jobs.spec import PROGRESS, SPENT, JobSpec, read_faults, read_spec, spent, write_spec
from fgtrain.plan.plan_file import earlier_plan, read_plan
from fgtrain.runs.reported import note_reported, reported
from fgtrain.training.metrics_file import missing_steps, readable_steps
from fgtrain.training.resume_files import MANIFEST, fault_of

SHAPES = {"a list": "[1, 2]", "a number": "5", "null": "null", "cut": '{"name": "a", "ki', "empty": "", "text": '"a"'}
SHAPES |= {"no text": "\udcff\udcfe", "another's keys": '{"surprise": {"deep": [1]}}'}


def each(message: str) -> tuple[tuple[str, object, object], ...]:
    return tuple((name, text, message) for name, text in SHAPES.items())


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@rows(*each("Start the run again"))
def test_a_jobs_own_files(how, out, tmp_path):
    """job.json is refused with a way on; what only tells how far it was counts as not there."""
    put(tmp_path / "job.json", how)
    with pytest.raises(UserError, match=out):
        read_spec(tmp_path)
    write_spec(tmp_path, JobSpec("run/build", "build", "build"), None)
    assert read_spec(tmp_path) == JobSpec("run/build", "build", "build")
    for name in (SPENT, PROGRESS, "fault.0.json"):
        put(tmp_path / name, how)
    assert spent(tmp_path) == 0.0
    assert how_far(read_progress(tmp_path / PROGRESS)) == ""
    assert read_faults(tmp_path) == []


@rows(
    ("a text for a number", {"done": "7"}, None),
    ("a number for a text", {"what": 7}, None),
    ("a list for the rate", {"per_second": [1]}, None),
    ("whole", {}, "encoding: 3 of 9 images, 1.0/s, 0 min left"),
)
def test_progress_with_other_values(how, out, tmp_path):
    write_json(tmp_path / PROGRESS, asdict(ProgressState("encoding", 3, 9, "images", 1.0)) | how)
    state = read_progress(tmp_path / PROGRESS)
    assert (state and line_of(state)) == out


@rows(("not a number", "NaN", 0.0), ("below nothing", "-5", 0.0), ("endless", "Infinity", 0.0), ("whole", "2.5", 2.5))
def test_time_spent(how, out, tmp_path):
    put(tmp_path / SPENT, f'{{"seconds": {how}}}')
    assert spent(tmp_path) == out


@rows(*each(r"Delete .* build the training set again"), ("rows that are no number", "rows", "rows: "))
def test_a_manifest(how, out, tmp_path):
    texts = [{"id": "1", "conversations": conversation("Q?", "A", with_image=False)}]
    about = {"builder": "caption", "code": CodeIdentity("0" * 16, {}), "sources": [], "splits": []}
    write_training_set(tmp_path, texts, name="set", image_root=tmp_path, **about)
    whole = json.loads((tmp_path / "manifest.json").read_text())
    text = json.dumps(whole | {"rows": "many"}) if how == "rows" else how
    put(tmp_path / "manifest.json", text)
    with pytest.raises(UserError, match=out):
        Manifest.load(tmp_path)
    if how not in ("rows", SHAPES["another's keys"]):
        with pytest.raises(UserError, match=r"Delete .*, and it is built again"):
            read_manifest(tmp_path)


@rows(*each(r"Delete .*, and it is built from the beginning"))
def test_the_mark_of_an_unfinished_build(how, out, tmp_path):
    put(tmp_path / MARKER, how)
    with pytest.raises(UserError, match=out):
        claim_folder(tmp_path, {"seed": 1}, "code", ())


@rows(*each("cannot be read"))
def test_an_earlier_plan(how, out, tmp_path, capsys):
    path = put(tmp_path / "plan.json", how)
    with pytest.raises(UserError, match=r"plan\.json"):
        read_plan(path)
    plan = earlier_plan(path)
    said = capsys.readouterr().err
    assert (plan == {} and out in said) or plan == {"surprise": {"deep": [1]}}
    assert earlier_plan(tmp_path / "none.json") == {}


@rows(*each(r"Remove .*slurm.json, once squeue has nothing of run any more"))
def test_the_record_of_a_submission(how, out, tmp_path):
    put(tmp_path / "run/jobs/train" / RECORD, how)
    with pytest.raises(UserError, match=out):
        slurm_record(tmp_path / "run/jobs/train")


@rows(*each("cut off or altered"), ("a score that was altered", "value", "cut off or altered"))
def test_scores_in_the_store_are_made_anew(how, out, tmp_path, capsys):
    path = tmp_path / "evaluation.json"
    values = {"tasks": {"pope": {"value": 51.25, "groups": {1: "a"}}}, "subset": []}
    write_checked(path, values)
    assert read_checked(path)["tasks"]["pope"]["value"] == 51.25
    put(path, path.read_text().replace("51.25", "81.25") if how == "value" else how)
    assert read_checked(path) is None
    assert out in capsys.readouterr().err
    assert read_checked(tmp_path / "none.json") is None
    assert capsys.readouterr().err == ""


FIGURES = [json.dumps({"kind": "train", "step": n, "samples_seen": 8 * n, "loss": 1.0}) for n in range(1, 6)]


@rows(
    ("whole", FIGURES, 0),
    ("a row is missing", FIGURES[:2] + FIGURES[3:], 1),
    ("a row is torn", [*FIGURES[:2], FIGURES[2][:9], *FIGURES[3:]], 1),
    ("a row is a list", [*FIGURES[:4], "[1]"], 1),
    ("a row has no step", [*FIGURES[:4], '{"kind": "train", "samples_seen": 3}'], 1),
    ("a row has a text for a step", [*FIGURES[:4], '{"kind": "train", "samples_seen": 3, "step": "5"}'], 1),
    ("bytes that are no text", [*FIGURES[:3], "\udcff", "\udcfe"], 2),
    ("nothing", [], 5),
)
def test_figures_of_a_stage(how, out, tmp_path):
    path = put(tmp_path / "metrics.jsonl", "".join(line + "\n" for line in how) + '{"kind": "tr')
    assert len(readable_steps(path)) == 5 - out
    said = missing_steps(path, 5)
    assert bool(said) == bool(out)
    assert f"figures of {out} of 5 steps are missing" in said or not out


@pytest.fixture
def run(tmp_path) -> Path:
    score = {"rule": "strict", "metric": "accuracy", "value": 50.0, "unit": "percent", "low": 40, "high": 60, "n": 4}
    task = {"task": "pope", "title": "POPE", "group": "general", "primary": "strict", "scores": [score]}
    checkpoint = {"name": "start", "samples_seen": 0, "step": 0, "tasks": {"pope": task}}
    write_json(tmp_path / "scores.json", {"run": "r", "checkpoints": [checkpoint]})
    put(tmp_path / "metrics.jsonl", "".join(line + "\n" for line in FIGURES))
    return tmp_path


@rows(
    ("a torn row", FIGURES[0][:20], "line 1: not JSON"),
    ("a list", "[1]", "line 1: a row must be a JSON object"),
    ("no kind", '{"step": 1}', "line 1, is no row of figures: kind is None"),
    ("a text for a number", '{"kind": "train", "samples_seen": "3"}', "samples_seen is '3'"),
    ("a list for a score", '{"kind": "eval", "samples_seen": 3, "task": "a", "rule": "b", "value": []}', "value is"),
    ("no task", '{"kind": "eval", "samples_seen": 3, "rule": "b", "value": 1}', "task is None"),
    ("no text", "\udcff", "metrics.jsonl"),
)
def test_figures_of_a_run(how, out, run):
    assert len(load_run(run).train) == 5
    put(run / "metrics.jsonl", how + "\n")
    with pytest.raises(UserError, match="the run's own command writes it anew") as caught:
        load_run(run)
    assert out in str(caught.value)


@rows(
    ("whole", lambda run: None, True),
    ("a row of the figures is gone", lambda run: put(run / "metrics.jsonl", FIGURES[0] + "\n"), False),
    ("the figures are gone", lambda run: (run / "metrics.jsonl").unlink(), False),
    ("the scores are cut", lambda run: put(run / "scores.json", '{"run": "r", "che'), False),
    ("the scores are of another shape", lambda run: put(run / "scores.json", "[]"), False),
    ("the note is cut", lambda run: put(run / ".report_made_of.json", '{"of"'), False),
)
def test_a_report_is_made_anew_where_what_it_tells_is_not_what_it_was(how, out, run):
    note_reported(run, {"stage align": "f"})
    how(run)
    assert reported(run, {"stage align": "f"}) is out


@rows(*each("is no bad row as this program notes them"))
def test_bad_rows_that_were_noted(how, out, tmp_path):
    path = put(tmp_path / "quarantine.jsonl", how.replace("\n", "") + "\n")
    quarantine = Quarantine(path, 5)
    for look in (quarantine.left_out, quarantine.check_quota, lambda: quarantine.add("a", "1", "broken")):
        with pytest.raises(UserError, match=f"line 1, {out}"):
            look()


@rows(*each(MANIFEST), ("files of another shape", '{"step":1,"strategy":"a","ranks":1,"files":{"a":3}}', MANIFEST))
def test_a_point_to_go_on_from(how, out, tmp_path):
    put(tmp_path / MANIFEST, how)
    assert fault_of(tmp_path).startswith(f"{out} cannot be read")


def test_a_damaged_manifest_leaves_a_way_on(tmp_path, capsys):
    options = {"source": "chartqa", "pixels": 32, "train_images_per_species": 1, "test_images_per_species": 1}
    build("drawn", root=None, out=tmp_path / "out", options=options)
    put(tmp_path / "out/manifest.json", "[]")
    with pytest.raises(UserError, match=r"Delete .*out, and it is built again"):
        build("drawn", root=None, out=tmp_path / "out", options=options)
