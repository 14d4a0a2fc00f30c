"""What the report must show and must never do."""

import html
import json
import re
import shutil
import time
from html.parser import HTMLParser

import pytest
from report_fakes import make_run

from data_builders.shared.errors import UserError
from evaluation.ledger import load_run
from evaluation.report import write_report

VOID = {"meta", "img", "br", "link", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Checks nesting; keeps attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.attributes, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [make_run(root, "align_fg10", mixed=True), make_run(root, "sft_then_fg")]


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report.html"
    write_report(runs, out)
    return out.read_text(encoding="utf-8")


def edited(folder, tmp_path, name, edit):
    """A copy of a run with its scores.json changed by `edit`."""
    copy = tmp_path / name
    shutil.copytree(folder, copy)
    scores = json.loads((copy / "scores.json").read_text())
    edit(scores)
    (copy / "scores.json").write_text(json.dumps(scores))
    return copy


def mean(folder, checkpoint, group):
    scores = json.loads((folder / "scores.json").read_text())["checkpoints"][checkpoint]["tasks"].values()
    values = [s["scores"][0]["value"] for s in scores if s["group"] == group and s["higher_is_better"]]
    return sum(values) / len(values)


def best_minus_now(folder):
    checkpoints = json.loads((folder / "scores.json").read_text())["checkpoints"]
    tasks = [t for t, s in checkpoints[0]["tasks"].items() if s["group"] == "general" and s["higher_is_better"]]
    values = [[c["tasks"][t]["scores"][0]["value"] for c in checkpoints] for t in tasks]
    return sum(max(history) - history[-1] for history in values) / len(tasks)


def test_the_headline_says_gain_and_forgetting_as_the_scores_have_them(runs, page):
    text = Page(page).text
    for folder in runs:
        gained = mean(folder, -1, "fine_grained") - mean(folder, 0, "fine_grained")
        number = r"-?[\d.]+"
        sentence = (
            rf"{folder.name} gained {gained:.1f} points \({number} to {number}\) on fine-grained tasks and "
            rf"forgot {best_minus_now(folder):.1f} (\({number} to {number}\) )?on general ones\."
        )
        assert re.search(sentence, text), text[:400]
    assert best_minus_now(runs[1]) > 30  # the made-up run does forget


def test_the_page_loads_nothing_and_runs_nothing(page):
    parsed = Page(page)
    for tag, name, value in parsed.attributes:
        assert tag != "script"
        assert not name.startswith("on")
        if name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert value.startswith("data:image/jpeg;base64,")
    assert not re.search(r"https?://|@import|url\((?!#)", page)


def test_every_accuracy_in_the_table_has_interval_and_n(page):
    table = page[page.index('<table class="scores">') : page.index("</table>")]
    cells = re.findall(r"<td[^>]*>(<b>.*?)</td>", table, re.S)
    assert len(cells) > 60
    for cell in cells:
        assert re.search(r"<small>[\d.]+–[\d.]+ · n [\d,]+</small>", cell), cell


def test_a_change_is_signed_as_well_as_coloured(page):
    for tone, arrow, sign in (("better", "▲", "+"), ("worse", "▼", "−")):
        changes = re.findall(
            rf'<span class="delta {tone}">(.*?)</span>', page[: page.index("General measures in other")]
        )
        assert changes
        assert all(change.startswith(arrow) and sign in change for change in changes)


def test_rising_perplexity_is_shown_as_worse(page):
    other = page[page.index("General measures in other units") :]
    assert 'delta worse">▲' in other[: other.index("</table>")]


def test_rules_stand_beside_numbers_and_their_disagreements(page):
    text = Page(page).text
    assert "<code>released</code>" in page
    assert "the same: strict" in text
    assert "rules differ 3 of 60" in text


def test_notes_are_footnotes(page):
    assert "<sup>1</sup>" in page
    assert "solvable from the text alone" in page[page.index('class="footnotes"') :]


def test_notes_that_count_are_one_row_over_all_checkpoints(runs, tmp_path):
    def edit(scores):
        for number, checkpoint in enumerate(scores["checkpoints"]):
            notes = [f"{number} of 60 answers unparsed under strict"] if number else []
            checkpoint["tasks"]["fgbmk/cub/species/choice"]["notes"] = notes

    write_report([edited(runs[1], tmp_path, "notes", edit)], tmp_path / "out.html")
    text = Page((tmp_path / "out.html").read_text()).text
    assert "answers unparsed under strict 0 of 60 1 of 60 2 of 60 3 of 60" in text


def test_curves_hold_stage_names_and_marks_of_both_sizes(page):
    svg = page[
        page.index("Fine-grained tasks, % right") : page.index("</svg>", page.index("Fine-grained tasks, % right"))
    ]
    assert "stage align, from sample 0 to 600" in svg
    assert "stage fg, from sample 1,500 to 2,100" in svg
    assert svg.count('large"><title>') == 3 + 4  # checkpoints of both runs
    assert "(subset)" in svg


def test_examples_are_twelve_a_run_with_learned_and_forgotten(page):
    shown = page[page.index("Twelve examples") : page.index("What was run")]
    assert shown.count('<article class="example">') == 24
    run = shown[shown.index("sft_then_fg") :]
    forgotten = run[run.index("Forgotten:") : run.index("Others:")]
    assert forgotten.count('<article class="example">') == 4
    assert "General ·" in forgotten
    assert shown.count("data:image/jpeg") == 24


def test_the_same_runs_give_the_same_bytes(runs, page, tmp_path):
    write_report(runs, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_one_run_has_no_picture_of_gain_against_forgetting(runs, page, tmp_path):
    write_report(runs[1:], tmp_path / "one.html")
    assert "Gain against forgetting" in page
    assert "Gain against forgetting" not in (tmp_path / "one.html").read_text()


def test_a_run_without_scores_is_told_which_command_makes_them(tmp_path, runs):
    with pytest.raises(UserError, match=r"no run folder .*nowhere.*python -m fgtrain RECIPE"):
        write_report([tmp_path / "nowhere"], tmp_path / "out.html")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.resolved.yaml").write_text("name: begun\n")
    with pytest.raises(UserError, match=r"scores\.json.*python -m fgtrain .*recipe\.resolved\.yaml"):
        write_report([runs[0], tmp_path / "begun"], tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"checkpoints": []}', '{"checkpoints": [{"name": "a"}]}', "{", "3"])
def test_a_broken_scores_file_is_the_users_error(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(UserError, match=r"scores\.json"):
        load_run(tmp_path)


def test_scores_alone_suffice(runs, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "scores.json").write_bytes((runs[1] / "scores.json").read_bytes())
    write_report([tmp_path / "bare"], tmp_path / "out.html")
    text = Page((tmp_path / "out.html").read_text()).text
    assert f"forgot {best_minus_now(runs[1]):.1f}" in text
    assert "No answers files" in text


def test_one_checkpoint_and_undefined_scores_are_no_error(runs, tmp_path):
    def edit(scores):
        del scores["checkpoints"][1:]
        first = scores["checkpoints"][0]["tasks"]["drawn/count"]["scores"][0]
        first["value"] = first["low"] = first["high"] = None

    write_report([edited(runs[1], tmp_path, "early", edit)], tmp_path / "out.html")
    assert "has one checkpoint so far" in Page((tmp_path / "out.html").read_text()).text


def test_a_task_missing_at_one_checkpoint_stays_out_of_the_means(runs, tmp_path):
    def edit(scores):
        del scores["checkpoints"][0]["tasks"]["drawn/document"]

    folder = edited(runs[1], tmp_path, "gap", edit)
    write_report([folder], tmp_path / "out.html")
    scores = json.loads((folder / "scores.json").read_text())["checkpoints"]
    tasks = [t for t in scores[0]["tasks"] if t.startswith("drawn")]
    now = sum(scores[-1]["tasks"][t]["scores"][0]["value"] for t in tasks) / len(tasks)
    assert f"fg {now:.1f}" in Page((tmp_path / "out.html").read_text()).text


def test_hostile_text_is_shown_and_not_obeyed(tmp_path):
    evil = '</p><script>alert(1)</script>\u202eabc\x00\x1b[31m\u2028\ud800"><img src=x onerror=alert(1)>{{ 7*7 }}'
    folder = make_run(tmp_path, "evil", rows=8)
    for path in (folder / "answers").rglob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["answer"] = row["answer"] + evil
            row["question"] = evil
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = json.loads((folder / "scores.json").read_text())
    scores["run"] = "<b>evil</b>\u202e"
    for checkpoint in scores["checkpoints"]:
        for task in checkpoint["tasks"].values():
            task["title"], task["notes"] = evil, [evil]
    (folder / "scores.json").write_text(json.dumps(scores))
    write_report([folder], tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    parsed = Page(page)
    assert not any(tag == "script" or name == "onerror" for tag, name, _ in parsed.attributes)
    assert not set(page) & set("\u202e\x00\x1b\u2028")
    assert "⟨U+202E⟩" in page
    assert "⟨U+D800⟩" in page
    assert html.escape("<b>evil</b>") in page
    assert "{{ 7*7 }}" in page


def test_a_long_answer_is_cut_and_a_missing_picture_named(tmp_path):
    folder = make_run(tmp_path, "long", rows=8)
    for path in (folder / "answers").rglob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["answer"] += " " + "x" * 100_000
            row["image"] = f"../outside/{row['question_id']}.jpg"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report([folder], tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    assert len(page) < 1_000_000
    assert "no picture: ../outside/" in page


def test_a_torn_last_answer_row_costs_nothing_else(tmp_path):
    folder = make_run(tmp_path, "torn", rows=8)
    with open(folder / "answers/fg/drawn__count.jsonl", "a") as file:
        file.write('{"task": "drawn/count", "question_id')
    write_report([folder], tmp_path / "out.html")
    assert (tmp_path / "out.html").exists()


def test_two_runs_of_full_size_take_under_five_seconds(tmp_path):
    tasks = {f"fgbmk/cub{i}/species/choice": ("fine_grained", 0.2, 0.4, 0.6, 0.9) for i in range(12)}
    folders = [make_run(tmp_path, name, mixed=True, rows=300, tasks=tasks) for name in ("a", "b")]
    start = time.process_time()
    write_report(folders, tmp_path / "out.html")
    assert time.process_time() - start < 5
