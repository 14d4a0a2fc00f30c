"""Laws of the open-world set: five answered questions per category that name nothing and stand in no benchmark."""

import json

import pytest
from fake_endpoint import KEY, endpoint, failed, obliging, said
from small_sources import make_cub, make_grocery

from data_builders.build import build
from data_builders.naming import Asked, named_in
from data_builders.records import read_rows
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl
from data_builders.writing.rules import RulesWriter
from data_builders.writing.subjects import Subject
from data_builders.writing.texts import Text

CUB_NAMES = ["red jay", "blue jay", "stellers jay", "song sparrow", "fox sparrow", "winter wren", "mockingbird"]
TEXT = (
    "The {name} (Avis {latin}) is a bird of the family Corvidae, also known as the garden herald. "
    "It lives in old forests near rivers. It feeds mainly on beetles and acorns. "
    "The nest is a cup of twigs, and the female lays four eggs. These are pale green. "
    "It is 25–29 cm long. Its song is a loud rattle. In winter it migrates south."
)


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in CUB_NAMES:
        (folder / f"{name.title().replace(' ', '_')}.txt").write_text(TEXT.format(name=name, latin=name.split()[0]))
    return folder


def options(texts, **more):
    return {"source": "cub", "texts": str(texts), "frow": "none", **more}


def turns(row):
    values = [turn["value"].removeprefix("<image>\n") for turn in row["conversations"]]
    return list(zip(values[::2], values[1::2], strict=True))


def test_a_category_that_the_model_refuses_leaves_the_others(cub, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def answer(number, body):
        if "Category: fox sparrow" in json.dumps(body):
            return failed(400, "content management policy", code="content_filter")
        return obliging(number, body)

    with endpoint(answer) as server:
        asked = {"model": "m", "base_url": server.url, "cache": str(tmp_path / "cache")}
        with pytest.raises(UserError, match="nothing about 1 categories: fox sparrow"):
            build("open_world", root=cub, out=tmp_path / "out", options=options(texts, **asked))
        before = len(server.requests)
        asked["without_text"] = "leave_out"
        build("open_world", root=cub, out=tmp_path / "left", options=options(texts, **asked))
        assert len(server.requests) - before == 1  # all others were kept
        build("frow", root=cub, out=tmp_path / "frow", options={"source": "cub", "texts": str(texts), **asked})
    assert {row["category"] for row in read_rows(tmp_path / "left")} == set(CUB_NAMES) - {"fox sparrow"}
    (left,) = read_jsonl(tmp_path / "left" / "left_out.jsonl")
    assert left["category"] == "fox sparrow"
    names = {row["name"] for row in read_jsonl(tmp_path / "frow" / "FROW" / "cub_with_reference.jsonl")}
    assert names == set(CUB_NAMES) - {"fox sparrow"}


def test_every_training_image_has_its_categorys_five_questions(cub, texts, tmp_path):
    build("open_world", root=cub, out=tmp_path / "out", options=options(texts))
    rows = list(read_rows(tmp_path / "out"))
    assert len(rows) == 14  # two training images of seven species, no test image
    pairs = {row["category"]: row["pairs"] for row in read_jsonl(tmp_path / "out" / "pairs.jsonl")}
    assert list(pairs) == CUB_NAMES
    for row in rows:
        assert row["turns"] == "independent"
        assert row["writer"] == "rules/1"
        assert [turn["value"].count("<image>") for turn in row["conversations"]] == [1] + [0] * 9
        assert turns(row) == [(pair["question"], pair["answer"]) for pair in pairs[row["category"]]]
        kinds = [pair["kind"] for pair in pairs[row["category"]]]
        assert kinds == ["introduction"] * 3 + ["open"] * 2
        names = [row["category"], f"Avis {row['category'].split()[0]}", "garden herald"]
        for question, answer in turns(row):
            assert named_in(question, names) is None
            assert "bird" in question
            assert named_in(answer, [row["category"]])
        assert len({question for question, _ in turns(row)}) == 5


def test_rules_invent_nothing():
    for category in CUB_NAMES:
        subject = Subject(category, (), "bird", Text(category, TEXT.format(name=category, latin="x")))
        writer = RulesWriter(3)
        said = [writer.introduction(subject, sample) for sample in range(3)]
        said += [answer for _, answer in writer.pairs(subject, 0)]
        for answer in said:
            rest = answer.removeprefix(subject.lead).strip()
            # what is left are sentences of the text, in its order
            place = 0
            for sentence in rest.split(". "):
                found = subject.text.body.find(sentence.rstrip("."), place)
                assert found >= 0, (answer, sentence)
                place = found


def test_an_answer_brings_the_sentence_that_it_leans_on():
    text = "The plum is a tree. Its stone is hard. The sun dries its fruit. This makes it sweet."
    subject = Subject("plum", (), "plant", Text("plum", text))
    answers = {answer for question, answer in RulesWriter(0).pairs(subject, 0) if "taste" in question}
    assert answers == {"The plant in the image is the plum. The sun dries its fruit. This makes it sweet."}


@pytest.mark.parametrize(
    ("sentence", "asks"),
    [
        ("It lives in lakes.", "live"),
        ("It eats snails.", "eat"),
        ("The taste is mellow and sweet.", "taste"),
        ("Store in room temperature, never in a refrigerator.", "stored"),
        ("It is powered by two turbofans.", "engines"),
        ("It grows 30 cm tall.", "measurements"),
    ],
)
def test_a_fact_is_asked_for_as_what_it_is(sentence, asks):
    subject = Subject("zop", (), "item", Text("zop", sentence))
    questions = [question for question, answer in RulesWriter(0).pairs(subject, 0) if sentence in answer]
    assert any(asks in question for question in questions), questions


def test_benchmark_questions_are_not_trained_on(cub, texts, tmp_path):
    """Whatever would be asked freely is made the benchmark, in slightly other words."""
    build("open_world", root=cub, out=tmp_path / "free", options=options(texts))
    free = sorted({question for row in read_rows(tmp_path / "free") for question, _ in turns(row)})
    told = [question.upper().replace("BIRD IN THE IMAGE", "BIRDS SHOWN IN THE PHOTO") for question in free]
    rows = [{"image": "i", "name": "n", "question": question, "ref_answer": "r"} for question in told]
    (tmp_path / "FROW").mkdir()
    (tmp_path / "FROW" / "cub_with_reference.jsonl").write_text("\n".join(map(json.dumps, rows)))
    frow = Asked(row["question"] for row in rows)
    assert all(frow.like(question) for question in free)
    with pytest.raises(UserError, match="wordings of an introduction question are not in FROW"):
        build("open_world", root=cub, out=tmp_path / "none", options=options(texts, frow=str(tmp_path)))
    introductions = {turns(row)[n][0] for row in read_rows(tmp_path / "free") for n in range(3)}
    rows = [row for row, question in zip(rows, free, strict=True) if question not in introductions]
    (tmp_path / "FROW" / "cub_with_reference.jsonl").write_text("\n".join(map(json.dumps, rows)))
    build("open_world", root=cub, out=tmp_path / "kept", options=options(texts, frow=str(tmp_path)))
    frow = Asked(row["question"] for row in rows)
    assert not any(frow.like(question) for row in read_rows(tmp_path / "kept") for question, _ in turns(row))


def test_sources_of_frow_need_it_or_a_word(cub, texts, tmp_path):
    with pytest.raises(UserError, match=r"FROW asks about cub: add --frow DIR.*--frow none"):
        build("open_world", root=cub, out=tmp_path / "out", options={"source": "cub", "texts": str(texts)})
    with pytest.raises(UserError, match=r"holds no .*_with_reference"):
        build("open_world", root=cub, out=tmp_path / "out", options=options(texts, frow=str(tmp_path)))
    grocery = make_grocery(tmp_path / "grocery")
    rows = [
        {"class_name": n, "description": f"{n} tastes sweet."}
        for n in ("Royal-Gala", "Pink-Lady", "Arla-Milk", "Oat-Milk", "Soy-Milk", "Lemon")
    ]
    (grocery / "dataset" / "class_texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    told = {"source": "grocery", "texts": str(grocery / "dataset")}
    assert build("open_world", root=grocery, out=tmp_path / "g", options=told)["rows"] == 6


def test_missing_and_empty_texts_are_listed(cub, texts, tmp_path):
    (texts / "Red_Jay.txt").unlink()
    (texts / "Winter_Wren.txt").write_text(" \n")
    with pytest.raises(
        UserError, match=r"2 categories have no text: red jay \(no file\); winter wren .*is empty.*Put each"
    ):
        build("open_world", root=cub, out=tmp_path / "out", options=options(texts))
    assert not (tmp_path / "out" / "manifest.json").exists()
    told = build("open_world", root=cub, out=tmp_path / "out", options=options(texts, without_text="leave_out"))
    assert told["rows"] == 10
    left_out = [row["category"] for row in read_jsonl(tmp_path / "out" / "left_out.jsonl")]
    assert left_out == ["red jay", "winter wren"]


def test_the_same_texts_give_the_same_bytes_and_others_are_noticed(cub, texts, tmp_path):
    told = [
        build("open_world", root=cub, out=tmp_path / name, options=options(texts, seed=seed))["sha256"]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert told[0] == told[1] != told[2]
    moved = texts.rename(tmp_path / "moved")
    build("open_world", root=cub, out=tmp_path / "a", options=options(moved))
    (moved / "Red_Jay.txt").write_text("The red jay is rare.")
    with pytest.raises(UserError, match="texts was 'sha256:"):
        build("open_world", root=cub, out=tmp_path / "a", options=options(moved))


def test_several_labels_per_picture_cannot_be_asked_about(tmp_path):
    from data_builders.sources import LabelledImage, Level, Source
    from data_builders.writing.subjects import things

    row = LabelledImage("a.jpg", "plaque, scale", "train", labels=("plaque", "scale"))
    source = Source("skincon", tmp_path, (row,), (Level("concept", "concept", "concepts"),))
    with pytest.raises(UserError, match="bear several labels"):
        things(source, [row])


def test_a_model_writes_from_the_text_and_is_named(cub, texts, model, tmp_path):
    server, where = model
    told = build("open_world", root=cub, out=tmp_path / "out", options=options(texts, **where))
    assert told["options"]["model"] == "scribe"
    assert "base_url" not in told["options"]
    rows = list(read_rows(tmp_path / "out"))
    assert {row["writer"] for row in rows} == {"scribe, prompts/1"}
    assert len(server.requests) == 7 * 4  # three introductions and one set of open questions each
    assert all(TEXT.format(name=n, latin=n.split()[0])[:60] in "".join(server.prompts) for n in CUB_NAMES)
    for row in rows:
        introductions = turns(row)[:3]
        assert len({answer for _, answer in introductions}) == 3  # written three times
        assert all(named_in(answer, [row["category"]]) for _, answer in turns(row))
        assert not any(named_in(question, [row["category"]]) for question, _ in turns(row))
    build("open_world", root=cub, out=tmp_path / "again", options=options(texts, **where))
    assert len(server.requests) == 7 * 4
    assert (tmp_path / "again" / "rows.jsonl").read_bytes() == (tmp_path / "out" / "rows.jsonl").read_bytes()


def test_a_model_that_always_names_the_category_is_told(cub, texts, model, tmp_path):
    server, where = model

    def naming(number, body):
        pairs = [{"question": f"Where is jay number {n}, the red jay?", "answer": "Here."} for n in range(4)]
        return (
            said(json.dumps({"pairs": pairs}))
            if '"pairs"' in json.dumps(body).replace("\\", "")
            else obliging(number, body)
        )

    server.answer = naming
    with pytest.raises(UserError, match=r"red jay: 0 of 2 open questions by scribe.*names the category \(red jay\)"):
        build("open_world", root=cub, out=tmp_path / "out", options=options(texts, **where, concurrency=1))


def test_a_spent_budget_says_what_is_done_and_goes_on(cub, texts, model, tmp_path):
    server, where = model
    with pytest.raises(UserError, match=r"budget of 10 requests.*sent 10 requests, 1,000 tokens; 2 of 7 categories"):
        build("open_world", root=cub, out=tmp_path / "out", options=options(texts, **where, budget=10, concurrency=1))
    build("open_world", root=cub, out=tmp_path / "out", options=options(texts, **where, budget=18))
    assert len(server.requests) == 28


def test_the_drawn_encyclopedia_is_enough(tmp_path):
    few = {"source": "cub", "train_images_per_species": 1, "test_images_per_species": 1, "pixels": 32}
    build("drawn", root=None, out=tmp_path / "cub", options=few)
    build("open_world", root=tmp_path / "cub", out=tmp_path / "out", options=options(tmp_path / "cub" / "texts"))
    rows = list(read_rows(tmp_path / "out"))
    assert len(rows) == 32
    asked = " ".join(question for row in rows for question, _ in turns(row)[3:])
    for word in ("live", "eat", "bird", "fish", "classified"):
        assert word in asked


def test_real_grocery_texts_give_pairs(shared, tmp_path):
    root = shared / "data" / "GroceryStoreDataset"
    told = {"source": "grocery", "texts": str(root / "dataset")}
    build("open_world", root=root, out=tmp_path / "out", options=told)
    pairs = {row["category"]: row["pairs"] for row in read_jsonl(tmp_path / "out" / "pairs.jsonl")}
    assert len(pairs) == 35
    banana = [pair["answer"] for pair in pairs["banana"] if pair["kind"] == "open"]
    assert any("refrigerator" in answer or "snacks" in answer for answer in banana)


def test_each_source_may_have_texts_of_its_own(texts, tmp_path):
    make_cub(tmp_path / "both" / "birds")
    make_grocery(tmp_path / "both" / "food")
    texts.rename(tmp_path / "all")
    (tmp_path / "all" / "grocery").mkdir()
    names = ("royal gala", "pink lady", "arla milk", "oat milk", "soy milk", "red jay")
    for name in names:
        (tmp_path / "all" / "grocery" / f"{name}.txt").write_text(f"{name.capitalize()} tastes sweet.")
    told = {**options(tmp_path / "all"), "source": "cub=birds,grocery=food"}
    with pytest.raises(UserError, match=r"1 categories have no text: lemon"):
        build("open_world", root=tmp_path / "both", out=tmp_path / "out", options=told)
    (tmp_path / "all" / "grocery" / "Lemon.txt").write_text("Lemons are sour.")
    build("open_world", root=tmp_path / "both", out=tmp_path / "out", options=told)
    rows = {row["category"]: row for row in read_rows(tmp_path / "out")}
    assert "sweet" not in str(rows["red jay"])
    assert rows["lemon"]["image"].startswith("food/")
    (tmp_path / "all" / "grocery" / "Lemon.txt").write_text("Lemons are yellow.")
    with pytest.raises(UserError, match="texts was"):
        build("open_world", root=tmp_path / "both", out=tmp_path / "out", options=told)
