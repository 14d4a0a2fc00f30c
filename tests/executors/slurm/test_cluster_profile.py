"""A cluster profile: what is read out of it, and what every mistake in it is answered with."""

import pytest
from submit_fakes import PROFILE, REPOSITORY

from fgtrain.errors import UserError
from fgtrain.executors.slurm.profile import load_cluster


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FGTRAIN_CLUSTER", raising=False)

    def of(text: str):
        (tmp_path / "cluster.yaml").write_text(text)
        return load_cluster("cluster.yaml")[0]

    return of


def test_the_example_is_a_profile():
    cluster, _ = load_cluster(str(REPOSITORY / "slurm" / "cluster.example.yaml"))
    assert cluster.machine("train").seconds == 24 * 3600
    assert cluster.machine("evaluate").partition == "gpu"
    assert cluster.machine("evaluate").seconds == 4 * 3600
    assert cluster.machine("prepare").gpus_per_node == 0
    assert cluster.machine("prepare").account == cluster.account


def test_a_section_can_take_back_what_the_profile_says(read):
    cluster = read('{gpus_per_node: 8, time: "10", save_seconds: 60, qos: high, prepare: {qos: null}}')
    assert cluster.machine("prepare").qos is None
    assert cluster.machine("report").qos == "high"


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("90:30", 5430), ("1:30:00", 5400), ("2-0", 172800), ("1-12:30", 131400), ("1-0:0:40", 86440)],
)
def test_times_are_slurms(read, time, seconds):
    assert read(f'{{gpus_per_node: 1, time: "{time}"}}').seconds == seconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpus_per_node: 8\ntime: 24:00:00", 'line 2: time is 86400, a number: YAML reads 24:00:00 without quotes so. '
         'Write time: "24:00:00"'),
        ("gpus_per_node: 8\ntime: 90", '"90" (minutes)'),
        ("gpus_per_node: 8\ntime: tomorrow", "no time of Slurm's"),
        ('gpus_per_node: 8\ntime: "1:00:00"\nmemory: 500', 'Write memory: "500G"'),
        ('gpus_per_node: 8\ntime: "1:00:00"\npartiton: gpu', "line 3: partiton is no key here. Did you mean partition"),
        ('gpus_per_node: 8\ntime: "1:00:00"\nprepare: {modules: [a]}', "prepare.modules is no key here"),
        ('time: "1:00:00"', "gpus_per_node is missing. For example gpus_per_node: 8"),
        ('gpus_per_node: eight\ntime: "1:00:00"', "line 1: gpus_per_node is eight, must be a whole number"),
        ('gpus_per_node: -1\ntime: "1:00:00"', "must be at least 0"),
        ('gpus_per_node: 8\ntime: "0:10:00"', "save_seconds is 600, but the time limit is 0:10:00 (600 s)"),
        ('gpus_per_node: 8\ntime: "24:00:00"\nreport: {time: "5"}', "report.save_seconds is 600"),
        ('gpus_per_node: 8\ntime: "1:00:00"\nsbatch: [constraint=ib]', "is no option"),
        ('gpus_per_node: 8\ntime: "1:00:00"\nsetup: ["a\\nb"]', "setup.0 holds a line break"),
        ("- 1", "must be a mapping"),
        ("", "is empty"),
        ("gpus_per_node: [", "not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_what_to_write(read, text, said):
    with pytest.raises(UserError) as error:
        read(text)
    assert said in str(error.value)
    assert str(error.value).startswith("cluster profile cluster.yaml")


def test_all_mistakes_are_told_at_once(read):
    with pytest.raises(UserError, match="has 3 mistakes") as error:
        read("gpus_per_node: 8\ntime: 24:00:00\nqso: high\nmemory: 5")
    assert [word in str(error.value) for word in ("time", "qos", "memory")] == [True] * 3


def test_a_profile_is_found_by_option_variable_and_place(tmp_path, monkeypatch):
    import yaml

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FGTRAIN_CLUSTER", raising=False)
    with pytest.raises(UserError, match=r"no cluster profile.*cluster\.example\.yaml"):
        load_cluster(None)
    for place in ("slurm/cluster.yaml", "variable.yaml", "option.yaml"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(yaml.safe_dump(PROFILE))
    assert load_cluster(None)[1].name == "cluster.yaml"
    monkeypatch.setenv("FGTRAIN_CLUSTER", "variable.yaml")
    assert load_cluster(None)[1].name == "variable.yaml"
    assert load_cluster("option.yaml")[1].name == "option.yaml"
    with pytest.raises(UserError, match="--cluster is none"):
        load_cluster("none.yaml")


def test_a_misspelt_name_is_told_with_the_one_that_is_there(tmp_path):
    (tmp_path / "cluster.yaml").write_text("time: '1:00:00'\n")
    with pytest.raises(UserError, match=r"no such file\. Did you mean .*cluster\.yaml\?"):
        load_cluster(str(tmp_path / "clutser.yaml"))
    with pytest.raises(UserError, match="which is a folder"):
        load_cluster(str(tmp_path))


def test_changes_to_the_recipe_may_stand_behind_options(capsys):
    from fgtrain.__main__ import main

    main([str(REPOSITORY / "recipes/mini/align_fg10.yaml"), "--plan", "name=another"])
    assert "another  seed" in capsys.readouterr().out
