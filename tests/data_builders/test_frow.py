"""Laws of the FROW benchmark: a question and a test image per category, nothing named, a person has the last word."""

import csv
import json

import pytest
from fake_endpoint import KEY, endpoint, obliging
from small_sources import make_cub, picture

from data_builders.build import build, same_build
from data_builders.errors import UserError
from data_builders.files import read_json, read_jsonl, write_jsonl
from data_builders.writing.naming import named_in

NAMES = ["red jay", "blue jay", "stellers jay", "song sparrow", "fox sparrow", "winter wren", "mockingbird"]
TEXT = "The {name} is a bird of the family Corvidae. It lives in old forests. It feeds on beetles. Its song is loud."


@pytest.fixture
def cub(tmp_path):
    return make_cub(tmp_path / "cub")


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.txt").write_text(TEXT.format(name=name))
    return folder


def make(cub, texts, out, **more):
    return build("frow", root=cub, out=out, options={"source": "cub", "texts": str(texts), **more})


def as_evaluation_reads(names, folders):
    from evaluation.task import load_tasks

    return load_tasks(names, folders)


def questions(out, dataset="cub"):
    return list(read_jsonl(out / "FROW" / f"{dataset}_with_reference.jsonl"))


def review(out):
    with open(out / "FROW" / "cub_review.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def mark(out, rows, delimiter=","):
    with open(out / "FROW" / "cub_review.csv", "w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, rows[0], delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)


def test_one_question_and_one_test_image_per_category(cub, texts, tmp_path):
    out = tmp_path / "out"
    assert make(cub, texts, out)["rows"] == 7
    rows = questions(out)
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert list(row) == ["image", "name", "question", "ref_answer"]
        assert named_in(row["question"], [row["name"]]) is None
        assert named_in(row["ref_answer"], [row["name"]])
        assert row["question"].endswith("?")
        # numbers 0 and 1 are training images, 2 and 3 test images
        original = cub / row["image"].removeprefix("images/cub/")
        assert int(original.stem[-1]) >= 2
        assert (out / "FROW" / row["image"]).read_bytes() == original.read_bytes()
    assert read_json(out / "FROW" / "built" / "cub" / "manifest.json")["writer"] == "rules/1"


def test_evaluation_reads_it(cub, texts, tmp_path):
    make(cub, texts, tmp_path / "out", dataset="small")
    make(cub, texts, tmp_path / "out", dataset="linked", images="link")
    tasks = as_evaluation_reads(["frow"], [tmp_path / "out"])
    assert [task.name for task in tasks] == ["frow/linked", "frow/small"]
    for task in tasks:
        assert len(task.items) == 7
        assert all(item.image_path.is_file() for item in task.items)
    assert tasks[0].items[0].image_path.is_symlink()


def test_the_same_inputs_give_the_same_bytes(cub, texts, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(cub, texts, tmp_path / name, seed=seed)
    for file in ("cub_with_reference.jsonl", "cub_review.csv", "built/cub/manifest.json"):
        assert (tmp_path / "a" / "FROW" / file).read_bytes() == (tmp_path / "b" / "FROW" / file).read_bytes()
    assert questions(tmp_path / "a") != questions(tmp_path / "c")


def test_the_review_file_lists_all_drafts_and_is_followed(cub, texts, tmp_path):
    out, options = tmp_path / "out", {"source": "cub", "texts": str(texts)}
    make(cub, texts, out)
    before, rows = questions(out), review(out)
    assert {row["category"] for row in rows} == set(NAMES)
    assert sum(row["chosen"] == "yes" for row in rows) == 7
    assert all(row["chosen"] != "yes" or row["verdict"] == "keep" for row in rows)
    by_name = {name: [row for row in rows if row["category"] == name] for name in NAMES}
    chosen = {name: next(row for row in by_name[name] if row["chosen"]) for name in NAMES}
    chosen["red jay"]["decision"] = "replace"
    accepted = next(row for row in by_name["blue jay"] if not row["chosen"])
    accepted["decision"] = "Accept "
    by_name["stellers jay"][0]["new_question"] = "How old do these birds get?"
    by_name["stellers jay"][0]["new_answer"] = "Steller's jays live for sixteen years."
    chosen["fox sparrow"]["new_answer"] = "It is the fox sparrow, and that is all."
    mark(out, rows)

    assert not same_build(out, "frow", options, cub)
    make(cub, texts, out)
    after = {row["name"]: row for row in questions(out)}
    assert after["red jay"]["question"] != chosen["red jay"]["question"]
    assert after["blue jay"]["question"] == accepted["question"]
    assert after["stellers jay"]["question"] == "How old do these birds get?"
    assert after["stellers jay"]["ref_answer"] == "Steller's jays live for sixteen years."
    assert after["fox sparrow"]["question"] == chosen["fox sparrow"]["question"]
    assert after["fox sparrow"]["ref_answer"] == "It is the fox sparrow, and that is all."
    for row in before:  # nobody else's question or image moves
        assert after[row["name"]]["image"] == row["image"]
        if row["name"] in ("song sparrow", "winter wren", "mockingbird"):
            assert after[row["name"]] == row
    # the marks stay, and a further run has nothing to do
    assert [row["decision"] for row in review(out) if row["decision"]] == ["replace", "accept", "accept", "accept"]
    assert same_build(out, "frow", options, cub)
    kept = questions(out)
    make(cub, texts, out)
    assert questions(out) == kept


def test_a_spreadsheet_may_write_semicolons(cub, texts, tmp_path):
    make(cub, texts, tmp_path / "out")
    rows = review(tmp_path / "out")
    rows[0]["decision"], rows[0]["new_question"] = "accept", "Which forests; and where?"
    mark(tmp_path / "out", rows, delimiter=";")
    make(cub, texts, tmp_path / "out")
    assert questions(tmp_path / "out")[0]["question"] == "Which forests; and where?"
    assert questions(tmp_path / "out")[0]["ref_answer"].endswith("It lives in old forests.")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decision": "yes"}, r"line 2: decision is 'yes'; write accept, replace or nothing"),
        ({"new_question": "Is it a Red-Jay?"}, r"line 2: 'Is it a Red-Jay\?' names the category"),
        ({"decision": "accept", "question": "Why?"}, r"line 2: 'Why\?' is no draft of 'red jay'"),
        ({"decision": "accept", "category": "emu"}, "line 2: there is no category 'emu'"),
        ({"decision": "replace", "new_answer": "So."}, "replaced, and yet rewritten"),
    ],
)
def test_a_review_that_cannot_be_followed_is_named_and_nothing_changes(cub, texts, tmp_path, change, says):
    out = tmp_path / "out"
    make(cub, texts, out)
    before = questions(out)
    rows = review(out)
    rows[0].update(change)
    mark(out, rows)
    with pytest.raises(UserError, match=says):
        make(cub, texts, out)
    assert questions(out) == before
    assert review(out) == rows


def test_two_accepted_questions_of_one_category_are_an_error(cub, texts, tmp_path):
    make(cub, texts, tmp_path / "out")
    rows = review(tmp_path / "out")
    rows[0]["decision"] = rows[1]["decision"] = "accept"
    mark(tmp_path / "out", rows)
    with pytest.raises(UserError, match=r"line 2 and .*line 3 both accept a question of 'red jay'"):
        make(cub, texts, tmp_path / "out")


def test_a_category_without_a_question_left_waits_for_somebody(cub, texts, tmp_path):
    out = tmp_path / "out"
    make(cub, texts, out)
    rows = review(out)
    for row in rows:
        if row["category"] == "red jay":
            row["decision"] = "replace"
    mark(out, rows)
    with pytest.raises(
        UserError, match=r"1 categories have no draft that may be asked: red jay\. In .*cub_review\.csv"
    ):
        make(cub, texts, out)
    rows[0]["decision"] = "accept"
    mark(out, rows)
    make(cub, texts, out)
    assert questions(out)[0]["question"] == rows[0]["question"]


def test_other_peoples_files_are_not_overwritten(cub, texts, tmp_path):
    path = tmp_path / "out" / "FROW" / "cub_with_reference.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    with pytest.raises(UserError, match="was not written by this command"):
        make(cub, texts, tmp_path / "out")
    assert path.read_text() == "{}\n"


def test_a_broken_test_image_is_named(cub, texts, tmp_path):
    for path in cub.rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"image .*\.jpg cannot be read"):
        make(cub, texts, tmp_path / "out")
    assert not (tmp_path / "out" / "FROW" / "built" / "cub" / "manifest.json").exists()


@pytest.fixture
def model(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint() as server:
        yield server, {"model": "scribe", "base_url": server.url, "cache": str(tmp_path / "cache")}


def test_a_model_drafts_filters_and_answers(cub, texts, model, tmp_path):
    server, where = model
    make(cub, texts, tmp_path / "out", **where)
    assert len(server.requests) == 7 * 3
    for row in questions(tmp_path / "out"):
        assert row["ref_answer"] == f"The {row['name']} was found by somebody."
        assert row["question"] in ("Which songs does the bird in the image know?", "Who found the bird in the image?")
    verdicts = {row["question"]: (row["verdict"], row["reason"]) for row in review(tmp_path / "out")}
    assert verdicts["Is the bird in the image rare?"] == ("drop", "yes or no answers it")
    assert verdicts["How heavy is the red jay?"] == ("drop", "names the category (red jay)")
    assert verdicts["What cosmic ray hits it?"] == ("drop", "not answerable from the text: fits")
    # those that the rules refuse are not sent to be judged
    judged = [prompt for prompt in server.prompts if "verdicts" in prompt]
    assert not any("How heavy" in prompt for prompt in judged)
    # a reworded question asks for one new reference and nothing else
    rows = review(tmp_path / "out")
    rows[3]["new_question"] = "Who wrote about this bird first?"
    mark(tmp_path / "out", rows)
    make(cub, texts, tmp_path / "out", **where)
    assert len(server.requests) == 7 * 3 + 1


def test_the_reference_may_see_the_image(cub, texts, model, tmp_path):
    server, where = model
    make(cub, texts, tmp_path / "out", show_image=True, **where)
    shown = [body["messages"][1]["content"] for body in server.requests]
    assert sum(isinstance(content, list) for content in shown) == 7
    assert all(part[0]["image_url"]["url"].startswith("data:image/") for part in shown if isinstance(part, list))


def test_a_filter_that_judges_half_is_asked_again(cub, texts, model, tmp_path):
    server, where = model

    def lazy(number, body):
        reply = obliging(number, body)
        if "verdicts" in json.dumps(body) and len(body["messages"]) == 2:
            reply.body["choices"][0]["message"]["content"] = '{"verdicts": []}'
        return reply

    server.answer = lazy
    make(cub, texts, tmp_path / "out", **where)
    assert len(server.requests) == 7 * 4


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    rows = {"cub": [], "dog": []}
    for number, (dataset, name) in enumerate([("cub", "red jay"), ("cub", "blue jay"), ("dog", "pug")]):
        image = f"images/{name}/{number}.jpg"
        picture(folder / image, number)
        question = "What family does this one belong to?"
        rows[dataset].append({"image": image, "name": name, "question": question, "ref_answer": f"The {name}'s."})
    for dataset, listed in rows.items():
        write_jsonl(folder / "benchmark" / f"{dataset}_with_reference.jsonl", listed)
    return folder


def take(folder, out, **more):
    return build("frow", root=None, out=out, options={"from_published": str(folder), **more})


def test_published_files_come_over_as_they_are(published, tmp_path):
    told = take(published, tmp_path / "out")
    assert (told["rows"], told["images"], told["sources"]) == (3, 3, ["cub", "dog"])
    for dataset in ("cub", "dog"):
        name = f"{dataset}_with_reference.jsonl"
        assert (tmp_path / "out" / "FROW" / name).read_bytes() == (published / "benchmark" / name).read_bytes()
    tasks = as_evaluation_reads(["frow"], [tmp_path / "out"])
    assert all(item.image_path.is_file() for task in tasks for item in task.items)
    assert take(published, tmp_path / "out") == told


def test_published_images_may_lie_with_their_data_sets(published, tmp_path):
    (published / "images").rename(tmp_path / "Images")  # as Stanford Dogs spells it
    with pytest.raises(UserError, match=r"cub \(2 of 2\), dog \(1 of 1\).*--image-roots cub=DIR,dog=DIR"):
        take(published, tmp_path / "out")
    roots = f"cub={tmp_path},dog={tmp_path}"
    take(published, tmp_path / "out", image_roots=roots, images="link")
    (item,) = as_evaluation_reads(["frow/dog"], [tmp_path / "out"])[0].items
    assert item.image_path.resolve() == tmp_path / "Images" / "pug" / "2.jpg"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"question": "Where do Pugs come from?"}, r"line 1: 'Where do Pugs come from\?' names 'pug'"),
        ({"image": "../secret.jpg"}, "stay inside"),
        ({"image": "images/pug/9.jpg"}, r"dog \(1 of 1\)"),
        ({"ref_answer": " "}, "line 1: ref_answer is ' '; it must be text"),
        ({"answer": "x"}, "line 1: the fields must be image, name, question, ref_answer"),
    ],
)
def test_published_files_are_checked(published, tmp_path, change, says):
    path = published / "benchmark" / "dog_with_reference.jsonl"
    row = {**next(read_jsonl(path)), **change}
    write_jsonl(path, [row])
    with pytest.raises(UserError, match=says):
        take(published, tmp_path / "out")
    write_jsonl(path, [next(read_jsonl(published / "benchmark" / "cub_with_reference.jsonl"))] * 2)
    with pytest.raises(UserError, match="'red jay' has a question already"):
        take(published, tmp_path / "out")


def test_what_to_do_must_be_said_once(cub, texts, published, tmp_path):
    with pytest.raises(UserError, match=r"needs --source .* or --from-published"):
        build("frow", root=cub, out=tmp_path / "out", options={"texts": str(texts)})
    with pytest.raises(UserError, match="give one of the two"):
        take(published, tmp_path / "out", source="cub")
    with pytest.raises(UserError, match="add --root DIR"):
        make(None, texts, tmp_path / "out")
    with pytest.raises(UserError, match="--texts is needed"):
        build("frow", root=cub, out=tmp_path / "out", options={"source": "cub"})
    with pytest.raises(UserError, match="holds no"):
        take(tmp_path, tmp_path / "out")


def test_the_real_slice_comes_over(shared, tmp_path):
    told = take(shared / "data" / "FROW", tmp_path / "out")
    assert (told["rows"], told["images"]) == (30, 30)
    (task,) = as_evaluation_reads(["frow/cub"], [tmp_path / "out"])
    assert len(task.items) == 30


def test_what_the_error_advises_works(cub, texts, tmp_path):
    import shutil

    make(cub, texts, tmp_path / "out")
    with pytest.raises(UserError, match=r"FROW/built/cub was built otherwise: seed was 0, is 1\..* delete the folder"):
        make(cub, texts, tmp_path / "out", seed=1)
    shutil.rmtree(tmp_path / "out" / "FROW" / "built" / "cub")
    make(cub, texts, tmp_path / "out", seed=1)
    make(cub, texts, tmp_path / "fresh", seed=1)
    assert questions(tmp_path / "out") == questions(tmp_path / "fresh")


def test_image_roots_are_pairs(published, tmp_path):
    with pytest.raises(UserError, match="write data sets with their folders"):
        take(published, tmp_path / "out", image_roots="cub")
    with pytest.raises(UserError, match="image_roots names emu"):
        take(published, tmp_path / "out", image_roots="emu=x")
