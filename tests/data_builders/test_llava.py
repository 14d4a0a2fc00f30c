"""LLaVA's files, and others' in its style, become rows of one form; images are found, missing ones are counted."""

import pytest
from llava_rows import row, write
from small_sources import picture

from data_builders.build import build
from data_builders.records import read_rows
from data_builders.shared import json_stream
from data_builders.shared.errors import UserError
from data_builders.shared.files import read_jsonl


@pytest.fixture
def root(tmp_path):
    for name in ("a.jpg", "deep/b.jpg"):
        picture(tmp_path / "root" / "pictures" / name)
    return tmp_path / "root"


@pytest.mark.parametrize("lines", [False, True])
def test_array_and_lines_give_the_same_rows(root, tmp_path, lines, monkeypatch):
    monkeypatch.setattr(json_stream, "BLOCK", 7)  # rows straddle the blocks
    rows = [row("x", "a.jpg"), row("x", "deep/b.jpg"), row(3), row("last", "a.jpg", answer="ä 鳥  ]}")]
    manifest = build("llava", root=root, out=tmp_path / "out", options=write(root, rows, lines))
    found = list(read_rows(tmp_path / "out"))
    assert [one["id"] for one in found] == ["x", "x#2", 3, "last"]
    assert [one["conversations"] for one in found] == [one["conversations"] for one in rows]
    assert [one["kind"] for one in found] == ["general", "general", "text", "general"]
    assert (manifest["rows"], manifest["images"]) == (4, 2)
    assert (tmp_path / "out" / manifest["image_root"] / "deep/b.jpg").is_file()


def test_missing_images_are_listed_or_left_out_within_the_quota(root, tmp_path):
    options = write(root, [row("a", "a.jpg"), row("b", "gone.jpg"), row("c", "lost.jpg")])
    with pytest.raises(UserError, match=r"2 rows name images.*'gone\.jpg', 'lost\.jpg'.*--max-missing 2"):
        build("llava", root=root, out=tmp_path / "out", options={**options, "max_missing": 1})
    assert not (tmp_path / "out" / "manifest.json").exists()
    build("llava", root=root, out=tmp_path / "out", options={**options, "max_missing": 2})
    assert [one["id"] for one in read_rows(tmp_path / "out")] == ["a"]
    left = list(read_jsonl(tmp_path / "out" / "left_out.jsonl"))
    assert [(one["id"], one["image"]) for one in left] == [("b", "gone.jpg"), ("c", "lost.jpg")]


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        (row("r", "../secret.jpg"), "stay inside"),
        (row("r", "/etc/secret.jpg"), "must be relative"),
        ({"id": "r", "image": "a.jpg", "conversations": row("r")["conversations"]}, "must stand once"),
        (row("r", question="<image> what?"), "no image"),
        (row("r", "a.jpg", question="<image>"), "stands 2 times"),
        (row("r", "a.jpg", answer=" "), "no answer"),
        ({"id": "r", "conversations": [{"from": "tool", "value": "x"}]}, "from: human or gpt"),
        ({"id": "r", "conversations": []}, "conversations must be a list"),
    ],
)
def test_faulty_rows_are_refused_or_left_out_with_the_reason(root, tmp_path, faulty, says):
    options = write(root, [row("good", "a.jpg"), faulty])
    with pytest.raises(UserError, match=says):
        build("llava", root=root, out=tmp_path / "out", options=options)
    build("llava", root=root, out=tmp_path / "out", options={**options, "max_faulty": 1})
    assert [one["id"] for one in read_rows(tmp_path / "out")] == ["good"]
    assert says in next(read_jsonl(tmp_path / "out" / "left_out.jsonl"))["reason"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"id": 1, "conv', "row 1 is broken or the file is cut off"),
        ("", "empty"),
        ("hello", "not JSON"),
        ("[3]", "row 1"),
    ],
)
def test_files_that_are_not_what_they_should_be(root, tmp_path, text, says):
    (root / "bad.json").write_text(text)
    with pytest.raises(UserError, match=says):
        build("llava", root=root, out=tmp_path / "out", options={"file": "bad.json", "images": "pictures"})
    with pytest.raises(UserError, match="no file"):
        build("llava", root=root, out=tmp_path / "out", options={"file": "none.json", "images": "pictures"})


def built(root, tmp_path, rows, lines=True, **options):
    build("llava", root=root, out=tmp_path / "out", options={**write(root, rows, lines), **options})
    return list(read_rows(tmp_path / "out"))


def talk(*turns, roles=("human", "gpt"), keys=("from", "value")):
    return [{keys[0]: roles[place % 2], keys[1]: turn} for place, turn in enumerate(turns)]


def messages(*turns):
    return talk(*turns, roles=("user", "assistant"), keys=("role", "content"))


@pytest.mark.parametrize(
    "given",
    [
        {"id": "a", "image": "a.jpg", "conversations": talk("<image>\nWhat?", "a bird", "Sure?", "yes")},
        {
            "id": "a",
            "image": ["a.jpg"],
            "conversations": talk("<image>\nWhat?", "a bird", "Sure?", "yes", roles=("user", "assistant")),
        },
        {
            "id": "a",
            "images": "a.jpg",
            "conversations": talk("<image>\nWhat?", "a bird", "Sure?", "yes", roles=("user", "chatgpt")),
        },
        {"id": "a", "images": ["a.jpg"], "messages": messages("<image>\nWhat?", "a bird", "Sure?", "yes")},
        {"id": "a", "images": ["a.jpg"], "messages": messages("What?", "a bird", "Sure?", "yes")},
        {
            "id": "a",
            "image": "a.jpg",
            "messages": messages([{"type": "image"}, {"type": "text", "text": "What?"}], "a bird", "Sure?", "yes"),
        },
        {
            "id": "a",
            "image": "a.jpg",
            "width": 40,
            "height": 24,
            "conversations": talk("What?", "a bird", "Sure?", "yes"),
        },
        # what answers nothing, and what is not answered
        {
            "id": "a",
            "image": "a.jpg",
            "conversations": [
                {"from": "gpt", "value": "Hello"},
                *talk("<image>\nWhat?", "a bird", "Sure?", "yes", "Really?"),
            ],
        },
    ],
    ids=["llava", "sharegpt", "sharegpt_images", "openai", "openai_bare", "openai_parts", "internvl", "loose_ends"],
)
def test_every_form_gives_the_same_row(root, tmp_path, given):
    [found] = built(root, tmp_path, [given])
    assert (found["id"], found["image"], found["kind"]) == ("a", "a.jpg", "general")
    assert found["conversations"] == talk("<image>\nWhat?", "a bird", "Sure?", "yes")
    assert not {"messages", "images", "system"} & set(found)
    left = tmp_path / "out" / "left_out.jsonl"
    if given["conversations" if "conversations" in given else "messages"][0].get("from") == "gpt":
        assert [one["reason"] for one in read_jsonl(left)] == [
            "left out what stands before its first question",
            "left out its last question, which has no answer",
        ]
    else:
        assert not left.exists()


@pytest.mark.parametrize("where", ["turn", "key"])
def test_a_system_text_is_kept_unless_it_is_not_wanted(root, tmp_path, where):
    question = "<image>\nWhat?"
    if where == "turn":
        given = {"messages": [{"role": "system", "content": "Be brief."}, *messages(question, "a bird")]}
    else:
        given = {"system": "Be brief.", "conversations": talk(question, "a bird")}
    given |= {"id": 1, "image": "a.jpg"}
    [found] = built(root, tmp_path / "fold", [given])
    assert found["conversations"][0]["value"] == "<image>\nBe brief.\n\nWhat?"
    [found] = built(root, tmp_path / "drop", [given], system="drop")
    assert found["conversations"][0]["value"] == question
    with pytest.raises(UserError, match=r"row 1: it has a system text; write --system fold"):
        built(root, tmp_path / "refuse", [given], system="refuse")


def test_several_images_are_taken_where_they_stand_together(root, tmp_path):
    images = {"image": ["a.jpg", "deep/b.jpg"]}
    rows = [
        {"id": "start", **images, "conversations": talk("<image>\n<image>\nWhich?", "the first")},
        {"id": "end", **images, "conversations": talk("Which?\n<image> <image>", "the first")},
        {"id": "bare", "images": images["image"], "messages": messages("Which?", "the first")},
    ]
    found = built(root, tmp_path, rows)
    assert [one["image"] for one in found] == [["a.jpg", "deep/b.jpg"]] * 3
    assert found[2]["conversations"][0]["value"] == "<image>\n<image>\nWhich?"
    for question in ("Is <image>\n like <image>?", "<image>\nlike\n<image>"):
        between = {"id": "between", **images, "conversations": talk(question, "no")}
        with pytest.raises(UserError, match="row 'between': text between its 2 images"):
            built(root, tmp_path / "x", [between])
    with pytest.raises(UserError, match=r"must stand 2 times, once an image, .* it stands 1 times"):
        built(root, tmp_path / "x", [{"id": "few", **images, "conversations": talk("<image> Which?", "no")}])
    with pytest.raises(UserError, match=r"1 rows name images that are not in .*gone\.jpg"):
        built(root, tmp_path / "x", [{**rows[0], "image": ["a.jpg", "gone.jpg"]}])


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        ({"id": "r", "image": "http://x.org/a.jpg", "conversations": talk("<image>?", "a")}, "download the pictures"),
        ({"id": "r", "image": "data:image/png;base64,xx", "conversations": talk("<image>?", "a")}, "is no file"),
        ({"id": "r", "image": "a\x00.jpg", "conversations": talk("<image>?", "a")}, "must be relative"),
        ({"id": "r", "image": "a.jpg", "images": ["b.jpg"], "conversations": talk("<image>?", "a")}, "differ"),
        ({"id": "r", "image": {"path": "a.jpg"}, "conversations": talk("<image>?", "a")}, "must be a path"),
        ({"id": "r", "video": "a.mp4", "conversations": talk("?", "a")}, "only pictures"),
        ({"id": "r", "instruction": "?", "output": "a"}, "neither conversations nor messages .* instruction"),
        ({"id": "r", "conversations": "hello"}, "must be a list of turns"),
        ({"id": "r", "conversations": talk("?", "a", "b", "c", roles=("human", "human"))}, "must alternate"),
        ({"id": "r", "conversations": talk("?", "a", "", "b", roles=("human", "gpt"))[1:3]}, "must alternate"),
        ({"id": "r", "conversations": talk("?", None)}, "must be text, not 'None'"),
        ({"id": "r", "conversations": ["?", "a"]}, "must have from and value"),
        ({"id": "r", "conversations": talk("half \ud800", "a")}, "half a surrogate"),
        ({"id": "r", "messages": messages("?", [{"type": "image_url", "image_url": {"url": "x"}}])}, "a part of"),
        ({"id": "r", "system": 5, "conversations": talk("?", "a")}, "system must be text"),
        ({"id": "r", "messages": [*messages("?", "a"), {"role": "system", "content": "x"}]}, "must be the first"),
        ({"id": "r", "conversations": talk("first", "a", "<image> second", "b"), "image": "a.jpg"}, "must stand once"),
        ({"id": "r", "conversations": talk("<image>1", "a", "<image>2", "b"), "image": "a.jpg"}, "stands 2 times"),
        ({"id": [1], "conversations": talk("?", "a")}, "an id must be"),
        ({"id": 1.5, "conversations": talk("?", "a")}, "an id must be"),
    ],
)
def test_what_cannot_be_kept_is_faulty(root, tmp_path, faulty, says):
    with pytest.raises(UserError, match=says):
        built(root, tmp_path / "refused", [faulty])
    found = built(root, tmp_path, [faulty, row("good", "a.jpg")], max_faulty=1)
    assert [one["id"] for one in found] == ["good"]


def test_ids_are_apart_whatever_they_are(root, tmp_path):
    given = ["x", "x", "x#2", 3, "3", None, "", "ä 鳥", "x", "y#2", "y", "y"]
    rows = [{"id": one, "conversations": talk("?", "a")} for one in given]
    rows.append({"conversations": talk("?", "a")})
    ids = [one["id"] for one in built(root, tmp_path, rows)]
    assert ids == ["x", "x#2", "x#2#2", 3, "3#2", 6, 7, "ä 鳥", "x#3", "y#2", "y", "y#3", 13]


@pytest.mark.parametrize("lines", [False, True])
def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_the_rows(root, tmp_path, lines):
    options = write(root, [row("a", "a.jpg"), row("b")], lines)
    path = root / options["file"]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    build("llava", root=root, out=tmp_path / "out", options=options)
    assert [one["id"] for one in read_rows(tmp_path / "out")] == ["a", "b"]


def test_held_out_pictures_are_asked_about_and_in_no_row(root, tmp_path):
    for number in range(30):
        picture(root / f"pictures/p{number}.png")
    (root / "pictures/twin.png").write_bytes((root / "pictures/p3.png").read_bytes())
    rows = [row(f"short{n}", f"p{n}.png", f"How many in {n}?", str(n)) for n in range(20)]
    rows += [row(f"long{n}", f"p{n}.png", "Tell of it", "word " * 9) for n in range(30)]
    rows += [row("text", None, "Say", "hello"), row("twin", "twin.png", "Long?", "a very long answer about a twin")]

    def held(rows_now: list[dict], **more: int) -> tuple[set, list[dict]]:
        options = write(root, rows_now)
        out = tmp_path / f"out{len(rows_now)}-{more}"
        asked = build("llava", root=root, out=out, options={**options, **more})["asked"]
        learnt = list(read_rows(out))
        questions = list(read_jsonl(out / "heldout_questions.jsonl")) if asked["questions"] else []
        pictures = {one["image"].removeprefix("heldout/") for one in questions}
        assert pictures.isdisjoint(one.get("image") for one in learnt)
        assert ("p3.png" in pictures) == ("twin" not in {one["id"] for one in learnt})
        assert asked["rows"] == len(rows_now) - len(learnt)
        assert asked["rows_without_question"] == asked["rows"] - len(questions)
        return pictures, questions

    pictures, questions = held(rows, heldout=200)
    assert len(pictures) == 3  # a tenth of 30 different ones
    assert all(one["answer"] == one["question_id"].removeprefix("short") for one in questions)
    assert held(rows, heldout=2)[0] < pictures
    fewer, _ = held([one for one in rows if one["id"] not in ("short0", "long25")], heldout=200)
    assert len(fewer & pictures) >= 1
    assert held(rows[20:], heldout=200) == (set(), [])
