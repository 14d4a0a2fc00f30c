"""What the `llava` builder makes of files in several forms, as training reads it."""

import json

from data_fakes import SPEC, picture, talk, tokenizer

from data_builders.build import build
from data_builders.records import read_rows
from fgtrain.data import encode_row

GIVEN = [
    {"id": "start", "image": ["a.jpg", "b.jpg"], "conversations": talk("<image>\nWhich?", "the first")},
    {"id": "end", "image": "a.jpg", "conversations": talk("Which?\n<image>", "the first", image=False)},
    {
        "id": "bare",
        "images": ["a.jpg", "b.jpg"],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Which?"},
            {"role": "assistant", "content": "the first"},
        ],
    },
    {"id": "text", "conversations": [{"from": "gpt", "value": "Hi"}, *talk("Why?", "so", "And?", image=False)]},
    {"id": "plain", "conversations": [{"from": "gpt", "value": "A text to learn."}]},
]


def test_rows_of_every_form_are_encoded_with_each_picture_once(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name, seed=1)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GIVEN))
    build("llava", root=tmp_path, out=tmp_path / "out", options={"file": "rows.jsonl"})
    shown = {}
    for row in read_rows(tmp_path / "out"):
        sample = encode_row(row, tokenizer(), "qa", SPEC, 200, image_root=tmp_path)
        assert sample.is_image.sum() == 3 * len(sample.images)
        text = tokenizer().decode([int(i) for i in sample.token_ids[~sample.is_image]])
        shown[row["id"]] = ([ref.path.name for ref in sample.images], text)
        assert "<image>" not in text
    assert shown["start"][0] == shown["bare"][0] == ["a.jpg", "b.jpg"]
    assert shown["end"][0] == ["a.jpg"]
    assert "Be brief.\n\nWhich?" in shown["bare"][1]
    assert "Why?" in shown["text"][1]
    assert "And?" not in shown["text"][1]
    assert not shown["plain"][0]
