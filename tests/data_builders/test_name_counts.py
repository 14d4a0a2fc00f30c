"""How often names occur in training sets: as a naive search counts, whatever the case, hyphens, plural or alias."""

import json
import re
import unicodedata

import pytest
from small_sources import make_cub

from data_builders.__main__ import main
from data_builders.name_counts.name_search import Names, forms
from data_builders.shared.errors import run_command
from data_builders.shared.files import read_json
from data_builders.shared.seeding import draw
from data_builders.sources import load_source

NAMES = {
    "Black footed Albatross": ["Black footed Albatross"],
    "Albatross": ["Albatross"],
    "Brandt Cormorant": ["Brandt Cormorant", "Phalacrocorax penicillatus"],
    "Chuck will Widow": ["Chuck will Widow", "chuck-will's-widow"],
    "house": ["house"],
    "House Wren": ["house_wren"],
    "wren house": ["Wren House"],
    "Cherry": ["cherry"],
    "French fries": ["French fries"],
    "Crème brûlée": ["Crème brûlée"],
    "707-320": ["707-320"],
    "Beach Crow": ["beach crow", "crow of the beach"],
    "Fish Crow": ["fish crow", "beach crow"],
}


def find(text, *more):
    names = Names(NAMES)
    return sorted(names.categories[place] for place in names.find([text, *more]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A black-footed albatross.", ["Black footed Albatross"]),
        ("BLACK FOOTED ALBATROSSES and an Albatross", ["Albatross", "Black footed Albatross"]),
        ("Brandt's cormorants; phalacrocorax penicillatus", ["Brandt Cormorant"] * 2),
        ("Brandt\u2019s cormorant", ["Brandt Cormorant"]),
        ("a chuck-will's-widow", ["Chuck will Widow"]),
        ("the house wren house", ["House Wren", "house"]),  # from the left, the longest first
        ("wren houses", ["wren house"]),
        ("housewren, houseboat, warehouse", []),
        ("cherries, a cherry", ["Cherry"] * 2),
        ("one french fry and French Fries", ["French fries"] * 2),
        ("creme brulee or CRÈME BRÛLÉE", ["Crème brûlée"] * 2),
        ("a Boeing 707-320, not 7073200", ["707-320"]),
        ("a beach crow", ["Beach Crow", "Fish Crow"]),  # both are called so
        ("une cr\u0065\u0300me br\u00fbl\u00e9e \u9ce5", ["Crème brûlée"]),
    ],
)
def test_names_are_found_as_people_write_them(text, found):
    assert find(text) == sorted(found)


def test_a_name_does_not_reach_from_one_text_into_the_next():
    assert find("a black footed", "albatross") == ["Albatross"]
    assert find("house", "wren") == ["house"]


def naive(texts):
    """Word by word, every name at every place, nothing prepared but the words."""
    surfaces = []
    for category, names in NAMES.items():
        for name in {plain(one) for one in names}:
            surfaces += [
                (words, category) for words in {(*name.split()[:-1], last) for last in forms(name.split()[-1])}
            ]
    found = []
    for text in texts:
        words, place = plain(text).split(), 0
        while place < len(words):
            here = [s for s in surfaces if tuple(words[place : place + len(s[0])]) == s[0]]
            most = max((len(s[0]) for s in here), default=0)
            found += {category for words_of, category in here if len(words_of) == most}
            place += max(most, 1)
    return sorted(found)


def plain(text):
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    text = "".join(one for one in text if not unicodedata.combining(one)).replace("'s", "")
    return re.sub(r"[^a-z0-9]+", " ", text)


def test_counts_are_those_of_a_naive_search_on_random_texts():
    coin = draw("texts")
    words = [word for names in NAMES.values() for name in names for word in re.split(r"[ _-]", name)]
    words += [
        "the",
        "a",
        "houses",
        "wrens",
        "Albatrosses",
        "crows",
        "fries",
        "fry",
        "tree",
        "Brandt's",
        "br\u00fbl\u00e9e",
    ]
    ends = [" ", "-", ", ", ". ", "_"]
    names, total = Names(NAMES), 0
    for _ in range(400):
        texts = [
            "".join(coin.choice(words) + coin.choice(ends) for _ in range(coin.integers(1, 30)))
            for _ in range(coin.integers(1, 4))
        ]
        found = sorted(names.categories[place] for place in names.find(texts))
        assert found == naive(texts), texts
        total += len(found)
    assert total > 1000


def rows_file(path, texts, lines=False):
    asked = {"from": "human", "value": "<image>\nWhat?"}
    rows = [{"id": n, "conversations": [asked, {"from": "gpt", "value": text}]} for n, text in enumerate(texts)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) if lines else json.dumps(rows))
    return path


def test_the_command_writes_counts_of_every_category_and_training_set(tmp_path, capsys):
    root = make_cub(tmp_path / "cub")
    source = load_source("cub", root)
    labels = source.labels(source.finest)
    first, second = labels[:2]
    rows_file(tmp_path / "general" / "mix.json", [f"a {first.lower()}s, {first}", "nothing", f"{second.upper()}!"])
    rows_file(tmp_path / "built" / "rows.jsonl", [first], lines=True)
    data = f"general={tmp_path / 'general'},built={tmp_path / 'built'}"
    arguments = ["name_counts", "--source", "cub", "--root", str(root), "--data", data, "--out", str(tmp_path / "out")]
    assert run_command(lambda: main(arguments)) == 0
    assert "general: 2 of 3 rows name one of" in capsys.readouterr().out
    found = read_json(tmp_path / "out" / "name_counts" / "cub.json")
    assert found["data"]["general"] == {"file": str(tmp_path / "general" / "mix.json"), "rows": 3, "rows_naming_any": 2}
    assert found["categories"][first]["general"] == {"rows": 1, "mentions": 2}
    assert found["categories"][second]["general"] == {"rows": 1, "mentions": 1}
    assert found["categories"][second]["built"] == {"rows": 0, "mentions": 0}
    assert found["categories"][second]["names"] == [second]
    assert found["categories"][first]["built"] == {"rows": 1, "mentions": 1}
    lines = (tmp_path / "out" / "name_counts" / "cub.csv").read_text().splitlines()
    assert lines[0] == "category,general_rows,general_mentions,built_rows,built_mentions"
    assert f"{first},1,2,1,1" in lines
    assert len(lines) == 1 + len(found["categories"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("x={root}/absent", "no file or folder"),
        ("x={root}/cub", "no rows.jsonl"),
        ("x={root}/broken.json", "row 1: no conversations of texts"),
        ("nonsense", "write NAME=DIR"),
    ],
)
def test_what_is_no_training_set_is_refused(tmp_path, capsys, data, words):
    make_cub(tmp_path / "cub")
    (tmp_path / "broken.json").write_text('[{"id": "1", "text": "no conversation"}]')
    arguments = ["name_counts", "--source", "cub", "--root", str(tmp_path / "cub"), "--out", str(tmp_path / "out")]
    try:
        status = run_command(lambda: main([*arguments, "--data", data.format(root=tmp_path)]))
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
