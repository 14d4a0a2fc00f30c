"""A judge's verdict is read in whatever it is wrapped, and never guessed where it could be read in two ways."""

import json

import pytest
from endpoint_faults import choice, endpoint, hurried
from table import rows

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Client, Endpoint, user
from evaluation.judging.prompt import Reply as Form

pytestmark = pytest.mark.usefixtures("hurried")
__all__ = ["hurried"]


def verdict(item: object = 2, reason: str = "it names the wug", **more: object) -> dict:
    grades = {"Item_accuracy": reason, "Item_accuracy_score": item, "Fact_accuracy": "one of two"}
    return {**grades, "Fact_accuracy_score": 1, "final_score": 1.5, **more}


GOOD = json.dumps(verdict())
LINES = json.dumps(verdict(), indent=1)
PYTHON = str(verdict(reason="it's the wug"))
QUOTED = json.dumps(verdict(0, "the answer says X")).replace('"the answer says X"', f'"the answer says {GOOD}"')


@rows(
    ("bare", GOOD, 2),
    ("in a fence", f"```json\n{GOOD}\n```", 2),
    ("in a fence that is not closed", f"```json\n{GOOD}", 2),
    ("among words", f"Here is my verdict: {GOOD} I hope that it helps {{a lot}}.", 2),
    ("a fence inside a reason", json.dumps(verdict(reason="it writes ```wug``` in a fence")), 2),
    ("a fence around and inside", f"```json\n{json.dumps(verdict(reason='writes ``` once'))}\n```", 2),
    ("braces inside a reason", json.dumps(verdict(reason="it says {wug} and }")), 2),
    ("braces before it", f"Facts {{x}}: {GOOD}", 2),
    ("raw line breaks in a reason", GOOD.replace("it names", "it\nnames\tall"), 2),
    ("a comma too many", GOOD.replace("}", ",}"), 2),
    ("a comma too many, and one in a reason", json.dumps(verdict(reason="a wug,}")).replace("1.5}", "1.5,\n}"), 2),
    ("a comment", LINES.replace("2,", "2, // the exact name"), 2),
    ("an escape that JSON has not", GOOD.replace("the wug", r"the \_wug\'"), 2),
    ("Python's quotes", PYTHON, 2),
    ("as a text", json.dumps(GOOD), 2),
    ("inside another object", json.dumps({"verdict": verdict()}), 2),
    ("in a list", f"[{GOOD}]", 2),
    ("twice the same", f"{GOOD}\n{GOOD}", 2),
    ("behind a thought", f"<think>{json.dumps(verdict(0))}</think>{GOOD}", 2),
    ("behind a thought that was not opened", f"{json.dumps(verdict(0))}</think>{GOOD}", 2),
    ("in a thought that is not closed", f"<think>{GOOD}", None),
    ("two that differ", f"{json.dumps(verdict(0))} or rather {GOOD}", None),
    ("one grade twice", GOOD.replace('"Fact_accuracy":', '"Item_accuracy_score": 0, "Fact_accuracy":'), None),
    ("not closed", GOOD[:-1], None),
    ("not closed in a reason", GOOD[:60], None),
    ("a whole one quoted inside one that cannot be read", QUOTED, None),
    ("a grade out of range", json.dumps(verdict(3)), None),
    ("many braces", "{" * 3000, None),
    ("nested too deeply", '{"a":' * 50_000, None),
    ("a number of 5,000 digits", GOOD.replace("1.5", "9" * 5000), None),
)
def test_a_verdict(tmp_path, how, out):
    with endpoint(lambda number, body: choice(how)) as server:
        one = Client(Endpoint(model="m", cache=tmp_path, base_url=server.url))
        if out is not None:
            assert one.ask([user("judge")], schema=Form).Item_accuracy_score == out
            return
        with pytest.raises(UserError, match="no usable answer in 3 replies"):
            one.ask([user("judge")], schema=Form)
