"""FROW written by a model, and published FROW taken over."""

import json

import pytest
from fake_endpoint import obliging
from frow_fakes import as_evaluation_reads, make, mark, questions, review
from small_sources import picture

from data_builders.build import build
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl, write_jsonl


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
