"""What a self-distilling stage's teacher is asked: as rows are encoded, in other words, with what is right in them."""

import pytest
from data_fakes import mosaic_rows, picture_rows, stage_data, talk, text_rows, tokenizer, training_set

from fgtrain.data.rows import Rows
from fgtrain.errors import UserError
from fgtrain.recipe.objective_schema import DEMONSTRATION
from fgtrain.training.objectives.demonstrations import Demonstrations
from fgtrain.training.objectives.rollout import asked_in


@pytest.fixture
def sets(tmp_path):
    rows = picture_rows(tmp_path / "seen/images", 2) + text_rows(1)
    rows[1] |= {"turns": "independent", "conversations": talk("What?", "{context} red", "How many?", "two", "", "x")}
    for row, category in zip(rows, ("owl", "jay", "owl"), strict=True):
        row["category"] = category
    texts = [
        {"id": f"c{i}", "category": "owl", "conversations": [{"from": "gpt", "value": f"Owls {i}."}]} for i in range(9)
    ]
    texts += [{"id": "j", "category": "jay", "conversations": talk("Blue?", "jay", image=False)}]
    return training_set(tmp_path / "seen", rows), training_set(tmp_path / "texts", texts)


@pytest.mark.parametrize("chat", ["qa", "chatml", "vicuna_v1"])
def test_a_teacher_is_asked_each_question_where_its_student_is(tmp_path, sets, chat):
    """With the question alone the tokens are the student's own, with pictures and without."""
    data = stage_data(tmp_path, {"seen": sets[0]}, chat=chat, max_tokens=256)
    found = data.micro_batches()
    batches = [found[number] for number in range(len(found))]
    asked = {one.name: one for batch in batches if batch.samples for row in asked_in(batch) for one in row}
    assert len(asked) == 3
    same, shown = (Demonstrations(words, data.maker) for words in (["{question}"], DEMONSTRATION))
    for name, one in asked.items():
        assert same(name, one.questions) == [question.ids for question in one.questions]
    texts = [tokenizer().decode(ids) for ids in shown("seen/0/p1", asked["seen/0/p1"].questions)]
    assert len(texts) == 3
    example = "This is an example for a response to the question:\n"
    assert f"What?\n\n{example}{{context}} red\n\nNow answer with a response of your own." in texts[0]
    assert f"How many?\n\n{example}two\n\n" in texts[1]


def test_a_context_is_drawn_of_the_row_s_category(tmp_path, sets):
    data, context = stage_data(tmp_path, {"seen": sets[0]}), Rows(sets[1])
    shown = Demonstrations(["{context}", "{question}"], data.maker, "texts", context)
    shown.check()

    def told(row: str) -> list[str]:
        return [tokenizer().decode(shown(f"seen/{number}/{row}", [])[0]) for number in range(9)]

    assert all("Q: Blue?\nWhat?" in text for text in told("p1"))
    assert all("Q: Owls " in text and ".\nHow many" in text for text in told("t0"))
    assert len(set(told("t0"))) > 2, "another in each pass"
    assert told("t0") == told("t0")


def test_rows_that_cannot_be_shown_are_refused_before_the_first_step(tmp_path, sets):
    talks = training_set(tmp_path / "talks", [{"id": "d", "conversations": talk("A", "b", "C", "d", image=False)}])
    mosaics = training_set(tmp_path / "mosaics", mosaic_rows(tmp_path / "mosaics/images", 1))
    owls = [{"id": "o", "category": "owl", "conversations": [{"from": "gpt", "value": "Owls."}]}]
    some = Rows(training_set(tmp_path / "owls", owls))
    for name, folder, context, part in (
        ("talks", talks, None, "objective self_distillation draws answers to single questions"),
        ("mosaics", mosaics, None, "stages.align.mix.mosaics: row 'm0' is a mosaic"),
        ("seen", sets[0], some, "row 'p1' is of category 'jay', of which self_distillation.context, owls, has no row"),
    ):
        data = stage_data(tmp_path, {name: folder})
        with pytest.raises(UserError) as found:
            Demonstrations(["{context}"], data.maker, "owls", context).check()
        assert part in str(found.value)
