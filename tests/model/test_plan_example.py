"""What a plan shows of a row, and which folders it refuses."""

import json
from pathlib import Path

import pytest
from family_fakes import write_family
from PIL import Image
from published_chats import LLAVA
from transformers import AutoConfig

from data_builders.records import write_training_set
from data_builders.shared.code_identity import CodeIdentity
from fgtrain.errors import UserError
from fgtrain.images import SPECS, spec_from_dict
from fgtrain.jobs.inputs import stage_data
from fgtrain.model import outline_model
from fgtrain.model.plans import whole_plan
from fgtrain.model.sources import Source
from fgtrain.recipe import load_recipe
from fgtrain.recipe.schema import Recipe
from fgtrain.show_example import example_lines

RECIPE = """
name: shown
built_root: {root}
model: {{checkpoint: "{model}", max_tokens: 900}}
data:
  captions: {{what: llava, rows: 10, expected: {{width: 60, height: 40, text_tokens: 9, learnt_tokens: 4}}}}
stages:
  align: {{train: {{projector: 1.0e-3}}, mix: {{captions: 1}}, global_batch_size: 8, chat: plain}}
  sft: {{train: {{projector: 1.0e-3}}, mix: {{captions: 1}}, global_batch_size: 8}}
  more: {{train: {{projector: 1.0e-3}}, mix: {{captions: 1}}, global_batch_size: 8}}
evaluation: {{tasks: []}}
"""


def recipe_of(root: Path, model: Path | str) -> Recipe:
    path = root / "shown.yaml"
    path.write_text(RECIPE.format(root=root, model=model), encoding="utf-8")
    return load_recipe(path)


@pytest.fixture
def llava(tmp_path: Path) -> Path:
    folder = write_family("llava", tmp_path / "llava")
    (folder / "chat_template.jinja").write_text(LLAVA, encoding="utf-8")
    settings = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    settings |= {"do_center_crop": True, "image_processor_type": "CLIPImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def without_blanks(text: str) -> str:
    """Of a tokenizer whose every token is a letter, decoded."""
    return text.replace(" ", "")


def test_a_row_is_shown_as_each_stage_reads_it_without_weights(llava, tmp_path):
    (llava / "model.safetensors").unlink()
    plain, text, picture, asked, turns, again = example_lines(recipe_of(tmp_path, llava))
    assert "align: a row made up for this, chat plain; 24 tokens, 16 of them of pictures" in plain
    assert without_blanks(text) == "<imagex16>«Abird.</s>»"
    assert picture == again == "  picture of 60 x 40: padded with its mean colour to 60 x 60, then made 32 x 32"
    assert "sft: a row made up for this, chat vicuna_v1" in asked
    assert without_blanks(turns).startswith("Achatbetweenacurioususer")
    assert without_blanks(turns).endswith(":<imagex16>\\n<unk>hatisthis?ASSISTANT:«Abird.</s>»")


def test_a_stage_is_trained_in_its_own_turns_and_its_checkpoint_asked_in_the_models(llava, tmp_path):
    recipe = recipe_of(tmp_path, llava)
    lvlm = outline_model(recipe.model_with_paths(), network=False, seed=recipe.seed)
    assert [stage_data(recipe, name, lvlm).chat for name in ("align", "sft")] == ["plain", "vicuna_v1"]
    assert lvlm.chat == "vicuna_v1"


def test_the_first_row_with_a_picture_is_shown_of_a_set_that_is_built(llava, tmp_path):
    folder = tmp_path / "captions"
    folder.mkdir()
    talk = [{"from": "human", "value": "<image>\nwhich?"}, {"from": "gpt", "value": "a gull"}]
    rows = [{"id": "a", "conversations": [{**talk[0], "value": "which?"}, talk[1]]}]
    rows += [{"id": "b", "image": "b.png", "conversations": talk}]
    Image.new("RGB", (30, 50)).save(folder / "b.png")
    code = CodeIdentity("0" * 16, {})
    kept = {"name": "captions", "builder": "llava", "code": code, "image_root": folder, "sources": [], "splits": []}
    write_training_set(folder, rows, **kept)
    lines = list(example_lines(recipe_of(tmp_path, llava)))
    assert "captions, row 'b'" in lines[0]
    assert "«agull</s>»" in without_blanks(lines[1])
    assert "30 x 50" in lines[2]


def test_without_the_model_one_line_says_what_is_missing_and_how_to_get_it(tmp_path):
    (line,) = example_lines(recipe_of(tmp_path, "someone/a-model"))
    for word in ("No example", "config.json", "network=true", "hf download someone/a-model"):
        assert word in line


def test_a_model_of_the_hub_without_its_tokenizer_says_how_to_get_it(llava, monkeypatch, tmp_path):
    """Its config is in the cache, nothing else."""
    plain = Source.file
    config = llava / "config.json"
    monkeypatch.setattr(Source, "file", lambda self, name: config if name == "config.json" else plain(self, name))
    monkeypatch.setattr(Source, "config", lambda self: AutoConfig.from_pretrained(llava))
    (line,) = example_lines(recipe_of(tmp_path, "someone/a-model"))
    assert "preprocessor_config.json is missing" in line
    assert line.endswith("type: hf download someone/a-model")
    with pytest.raises(UserError, match=r"no tokenizer .*hf download someone/a-model"):
        Source("model.checkpoint", "someone/a-model", network=False).tokenizer()


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _of_type(kind: str):
    def change(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**values, "model_type": kind}), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (_pickled, "pickled"),
        (_of_type("blip-2"), "not known here"),
        (_of_type("internvl_chat"), "import-internvl"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "preprocessor_config.json is missing"),
    ],
    ids=["no weights", "pickles", "unknown family", "as published", "no tokenizer", "no processor"],
)
def test_a_plan_refuses_a_folder_that_a_run_would_refuse(llava, tmp_path, change, words):
    change(llava)
    with pytest.raises(UserError, match=words):
        whole_plan(recipe_of(tmp_path, llava))


LOOK = {"mean": [0.5] * 3, "std": [0.5] * 3, "resample": "bicubic"}
TOLD = [
    ({"kind": "square", "size": 32, "tokens": 4, "fit": "crop"}, "made 48 x 32, of which the middle 32 x 32 is kept"),
    ({"kind": "square", "size": 32, "tokens": 4}, "stretched to 32 x 32"),
    ({"kind": "tiles", "size": 32, "tokens": 4, "max_tiles": 6}, "3 x 2 tiles of 32 px, and once more"),
    ({"kind": "native", "patch": 4, "merge": 2, "frames": 2, "min_pixels": 64, "max_pixels": 4096}, "made 64 x 40"),
    (
        {"kind": "anyres", "size": 32, "tokens": 4, "side": 2, "resolutions": [[32, 64]], "max_squares": 2},
        "black of 64 x 32",
    ),
    ({"kind": "split", "size": 32, "tokens": 4, "longest": 64}, "2 x 2 squares of 32 px, and once more"),
]


def test_every_way_of_fitting_is_told():
    assert {values["kind"] for values, _ in TOLD} == set(SPECS)
    for values, words in TOLD:
        assert words in spec_from_dict({**values, **LOOK}).told(60, 40)
