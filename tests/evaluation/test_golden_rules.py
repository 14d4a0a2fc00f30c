"""Every rule gives every row what the reference code gives it, and every total comes out."""

from dataclasses import replace

import pytest
from golden_rows import beside, kept, totals

from evaluation.scoring.matching import RULES
from evaluation.scoring.rules.letters import lettered, lmms_eval_reply, vlmevalkit_letter
from evaluation.scoring.rules.mathvista import direct, normalised, quick
from evaluation.scoring.score_answers import score_answers
from evaluation.tasks.task import Item
from evaluation.tasks.task_files import task_without_items

KEPT = {
    "anls.jsonl": ("anls", "anls_lmms_eval"),
    "relaxed_accuracy.jsonl": ("relaxed", "relaxed_lmms_eval", "relaxed_internvl"),
    "ai2d.jsonl": ("ai2d_lmms_eval", "ai2d_vlmevalkit", "ai2d_internvl"),
}


@pytest.mark.parametrize(("file", "rule"), [(file, rule) for file, rules in KEPT.items() for rule in rules])
def test_kept_rows(file, rule):
    rows = kept(file)
    assert len(rows) > 300
    for row in rows:
        got = RULES[rule](row["answer"], row.get("golds", row.get("gold")), row.get("options", ()), {})
        assert got.score == pytest.approx(row[rule], abs=1e-12), row


@pytest.mark.parametrize("file", KEPT)
def test_the_suites_do_not_agree_on_them(file):
    assert any(len({row[rule] for rule in KEPT[file]}) > 1 for row in kept(file))


def scored(task: str, rows: list[dict], items: tuple[Item, ...] = ()):
    answers = [
        {"question_id": number, "category": "generic", "question": "?", "image": f"{number}.png", **row}
        for number, row in enumerate(rows)
    ]
    return score_answers(replace(task_without_items(task), items=items), answers)


def numbers(score, rule: str) -> dict[str, float]:
    return {one.metric: one.value for one in score.scores if one.rule == rule}


def test_ai2d_replies_letters_and_totals(shared):
    rows, total = beside(shared, "ai2d.dev.jsonl"), totals(shared, "ai2d.dev.total.json")
    for row in rows:
        filtered = row["expected"]["lmms"]["filtered"]
        got = lmms_eval_reply(row["answer"])
        assert got == filtered or (filtered.endswith("…") and got.startswith(filtered[:-1])), row
        assert vlmevalkit_letter(row["answer"], lettered(row["options"])) == row["expected"]["vlmevalkit"]["can_infer"]
    score = scored("ai2d", [{key: row[key] for key in ("answer", "gold", "options")} for row in rows])
    for rule, name in (
        ("ai2d_lmms_eval", "lmms_exact_match"),
        ("ai2d_vlmevalkit", "vlmevalkit_overall"),
        ("ai2d_internvl", "internvl_exact"),
    ):
        assert numbers(score, rule)["accuracy"] == pytest.approx(100 * total[name], abs=1e-9)
    assert score.differences["ai2d_vlmevalkit"] == total["rows_that_differ"]["lmms!=vlmevalkit"]
    assert score.differences["ai2d_internvl"] == total["rows_that_differ"]["internvl!=lmms"]


def test_anls_total(shared):
    rows, total = beside(shared, "anls.dev.jsonl"), totals(shared, "anls.dev.total.json")
    score = scored("docvqa", [{"answer": row["answer"], "gold": row["golds"]} for row in rows])
    assert score.main.value == pytest.approx(100 * total["anls"], abs=1e-9)
    got = numbers(score, "anls_lmms_eval")["accuracy"]
    assert got == pytest.approx(100 * total["other"]["lmms_end_to_end"], abs=1e-9)


def test_relaxed_accuracy_totals(shared):
    rows, total = beside(shared, "relaxed_accuracy.dev.jsonl"), totals(shared, "relaxed_accuracy.dev.total.json")
    answers = [{"answer": row["answer"], "gold": row["gold"], "category": row["split"]} for row in rows]
    score = scored("chartqa", answers)
    assert score.main.metric == "accuracy_mean_of_splits"
    assert score.main.value == pytest.approx(100 * total["mean_of_splits"], abs=1e-9)
    assert numbers(score, "relaxed")["accuracy"] == pytest.approx(100 * total["relaxed_overall"], abs=1e-9)
    for rule, name in (("relaxed_lmms_eval", "lmms_end_to_end"), ("relaxed_internvl", "internvl_script")):
        assert numbers(score, rule)["accuracy"] == pytest.approx(100 * total["other"][name], abs=1e-9)
        assert score.differences[rule] == total["rows_that_differ"][name]
    parts = {group.name: group.value for group in score.groups}
    assert parts == pytest.approx(
        {"human_test": 100 * total["relaxed_human_split"], "augmented_test": 100 * total["relaxed_augmented_split"]}
    )


def test_pope_labels_of_the_suites(shared):
    for row in beside(shared, "pope.dev.jsonl"):
        other = row["other"]
        assert RULES["pope_lmms_eval"](row["answer"], row["gold"], (), {}).score == other["lmms_score"], row
        label = RULES["pope_vlmevalkit"](row["answer"], row["gold"], (), {}).parsed
        assert (label or "unknown") == other["vlmevalkit_label"].lower(), row


def test_pope_totals_by_split_pooled_and_averaged(shared):
    rows, parts = beside(shared, "pope.dev.jsonl"), totals(shared, "pope.dev.total.json")["parts"]
    answers = [
        {"answer": row["answer"], "gold": row["gold"], "category": row["split"], "image": row["image"]} for row in rows
    ]
    score = scored("pope", answers)
    assert (score.main.rule, score.main.metric) == ("pope", "f1_mean_of_splits")
    official = numbers(score, "pope")
    for metric, value in parts["mean_of_splits"].items():
        assert official[f"{metric}_mean_of_splits"] == pytest.approx(100 * value, abs=1e-9)
        assert official[metric] == pytest.approx(100 * parts["pooled"][metric], abs=1e-9)
        assert numbers(score, "pope_lmms_eval")[metric] == pytest.approx(
            100 * parts["pooled"]["lmms_eval"][metric], abs=1e-9
        )
        for group in score.groups:
            if group.metric == metric:
                assert group.value == pytest.approx(100 * parts[group.name][metric], abs=1e-9)
                alone = [answer for answer in answers if answer["category"] == group.name]
                suite = numbers(scored("pope", alone), "pope_lmms_eval")[metric]
                assert suite == pytest.approx(100 * parts[group.name]["lmms_eval"][metric], abs=1e-9)
    assert {(group.name, group.metric) for group in score.groups} == {
        (split, metric) for split in ("random", "popular", "adversarial") for metric in parts["mean_of_splits"]
    }


def types(row: dict) -> dict:
    return {key: row[key] for key in ("question_type", "answer_type", "precision", "choices")}


def test_mathvista_normalises_every_extraction_as_the_script(shared):
    for row in beside(shared, "mathvista.dev.jsonl"):
        prediction = normalised(row["extraction"], types(row), row["choices"] or [])
        assert prediction == row["expected"]["prediction"], row
        assert (prediction == row["gold"]) == row["expected"]["true_false"], row
        other = row["other"]["vlmevalkit_on_extraction"]
        if row["extraction"] in (None, "") or not isinstance(other, bool):
            continue  # nothing extracted is unparsed here; the suite stops at a list
        verdict = RULES["mathvista_vlmevalkit"]("", row["gold"], (), {**types(row), "extraction": row["extraction"]})
        assert bool(verdict.score) == other, row


def test_mathvista_extracts_without_a_model_what_the_script_does(shared):
    for row in beside(shared, "mathvista_extraction.dev.jsonl"):
        for mode, extract in (("default", direct), ("quick", quick)):
            got = extract(row["response"], row, row["choices"] or [])
            assert (got or "") == row["expected"][mode], (mode, row)


def test_mathvista_totals_and_groups(shared):
    rows, systems = beside(shared, "mathvista.dev.jsonl"), totals(shared, "mathvista.dev.total.json")["systems"]
    for name, total in systems.items():
        own = [row for row in rows if row["system"] == name]
        answers = [
            {"question_id": row["pid"], "answer": "", "gold": row["gold"], "extraction": row["extraction"]}
            for row in own
        ]
        items = tuple(
            Item(row["pid"], None, None, "?", "?", row["gold"], "", tuple(row["choices"] or ()), types(row))
            for row in own
        )
        score = scored("mathvista", answers, items)
        for rule in ("mathvista", "mathvista_quick", "mathvista_plain"):  # what is extracted is not read again
            assert numbers(score, rule)["accuracy"] == pytest.approx(100 * total["average"]["accuracy"], abs=1e-9)
        for key in ("question_type", "answer_type"):
            found = {group.name: (group.value, group.n) for group in score.groups if group.by == key}
            assert found == {
                value: (pytest.approx(100 * one["accuracy"], abs=1e-9), one["total"])
                for value, one in total[key].items()
            }
        official = [row for row in answers if row["extraction"] not in (None, "")]
        assert score.unparsed.get("mathvista", 0) >= len(answers) - len(official)
