"""Perturbed pictures are a condition of a task: the same questions, answers of their own, and what the change costs."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from evaluation_fakes import SPECIES, FakeAnswerer, make_benchmark
from PIL import Image

from data_builders.shared.errors import UserError
from data_builders.shared.pictures import ChangedPicture, image_size, open_image
from evaluation.asking import evaluate, identify, rows_on_disk, subset_of
from evaluation.compare import compare_runs, print_comparison, to_json
from evaluation.ledger import load_run
from evaluation.perturbing import CONDITIONS, perturbed_tasks
from evaluation.perturbing.objects import boxes_of
from evaluation.perturbing.picture_changes import BLUR, GREY, NOISE, Blank, Blur, GreyBackground, Noise, same_for_all
from evaluation.perturbing.typography import SMALLEST, MisleadingText, fitted
from evaluation.protocols import Answer
from evaluation.report import write_report
from evaluation.scoring.score_files import add_checkpoint
from evaluation.tasks.load import load_tasks
from evaluation.tasks.task import BESIDE, questions_hash
from evaluation.tasks.task_files import task_without_items

CHOICE = "fgbmk/cub/species/choice"


def photo(width=40, height=30, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def data(tmp_path):
    return make_benchmark(tmp_path / "data")


class ByPicture(FakeAnswerer):
    """Sees the picture and nothing else: says the species whose number stands in the first pixel's blue."""

    def answer(self, groups):
        found = []
        for group in groups:
            self.encoded += 1
            blue = open_image(group.image).getpixel((0, 0))[2]
            self.asked += [(group.image, question.prompt) for question in group.questions]
            found.append([Answer(SPECIES[blue % 4], True) for _ in group.questions])
        return found


def test_strength_zero_changes_nothing_and_more_strength_changes_more():
    picture = photo()
    for make, strengths in ((Blur, BLUR), (Noise, NOISE)):
        made = [np.asarray(make(one)(picture), int) for one in strengths]
        away = [np.abs(one - made[0]).mean() for one in made]
        assert (made[0] == np.asarray(picture)).all()
        assert away == sorted(away)
        assert away[1] > 1
    assert same_for_all("blur") == Blur(BLUR[3])
    assert same_for_all("noise0") == Noise(0.0)


def test_a_picture_keeps_its_size_and_its_change_whatever_came_before(tmp_path):
    """Alike in another process, under another name and after other pictures; unlike for another picture."""
    photo().save(tmp_path / "a.png"), photo().save(tmp_path / "b.png"), photo(seed=1).save(tmp_path / "c.png")
    changes = [Blur(3.0), Noise(0.18), Blank(), GreyBackground((5, 5, 10, 8)), MisleadingText("tam dax")]
    for change in changes:
        first, again = (open_image(ChangedPicture(tmp_path / f"{name}.png", change)) for name in "ab")
        assert first.tobytes() == again.tobytes()
        assert first.size == (40, 30)
        assert image_size(ChangedPicture(tmp_path / "a.png", change)) == (40, 30)
    other = np.asarray(Noise(0.18)(photo(seed=1)), int) - np.asarray(photo(seed=1), int)
    assert (other != np.asarray(Noise(0.18)(photo()), int) - np.asarray(photo(), int)).any()
    code = (
        "from PIL import Image; import hashlib; from evaluation.perturbing.picture_changes import Noise; "
        f"print(hashlib.md5(Noise(0.18)(Image.open({str(tmp_path / 'a.png')!r})).tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == hashlib.md5(Noise(0.18)(photo()).tobytes()).hexdigest()


def test_noise_of_a_large_picture_is_not_lost_when_it_is_made_small():
    small, large = (Noise(0.26)(Image.new("RGB", (side, side), GREY)) for side in (224, 896))
    spread = [np.asarray(one.resize((224, 224), Image.Resampling.BOX), float).std() for one in (small, large)]
    assert spread[0] == pytest.approx(spread[1], rel=0.02)
    assert spread[0] > 50


def test_grey_outside_the_box_or_the_mask_and_nothing_else(tmp_path):
    picture = photo()
    made = np.asarray(GreyBackground((5.0, 6.0, 100.0, 8.0))(picture))
    inside = np.zeros(made.shape[:2], bool)
    inside[6:14, 5:] = True
    assert (made[inside] == np.asarray(picture)[inside]).all()
    assert (made[~inside] == GREY).all()
    Image.fromarray((inside * 200).astype(np.uint8)).save(tmp_path / "mask.png")
    masked = GreyBackground(mask=str(tmp_path / "mask.png"), mask_hash="1")
    assert (np.asarray(masked(picture)) == made).all()
    moved = replace(masked, mask="elsewhere.png")
    assert masked.settings == moved.settings
    assert "mask" not in masked.settings


def test_boxes_are_those_of_the_data_set_and_segmentations_go_before_them(data):
    root = data / "CUB_200_2011"
    lists = {
        "images.txt": "{} {}.png",
        "image_class_labels.txt": "{} 1",
        "train_test_split.txt": "{} 0",
        "bounding_boxes.txt": "{} 1.0 2.0 3.0 4.0",
    }
    for name, line in lists.items():
        (root / name).write_text("".join(line.format(i + 1, i) + "\n" for i in range(8)))
    (root / "classes.txt").write_text("1 001.Lum_Wug\n")
    (root / "segmentations").mkdir()
    Image.new("L", (8, 8), 255).save(root / "segmentations" / "3.png")
    [task] = perturbed_tasks(load_tasks([CHOICE], [data]), {CHOICE: ["grey_background"]})
    changes = {item.image: item.image_path.change for item in task.items}
    assert changes["images/0.png"] == GreyBackground((1.0, 2.0, 3.0, 4.0))
    assert changes["images/3.png"].mask
    assert changes["images/3.png"].box is None
    (root / "bounding_boxes.txt").unlink()
    boxes_of.cache_clear()
    with pytest.raises(UserError, match=r"needs boxes or masks.*cub at .* has none of images/0.png"):
        perturbed_tasks(load_tasks([CHOICE], [data]), {CHOICE: ["grey_background"]})


@pytest.mark.parametrize("size", [(64, 64), (48, 200), (900, 500)])
def test_the_written_name_stands_whole_in_the_middle_square(size):
    side = min(size)
    grey = Image.new("RGB", size, GREY)
    text = "Black footed Albatross"
    changed = (np.asarray(MisleadingText(text)(grey)) != GREY).any(2)
    ys, xs = np.nonzero(changed)
    assert (size[0] - side) // 2 <= xs.min()
    assert xs.max() <= (size[0] + side) // 2
    assert size[1] / 2 <= ys.min() + side * 0.2
    assert ys.max() <= (size[1] + side) // 2
    lines, font, _ = fitted(text, side)
    assert " ".join(lines) == text
    assert font.size >= SMALLEST
    assert max(map(font.getlength, lines)) <= side


def test_a_model_that_sees_only_pictures_guesses_when_they_are_blank(data, tmp_path):
    """By construction: right on every plain picture, one answer for all blank ones, which is 1 of 4 balanced species.
    The drop is what lies between, of the same questions; the blank score stands at chance."""
    tasks = load_tasks([CHOICE], [data])
    tasks += perturbed_tasks(tasks, {"fgbmk": ["blank", "blur0"]})
    scores = evaluate(ByPicture(), tasks, tmp_path / "answers")
    plain, blank, same = (scores[name] for name in (CHOICE, f"{CHOICE}@blank", f"{CHOICE}@blur0"))
    assert (plain.main.value, blank.main.value, same.main.value) == (100.0, 25.0, 100.0)
    assert blank.chance == 25.0
    assert blank.main.low <= 25.0 <= blank.main.high
    drop, none = blank.scores[-1], same.scores[-1]
    assert (drop.rule, drop.metric, drop.value, drop.n) == ("drop", "accuracy", 75.0, 8)
    assert 0 < drop.low < 75 < drop.high <= 100
    assert none.value == 0.0
    assert [score.rule for score in plain.scores].count("drop") == 0
    assert {blank.group, same.group} == {BESIDE}
    assert plain.group == "fine_grained"


def test_answers_of_plain_questions_stay_and_those_of_perturbed_ones_are_their_own(data, tmp_path):
    plain = load_tasks([CHOICE, "fgbmk/cub/species/short_answer"], [data])
    answerer = ByPicture()
    evaluate(answerer, plain, tmp_path)
    before = {task.name: list(rows_on_disk(tmp_path / task.file_name)) for task in plain}
    perturb = {"fgbmk": ["blank", "noise"], CHOICE: ["noise", "blur1"]}
    both = plain + perturbed_tasks(plain, perturb)
    names = [task.name.partition("@")[::2] for task in both[2:]]
    assert names == [(plain[0].name, c) for c in ("blank", "noise", "blur1")] + [
        (plain[1].name, c) for c in ("blank", "noise")
    ]
    asked, pictures = len(answerer.asked), answerer.encoded
    evaluate(answerer, both, tmp_path)
    assert {task.name: list(rows_on_disk(tmp_path / task.file_name)) for task in plain} == before
    # a changed picture is handed over once for the questions of both tasks; equal questions about it are asked once
    assert answerer.encoded - pictures == 3 * 8
    assert len(answerer.asked) - asked == 5 * 8
    evaluate(answerer, both, tmp_path)
    assert len(answerer.asked) - asked == 5 * 8  # resumable: nothing is open
    identities = [{one.identity for one in identify([task], answerer)} for task in both if CHOICE in task.name]
    assert sum(map(len, identities)) == len(set().union(*identities))
    assert len({questions_hash(task) for task in both if CHOICE in task.name}) == 4


def test_a_limit_asks_the_same_questions_of_the_plain_and_the_perturbed_task(data):
    [plain] = load_tasks([CHOICE], [data])
    [blank] = perturbed_tasks([plain], {"*": ["blank"]})
    ids = [[item.question_id for item in subset_of(task, 3)] for task in (plain, blank)]
    assert ids[0] == ids[1]
    assert task_without_items(blank.name).group == BESIDE


def test_the_misleading_name_is_another_option_or_the_nearest_other_category(data):
    tasks = load_tasks([CHOICE, "fgbmk/cub/species/short_answer", "frow/cub"], [data])
    for task in perturbed_tasks(tasks, {"*": ["misleading_text"]}):
        for item in task.items:
            right = item.category if task.kind == "open" else item.gold
            wrong = item.image_path.change.text
            assert wrong != right
            assert wrong in SPECIES
            if task.kind == "short_answer":  # a sibling: it shares a word
                assert set(wrong.split()) & set(right.split())
    again = perturbed_tasks(tasks, {"*": ["misleading_text"]})
    assert [i.image_path for t in again for i in t.items] == [
        i.image_path for t in perturbed_tasks(tasks[::-1], {"*": ["misleading_text"]})[::-1] for i in t.items
    ]


@pytest.mark.parametrize(
    ("perturb", "told"),
    [
        ({"fgbmk": ["blurr"]}, "blurr.*blur, noise, grey_background, blank, misleading_text"),
        ({"perplexity": ["blur"]}, "perturb names perplexity, which is no task with pictures"),
        ({"fgbmk/cub/species/true_false": ["misleading_text"]}, "true_false do not say.*fgbmk/\\*/\\*/choice"),
        ({"fgbmk": ["grey_background"]}, "grey_background needs boxes or masks.*classes.txt"),
    ],
)
def test_what_cannot_be_perturbed_is_refused_by_name(data, perturb, told):
    tasks = load_tasks(["fgbmk", "perplexity"], [data])
    with pytest.raises(UserError, match=told):
        perturbed_tasks(tasks, perturb)
    assert set(CONDITIONS) == {"blur", "noise", "grey_background", "blank", "misleading_text"}


def test_scores_comparison_and_report_show_what_was_lost_and_no_mean_has_it(data, tmp_path, capsys):
    tasks = load_tasks([CHOICE, "drawn_count"], [data])
    run = tmp_path / "run"
    for seen, checkpoint in enumerate(("start", "sft")):
        both = tasks + (perturbed_tasks(tasks, {CHOICE: ["blank"], "drawn_count": ["blur"]}) if seen else [])
        scores = evaluate(ByPicture(), both, run / "answers" / checkpoint)
        hash_ = ByPicture().model_hash
        add_checkpoint(
            run, checkpoint, stage=None, samples_seen=seen, step=0, model_hash=hash_ + str(seen), scores=scores
        )
    found = compare_runs([load_run(run)])
    [result] = found.runs
    assert [mean.value for mean in result.means["fine_grained"]] == [100.0, 100.0]
    assert [mean.tasks for mean in result.means["general"]] == [1, 1]
    assert result.forgetting[-1] is None  # nothing was there to forget, and a perturbed task is not forgotten
    assert list(result.tasks) == [CHOICE, "drawn/count"]
    print_comparison(found)
    printed = capsys.readouterr().out
    assert "perturbed minus plain" in printed
    assert "-75.0 [" in printed
    told = to_json(found)["runs"][0]["perturbed"][f"{CHOICE}@blank"]
    assert list(told) == ["sft"]
    assert told["sft"]["drop"]["value"] == 75.0
    write_report([run], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    table = html.partition("<h2>Perturbed pictures</h2>")[2].partition("</section>")[0]
    assert "at chance" in table
    assert "75.0" in table
    assert html.count(f"{CHOICE}@blank") == 0  # nowhere else
