"""An exported checkpoint is the model as other programs read it: the same tokens, pixels and logits."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from family_fakes import FAMILIES, LONGEST, TOKENS, tokenizer, write_pictures
from model_fakes import drawn_module, llama_config
from native_fakes import write_tower
from safetensors.torch import load_file
from test_alone import CASES as ALONE
from test_alone import QUESTION, composed, own_logits
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, GemmaTokenizer, LlamaForCausalLM, LlamaTokenizer, Qwen2Tokenizer
from transformers.core_model_loading import revert_weight_conversion

import fgtrain.model.exported as exported
import fgtrain.model.weight_files as weight_files
from data_builders.shared.files import read_json, user_cache
from fgtrain.checksums import verify_checksums
from fgtrain.errors import UserError
from fgtrain.export import main
from fgtrain.model import LVLM, build_model, load_checkpoint, save_checkpoint, weights_hash
from fgtrain.model.exported import export_checkpoint
from fgtrain.model.families import FAMILIES as RELEASED
from fgtrain.model.tensors import on_meta
from fgtrain.model.transformers4 import COMPUTED_OTHERWISE, model_config, tensor_name, tokenizer_config
from fgtrain.model.vllm_loaders import LOADERS, read_names
from fgtrain.model.weight_files import stored_in
from fgtrain.plan.known_facts import kept_models
from fgtrain.recipe.model_schema import Model


def long(folder: Path) -> LVLM:
    """Rotary settings that no class has by default."""
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 250_000.0}
    language = drawn_module(
        LlamaForCausalLM, llama_config(max_position_embeddings=LONGEST, vocab_size=len(TOKENS), rope_parameters=rope)
    )
    language.save_pretrained(folder / "language")
    tokenizer().save_pretrained(folder / "language")
    parts = {"vision_encoder": str(write_tower(folder / "vision", "CLIP")), "language_model": str(folder / "language")}
    model = Model(**parts, projector="mlp2x_gelu", image_size=32, max_tokens=LONGEST, chat="chatml")
    return build_model(model, network=False, seed=5)


FITS = {
    fit: lambda folder, fit=fit: composed(folder, "CLIP", "vicuna_v1", torch.float32, False, vision_layer=-2, fit=fit)
    for fit in ("pad", "crop")
}
CASES = {"long": long, **FITS, **ALONE}
KINDS = ["long", *FITS, "SigLIP, tied, bf16", "InternViT, tied, one tile", *FAMILIES]
# 4.57 in an environment of its own; the project's torch.
OLD = ("transformers==4.57.*", f"torch=={torch.__version__}", "pillow", "jinja2", "accelerate")


def opened(python: str, place: Path, requests: list[dict]) -> list[dict]:
    """What a process that imports no fgtrain computes."""
    (place / "request.json").write_text(json.dumps(requests))
    environment = {**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    words = [str(Path(__file__).parent / "alone.py"), str(place / "request.json"), str(place / "answer.pt")]
    done = subprocess.run([python, *words], cwd=place, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(place / "answer.pt")


class Cases:
    """A checkpoint of each kind, and how it is asked."""

    def __init__(self, place: Path) -> None:
        self.place = write_pictures(place)
        self.own: dict[str, tuple[Tensor, Tensor]] = {}
        for name in KINDS:
            lvlm = CASES[name](self.folder(name))
            save_checkpoint(lvlm, self.folder(name) / "saved", {})
            self.own[name] = own_logits(lvlm, [place / "wide.png"])

    def folder(self, name: str) -> Path:
        return self.place / name.replace(",", "").replace(" ", "-")

    def export(self, name: str, kind: str, dtype: str | None = None) -> Path:
        to = self.folder(name) / f"{kind}-{dtype}"
        if not to.exists():
            export_checkpoint(self.folder(name) / "saved", to, kind, dtype)
        return to

    def request(self, folder: Path) -> dict[str, Any]:
        content = [{"type": "text", "text": f" {QUESTION}\n"}, {"type": "image"}]
        messages = [{"role": "user", "content": content}]
        return {"folder": str(folder), "pictures": [str(self.place / "wide.png")], "messages": messages}

    def check(self, name: str, answer: dict, tolerance: float) -> None:
        ids_T, logits_TV = self.own[name]
        assert answer["not loaded"] == {}, name
        assert answer["ids"].tolist() == ids_T.tolist(), name
        torch.testing.assert_close(answer["logits"], logits_TV, rtol=tolerance, atol=tolerance, msg=name)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return Cases(tmp_path_factory.mktemp("exported"))


def test_transformers_opens_every_format(cases: Cases):
    ways = [("transformers", "bfloat16", 0.25), ("vllm", None, 1e-5)]
    asked = [(name, *way) for name in KINDS for way in ways]
    answers = opened(sys.executable, cases.place, [cases.request(cases.export(*one[:3])) for one in asked])
    for (name, _, dtype, tolerance), answer in zip(asked, answers, strict=True):
        assert answer["dtype"] == f"torch.{dtype or 'float32'}"
        cases.check(name, answer, tolerance)


@pytest.fixture(scope="session")
def old_python() -> str:
    """Of an environment with transformers 4.57, made once a user."""
    folder = user_cache() / "transformers-4.57"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        words = [str(python), "-m", "pip", "install", "-q", *OLD]
        if subprocess.run(words, capture_output=True).returncode:
            pytest.skip("no index to install transformers 4.57 from")
        (folder / "made").touch()
    return str(python)


@pytest.mark.slow
def test_transformers_4_57_opens_its_own_format(cases: Cases, old_python: str):
    names = [name for name in KINDS if name not in COMPUTED_OTHERWISE]
    answers = opened(old_python, cases.place, [cases.request(cases.export(name, "transformers4")) for name in names])
    for name, answer in zip(names, answers, strict=True):
        cases.check(name, answer, 1e-5)


TEXTS = ["Hello  world, it's a café\n\nwhat?", "<image>\nis 12345 a bird? 不", " leading", "</s>x"]
READ = """
import json, sys, transformers
assert transformers.__version__.startswith(sys.argv[1])
for folder in sys.argv[3:]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    print(json.dumps([tokenizer(text).input_ids for text in json.loads(sys.argv[2])]))
"""


@pytest.mark.slow
def test_transformers_4_57_reads_the_same_tokens(tmp_path: Path, old_python: str):
    """Of the kinds of tokenizers that language models have: what a class does beside its file is in the file."""
    marked = dict.fromkeys(["<unk>", "<s>", "</s>", "<pad>", "<eos>", "<bos>", "<mask>"])
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    words = {word: i for i, word in enumerate([*marked, *bytes_, *"▁abcdefghijklmnopqrstuvwxyz?,.'12345", "▁a", "he"])}
    letters = {letter: i for i, letter in enumerate([*sorted(ByteLevel.alphabet()), "<|endoftext|>", "Ġw", "he"])}
    merges = [("▁", "a"), ("h", "e")]
    kinds = {
        "llama": LlamaTokenizer(vocab=words, merges=merges),
        "gemma": GemmaTokenizer(vocab=words, merges=merges),
        "qwen2": Qwen2Tokenizer(vocab=letters, merges=[("Ġ", "w"), ("h", "e")]),
    }
    expected = []
    for name, made in kinds.items():
        made.add_special_tokens({"additional_special_tokens": ["<image>"]})
        made.save_pretrained(tmp_path / name)
        made = AutoTokenizer.from_pretrained(tmp_path / name)
        expected.append([made(text).input_ids for text in TEXTS])
        path = tmp_path / name / "tokenizer_config.json"
        path.write_text(json.dumps(tokenizer_config(read_json(path))))
    words = [old_python, "-c", READ, "4.57", json.dumps(TEXTS), *(str(tmp_path / name) for name in kinds)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected, done.stderr[-2000:]


@pytest.mark.parametrize("name", KINDS)
def test_vllm_finds_every_tensor_and_knows_each(cases: Cases, name: str):
    folder = cases.export(name, "vllm")
    config, stored = read_json(folder / "config.json"), stored_in(folder.glob("*.safetensors"))
    assert read_names(config, stored, "x") == stored.keys()
    original = load_checkpoint(cases.folder(name) / "saved")
    assert weights_hash(load_checkpoint(folder)) == weights_hash(original)  # which is how answers are known
    for less in stored:
        if not any(part in less for part in ("post_layernorm", ".head.")):  # which it passes over
            with pytest.raises(UserError, match=r"it wants"):
                read_names(config, stored.keys() - {less}, "x")
    with pytest.raises(UserError, match=r"no place for vision_tower\.embeddings\.x"):
        read_names(config, [*stored, "vision_tower.embeddings.x"], "x")
    if name in ("CLIP", "internvl"):
        with pytest.raises(UserError, match=r"reads one layer of|as if it were -1"):
            read_names(config | {"vision_feature_layer": [-2] if name == "CLIP" else -2}, stored, "x")
    for key in LOADERS[config["model_type"]].keys:
        with pytest.raises(UserError, match=f"reads {key}"):
            read_names({k: v for k, v in config.items() if k != key}, stored, "x")


def published() -> dict[str, dict[str, Any]]:
    """Hub id -> config of a published model of each family."""
    kept = {name: values.get("config", {}) for name, values in kept_models().items()}
    return {name: config for name, config in kept.items() if config.get("model_type") in RELEASED}


def test_vllm_finds_every_tensor_of_models_as_large_as_published():
    for name, kept in published().items():
        config = AutoConfig.for_model(**kept)
        model = on_meta(RELEASED[config.model_type].model_class, config)
        names = set(revert_weight_conversion(model, model.state_dict()))
        if config.tie_word_embeddings:  # which is stored once
            names = {one for one in names if not one.endswith("lm_head.weight")}
        values = config.to_dict() | {"architectures": [type(model).__name__]}
        names = {tensor_name(one, values) for one in names}
        assert read_names(model_config(values, names), names, name) == names
    assert len(published()) >= 9


def test_weights_are_the_checkpoints_own(cases: Cases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """In several files, each read and written a few rows at a time."""
    monkeypatch.setattr(weight_files, "PIECE", 700)
    most = 0
    pieces = weight_files.Stored.pieces

    def watched(self: weight_files.Stored) -> Any:
        nonlocal most
        for piece in pieces(self):
            most = max(most, piece.numel() * piece.itemsize)
            yield piece

    monkeypatch.setattr(weight_files.Stored, "pieces", watched)
    saved = load_file(cases.folder("internvl") / "saved" / "model.safetensors")
    row = max(value[0].numel() for value in saved.values() if value.dim() > 1) * 4
    for dtype in (None, "bfloat16"):
        to = tmp_path / str(dtype)
        export_checkpoint(cases.folder("internvl") / "saved", to, "transformers", dtype, shard=20_000)
        index = read_json(to / "model.safetensors.index.json")
        files = sorted(set(index["weight_map"].values()))
        assert len(files) > 2
        found = {name: value for file in files for name, value in load_file(to / file).items()}
        assert found.keys() == saved.keys() == index["weight_map"].keys()
        for name, value in found.items():
            assert torch.equal(value, saved[name].to(value.dtype)), name
            assert value.dtype == (torch.bfloat16 if dtype else torch.float32)
        assert index["metadata"]["total_size"] == sum(v.numel() * v.itemsize for v in found.values())
        assert most <= max(700, row)
        verify_checksums(to)
        assert load_checkpoint(to).chat == load_checkpoint(cases.folder("internvl") / "saved").chat


def test_nothing_is_left_of_an_export_that_fails(cases: Cases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    saved, to = cases.folder("llava") / "saved", tmp_path / "out"

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exported, "write_weights", no_space)
    with pytest.raises(UserError, match="no space left while writing"):
        export_checkpoint(saved, to, "transformers")
    monkeypatch.undo()
    monkeypatch.setattr(exported, "SPARE", 1 << 62)
    with pytest.raises(UserError, match="write --dtype bf16"):
        export_checkpoint(saved, to, "transformers")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["NOT/THERE"], "no such folder"),
        (["saved/config.json"], r"is a file. Give the checkpoint's folder"),
        (["."], r"holds checkpoints and is none. Give one: .*checkpoint$"),
        (["released"], "not saved here"),
        (["empty"], "is no checkpoint"),
        (["saved", "--format", "transformer4"], "Did you mean transformers4"),
        (["saved", "--dtype", "bf6"], "Did you mean bf16"),
        (["saved", "--to", "empty"], "there already"),
        (["saved", "--to", "a file/new"], "a file is a file"),
        (["saved", "--format", "adapter"], "keeps no adapter"),
        (["altered"], "altered or cut off"),
    ],
)
def test_what_cannot_be_exported_is_told(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
):
    monkeypatch.chdir(tmp_path)
    for name in ("saved", "released"):
        (tmp_path / name).symlink_to(cases.folder("llava") / name)
    (tmp_path / "checkpoint").symlink_to(cases.folder("llava") / "saved")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").touch()
    (tmp_path / "altered").mkdir()
    for path in (cases.folder("llava") / "saved").iterdir():
        (tmp_path / "altered" / path.name).write_bytes(path.read_bytes() + b" " * (path.name == "config.json"))
    with pytest.raises(UserError, match=told):
        main([*words, *(["--to", "new"] if "--to" not in words else [])])
    assert not (tmp_path / "new").exists()


def test_a_model_that_a_format_has_no_place_for_is_refused(lvlm: LVLM, cases: Cases, tmp_path: Path):
    save_checkpoint(lvlm, tmp_path / "saved", {})  # three linear layers: a ComposedLVLM
    for kind in ("transformers4", "vllm"):
        with pytest.raises(UserError, match=r"no class of transformers has a place for .*mlp3x_gelu"):
            export_checkpoint(tmp_path / "saved", tmp_path / "out", kind)
    export_checkpoint(tmp_path / "saved", tmp_path / "out", "transformers")
    for name in COMPUTED_OTHERWISE:
        with pytest.raises(UserError, match=r"4\.57 gives patches of pictures other positions than"):
            cases.export(name, "transformers4")
    vit = CASES["ViT, plain"](tmp_path / "vit")
    save_checkpoint(vit, tmp_path / "vit" / "saved", {})
    with pytest.raises(UserError, match=r"takes no vision encoder vit\. It takes: clip_vision_model"):
        export_checkpoint(tmp_path / "vit" / "saved", tmp_path / "out4", "vllm")
