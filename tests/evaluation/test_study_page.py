"""A study's page and its command line: the answer first, every arm with its interval, links that lead somewhere."""

from html.parser import HTMLParser

import pytest
import yaml
from study_run_fakes import FINE, GENERAL, make_arms, make_run

from data_builders.shared.errors import UserError
from data_builders.shared.files import read_json
from evaluation.__main__ import main
from evaluation.report import write_study_report
from evaluation.study import StudyRuns, study_answer
from evaluation.study.summary import summary

ARMS = {"none": (-2.0, 1.8), "early": (1.4, 0.0), "late": (1.2, -0.1)}
MATCHED = [{"what": "exposures.fg", "values": {"early": 12000}, "equal": False, "exempt": ["none"], "note": "<b>"}]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    arms = make_arms(root, ARMS, images=30)
    (arms["early"][18] / "report.html").write_text("a run's own report")
    runs = StudyRuns("placement", "Where & when?", arms, contrasts=(("early", "late"),), matched=MATCHED)
    answer = study_answer(runs)
    write_study_report(runs, answer, root / "out" / "report.html")
    return root, answer, (root / "out" / "report.html").read_text()


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br", "wbr", "path", "line", "rect", "circle", "img"):
            self.open.append(tag)
        self.links += [value for name, value in attributes if tag == "a" and name == "href"]

    def handle_endtag(self, tag):
        if tag not in ("path", "line", "rect", "circle"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_says_the_answer_first_and_then_what_it_rests_on(many):
    _, answer, page = many
    read = Reader(page)
    assert read.open == []
    places = [
        read.text.index(sentence) for sentence in ["placement", "Where & when?", *(one.text for one in summary(answer))]
    ]
    assert places == sorted(places)
    heads = ["The answer", "Arms, ranked", "Gained and forgotten", "How they got there", "Contrasts"]
    heads += ["What was matched", "The runs, side by side"]
    assert [read.text.index(f"\n{head}\n") for head in heads] == sorted(
        read.text.index(f"\n{head}\n") for head in heads
    )
    assert "12,000" in read.text
    assert "<small>&lt;b&gt;</small>" in page
    assert "://" not in page


def test_more_runs_than_a_page_can_show_lie_on_a_page_beside_it(many):
    root, _, page = many
    links = Reader(page).links
    assert links == ["../early_18/report.html", "report_runs.html"]
    for one in links:
        assert (root / "out" / one).exists()
    assert "early_17" in (root / "out" / "report_runs.html").read_text()


def test_a_few_runs_are_shown_side_by_side_on_the_page_itself(many, tmp_path):
    root, *_ = many
    runs = StudyRuns(None, "", {arm: {17: root / f"{arm}_17"} for arm in ("early", "late")}, (FINE,))
    write_study_report(runs, study_answer(runs), tmp_path / "report.html")
    read = Reader((tmp_path / "report.html").read_text())
    assert "Over the run" in read.text
    assert read.open == []
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(UserError, match="is a folder"):
        write_study_report(runs, study_answer(runs), tmp_path)


def recipe(folder, seed):
    (folder / "recipe.resolved.yaml").write_text(yaml.safe_dump({"name": folder.name, "seed": seed}))


def test_the_command_line_answers_runs_made_anywhere(many, tmp_path, capsys):
    root, answer, _ = many
    for arm in ("early", "late"):
        for seed in (17, 18, 19):
            recipe(root / f"{arm}_{seed}", seed)
    arms = [f"{arm}=" + ",".join(str(root / f"{arm}_{seed}") for seed in (19, 17, 18)) for arm in ("early", "late")]
    assert main(["study", *arms, "--contrast", "early - late", "--out", str(tmp_path / "out")]) == 0
    found = read_json(tmp_path / "out" / "answer.json")
    assert list(found["contrasts"][0]["per_seed"].values()) == list(answer.contrasts[0].per_seed.values())
    assert list(found["contrasts"][0]["per_seed"]) == ["17", "18", "19"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "answer.json",
        "answer.md",
        "report.html",
        "report_runs.html",
    }
    assert found["words"][0][:30] in capsys.readouterr().out


def test_measures_add_up_and_what_holds_of_several_is_said_once(tmp_path):
    """A task that another run was not asked is missing from two measures, in one sentence."""
    more = "fgbmk/cub/genus/choice"
    for arm in "ab":
        tasks = {FINE: (-2.0, 1.0), GENERAL: (1.0, 1.0)} | ({more: (0.0, 1.0)} if arm == "a" else {})
        make_run(tmp_path / arm, tasks, seed=1, images=20)
    given = [f"{arm}={tmp_path / arm}" for arm in "ab"]
    asked = ["--measure", "fine_grained", "--measure", "general, fine_grained at start,fine_grained"]
    assert main(["study", *given, *asked, "--out", str(tmp_path / "out")]) == 0
    found = read_json(tmp_path / "out" / "answer.json")
    assert [one["name"] for one in found["measures"]] == ["fine_grained", "general", "fine_grained at start"]
    missing = [text for text in found["not_measured"] if text.startswith(more)]
    assert missing == [f"{more}: not in fine_grained, fine_grained at start, as it is not measured in b, seed 1"]
    assert main(["study", *given, "--measure", ",", "--out", str(tmp_path / "out")]) == 2


def test_runs_without_a_seed_on_record_pair_by_their_place(tmp_path):
    for name in ("a1", "a2", "b1", "b2"):
        make_run(tmp_path / name, {FINE: (-2.0, 1.0), GENERAL: (1.0, 1.0)}, seed=1, images=20)
    arms = [f"{arm}={tmp_path / arm}1,{tmp_path / arm}2" for arm in "ab"]
    assert main(["study", *arms, "--contrast", "a - b", "--measure", "general", "--out", str(tmp_path / "out")]) == 0
    assert list(read_json(tmp_path / "out" / "answer.json")["contrasts"][0]["per_seed"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["early"], "'early' is no arm; write its name and its runs"),
        (["early={A}", "early={B}"], "arm 'early' is given twice"),
        (["early={A}", "--contrast", "early-late"], "--contrast 'early-late' names no two arms"),
        (["early={A},{A2}", "--measure", "fine_grained"], "arm 'early' has two runs of one seed (17, 17)"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_named(many, tmp_path, capsys, given, said):
    root, *_ = many
    for name in ("early_17", "early_18", "late_17"):
        recipe(root / name, 17)
    given = [one.format(A=root / "early_17", A2=root / "early_18", B=root / "late_17") for one in given]
    assert main(["study", *given, "--out", str(tmp_path / "out")]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
