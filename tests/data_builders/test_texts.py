"""Laws of category texts: every category gets its own text, or the error says which have none and where to put it."""

import json

import pytest
from fake_endpoint import Reply, endpoint, failed

from data_builders.naming import Asked, named_in, other_names
from data_builders.shared.errors import UserError
from data_builders.writing.sentences import sentences
from data_builders.writing.texts import digest, folder_texts, shortened, texts_in
from data_builders.writing.wikipedia import Wikipedia, read_titles, titles_of


def folder(path, **texts):
    path.mkdir(exist_ok=True)
    for name, text in texts.items():
        (path / f"{name}.txt").write_text(text)
    return path


def test_names_match_whatever_case_blanks_and_hyphens(tmp_path):
    folder(tmp_path, **{"Red_winged-Blackbird": "A.", "FISH CROW": "B.", "f-a_18": "C."})
    texts, lost = folder_texts(tmp_path, ["red winged blackbird", "fish crow", "F/A-18", "jay"])
    assert {name: text.body for name, text in texts.items()} == {
        "red winged blackbird": "A.",
        "fish crow": "B.",
        "F/A-18": "C.",
    }
    assert lost == {"jay": "no file"}


def test_two_texts_of_one_category_are_an_error(tmp_path):
    folder(tmp_path, **{"red jay": "A.", "Red_Jay": "B."})
    with pytest.raises(UserError, match=r"red jay\.txt.*both texts of 'red jay'|Red_Jay\.txt.*both texts"):
        texts_in(tmp_path)


def test_one_file_may_hold_all_texts(tmp_path):
    rows = [{"class_name": "Golden-Delicious", "description": "An apple."}, {"class_name": "Leek", "description": " "}]
    (tmp_path / "class_texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    folder(tmp_path, train="a list, no text")  # data sets have such files
    texts, lost = folder_texts(tmp_path, ["golden delicious", "leek", "train"])
    assert texts["golden delicious"].body == "An apple."
    assert set(lost) == {"leek", "train"}
    assert "line 2 is empty" in lost["leek"]
    (tmp_path / "class_texts.jsonl").write_text('{"class_name": "Leek"}')
    with pytest.raises(UserError, match="line 1: a row must have class_name and description"):
        texts_in(tmp_path)


def test_a_text_that_is_no_text_is_named(tmp_path):
    (tmp_path / "jay.txt").write_bytes(b"\xff\xfe\x00J")
    with pytest.raises(UserError, match=r"jay\.txt is not text"):
        texts_in(tmp_path)
    with pytest.raises(UserError, match="no folder"):
        texts_in(tmp_path / "nowhere")


def test_the_digest_follows_the_texts_only(tmp_path):
    one = digest(folder(tmp_path / "a", jay="A.", crow="B."))
    assert digest(folder(tmp_path / "b", crow="B.\n", jay="A.")) == one
    assert digest(folder(tmp_path / "c", jay="A.", crow="C.")) != one


def test_a_text_is_cut_at_a_sentence():
    assert shortened("One two. Three four. Five six.", 22) == "One two. Three four."
    assert shortened("One two.", 100) == "One two."


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Where do Red-Winged Blackbirds live?", "red winged blackbird"),
        ("Is a redwinged blackbird rare?", "red winged blackbird"),
        ("What is colt’s-foot?", "colt's foot"),
        ("What does coltsfoot need?", "colt's foot"),
        ("How long are the 737-600s?", "737-600"),
        ("How heavy are peaches?", "peach"),
        ("What do Brewer's blackbirds eat?", "brewer blackbird"),
        ("Où est le Café-au-Lait ?", "cafe au lait"),
        ("How old are the knives?", "knife"),
        ("How red are strawberries?", "strawberry"),
    ],
)
def test_a_name_is_found_in_every_spelling(text, name):
    assert named_in(text, ["something else", name]) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What do blackbirds eat?", "red winged blackbird"),
        ("Is lemonade sour?", "lemon"),
        ("Which family is Cardinalidae?", "cardinal"),
        ("What improved on the 737-200?", "737-600"),
    ],
)
def test_other_words_are_not_taken_for_the_name(text, name):
    assert named_in(text, [name]) is None


def test_other_names_are_read_from_the_text():
    text = "The fish crow (Corvus ossifragus) is a crow. It is also known as the shore crow or beach-raven."
    assert other_names("fish crow", text) == ["Corvus ossifragus", "shore crow", "beach-raven"]


def test_questions_are_alike_by_what_they_ask():
    asked = Asked(["What is the primary diet of the bird in the image?", "Where does this bird breed?"])
    assert asked.like("what is the typical DIET of the birds in the picture")
    assert asked.like("Where do these birds breed?")
    assert not asked.like("When does this bird breed?")
    assert not asked.like("What family does the bird in the image belong to?")
    long = "Which of the many small islands west of northern Scotland hosts its largest colony of nests?"
    assert Asked([long]).like(long.replace("largest", "largest known"))


def test_sentences_end_where_they_end():
    text = (
        "== Range ==\nIt lives in the U.S. Virgin Islands, e.g. on St. John. Dr. Who saw 3.5 m. It sings!\nA list entry"
    )
    assert list(sentences(text)) == [
        "It lives in the U.S. Virgin Islands, e.g. on St. John.",
        "Dr. Who saw 3.5 m.",
        "It sings!",
    ]


ARTICLES = {
    "Cardinal (bird)": "Cardinals are birds.",
    "Black-footed albatross": "It is an albatross.",
    "Fish crow": "It is a crow.",
    "Empty thing": "",
}
REDIRECTS = {"Black Footed Albatross": "Black-footed albatross"}


def wikipedia(number, query):
    """As the API answers: normalised, redirected, missing and disambiguation pages."""
    assert query["format"] == "json"
    if "pageids" in query:
        title = list(ARTICLES)[int(query["pageids"])]
        page = {
            "pageid": 1,
            "title": title,
            "extract": ARTICLES[title],
            "lastrevid": 77,
            "fullurl": f"https://w/{title}",
        }
        return Reply({"query": {"pages": [page]}})
    titles, pages, redirects = query["titles"].split("|"), [], []
    for title in titles:
        if title in REDIRECTS:
            redirects.append({"from": title, "to": REDIRECTS[title]})
        title = REDIRECTS.get(title, title)
        if title in ARTICLES:
            pages.append({"pageid": list(ARTICLES).index(title), "title": title})
        elif title in ("Cardinal", "Jay"):
            pages.append({"pageid": 99, "title": title, "pageprops": {"disambiguation": ""}})
        else:
            pages.append({"title": title, "missing": True})
    return Reply({"query": {"redirects": redirects, "pages": pages}})


def reader(server, cache, **more):
    return Wikipedia(cache, server.url, pause_seconds=0.0, **more)


def wanted(*names):
    return {name: titles_of(name, "bird", ()) for name in names}


def test_articles_are_found_kept_and_told_where_from(tmp_path):
    with endpoint(wikipedia) as server:
        texts, lost = reader(server, tmp_path).texts(wanted("cardinal", "black footed albatross", "fish crow"))
        assert not lost
        assert {name: text.body for name, text in texts.items()} == {
            "cardinal": "Cardinals are birds.",
            "black footed albatross": "It is an albatross.",
            "fish crow": "It is a crow.",
        }
        assert texts["cardinal"].origin == {
            "title": "Cardinal (bird)",
            "revision": "77",
            "url": "https://w/Cardinal (bird)",
            "licence": "CC BY-SA 4.0, Wikipedia contributors",
        }
        asked = len(server.requests)
        assert reader(server, tmp_path).texts(wanted("cardinal", "fish crow"))[0]["cardinal"] == texts["cardinal"]
        assert len(server.requests) == asked
        assert "fgtrain" in server.headers[0]["user-agent"]
        assert server.most_at_once == 1


def test_categories_without_an_article_say_why(tmp_path):
    with endpoint(wikipedia) as server:
        _, lost = reader(server, tmp_path).texts(wanted("jay", "no such bird", "empty thing"))
    assert lost["jay"] == "'Jay' lists several meanings"
    assert lost["no such bird"].startswith("no article No such bird (bird) or")
    assert "is empty" in lost["empty thing"]


def test_a_table_of_titles_goes_before_the_name(tmp_path):
    table = tmp_path / "titles.csv"
    table.write_text("category,title\nJay,Fish crow\n")
    with endpoint(wikipedia) as server:
        texts, _ = reader(server, tmp_path, titles=read_titles(table)).texts(wanted("jay"))
    assert texts["jay"].body == "It is a crow."
    table.write_text("name,title\n")
    with pytest.raises(UserError, match="no column category; the first line has"):
        read_titles(table)


def test_wikipedia_is_asked_again_when_busy_and_given_up_when_dead(tmp_path):
    busy = Reply({"error": {"code": "maxlag", "info": "lagged"}}, headers={"Retry-After": "0"})
    with endpoint(lambda n, q: wikipedia(n, q) if n > 2 else (busy, failed(429, Retry_After="0"))[n - 1]) as server:
        assert reader(server, tmp_path).texts(wanted("fish crow"))[0]
        assert len(server.requests) == 4
    with endpoint(lambda n, q: failed(503, Retry_After="0")) as server:
        with pytest.raises(UserError, match=r"answered 503; asked 5 times.*--texts DIR"):
            reader(server, tmp_path).texts(wanted("cardinal"))
    with pytest.raises(UserError, match="cannot be read"):
        reader(server, tmp_path).texts(wanted("cardinal"))
