"""What is exported for transformers 4.57 is opened by it, in an environment of its own: the same tokens and logits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from export_fakes import KINDS, Cases, opened
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer, GemmaTokenizer, LlamaTokenizer, Qwen2Tokenizer

from data_builders.shared.files import read_json, user_cache
from fgtrain.model.transformers4 import COMPUTED_OTHERWISE, tokenizer_config

# The project's torch.
OLD = ("transformers==4.57.*", f"torch=={torch.__version__}", "pillow", "jinja2", "accelerate")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return Cases(tmp_path_factory.mktemp("exported"))


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
