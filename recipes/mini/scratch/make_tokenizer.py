"""Makes language_model/tokenizer.json: one token a word of the drawn world, in alphabetical order.

    python recipes/mini/scratch/make_tokenizer.py --known FOLDER --out FOLDER data/mini_worlds

goes on from the vocabulary of another tokenizer: its tokens keep their numbers, new words come behind them.

    python recipes/mini/scratch/make_tokenizer.py data/mini data/mini/world/general data/mini/world

reads every rows.jsonl and question file below the folders given. The species' names do not depend on the world's seed,
so the vocabulary does not either.
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel

from data_builders.shared.files import read_jsonl, write_json
from data_builders.templates import MOSAIC

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]
FOLDER = Path(__file__).parent / "language_model"
# Words of the chat template, and of questions that a recipe may add later (mosaics and their grids).
OTHERS = ["q: a:", "0 1 2 3 4 5 6 7 8 9 10", ", . : ; ? ! ' \" ( ) -", *MOSAIC]


def texts(folder: Path):
    for path in sorted(folder.rglob("*.jsonl")):
        for row in read_jsonl(path):
            for turn in row.get("conversations", []):
                yield turn["value"].replace("<image>", "")
            for key in ("text", "class", "question", "answer", "ref_answer"):
                if isinstance(row.get(key), str):
                    yield row[key]


def known_tokens(folder: Path | None) -> list[str]:
    """The tokens of a tokenizer in the order of their numbers; without one the special tokens."""
    if folder is None:
        return SPECIAL
    found = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    return sorted(found, key=found.get)


def main(folders: list[str], known: Path | None, out: Path) -> None:
    tokenizer = Tokenizer(WordLevel({token: i for i, token in enumerate(SPECIAL)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(behavior="isolated")]
    )
    words = set()
    for text in [*OTHERS, *(text for folder in folders for text in texts(Path(folder)))]:
        for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text.lower()):
            if part not in "{}" and "{" not in part:
                words.add(part)
    before = known_tokens(known)
    vocabulary = {token: i for i, token in enumerate([*before, *sorted(words - set(before))])}
    tokenizer.model = WordLevel(vocabulary, unk_token="<unk>")
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(out / "tokenizer.json"))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": "<unk>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1024,
        },
    )
    config = out / "config.json"
    values = json.loads(config.read_text())
    write_json(config, values | {"vocab_size": len(vocabulary)})
    print(f"{len(vocabulary)} tokens in {out}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folders", nargs="+")
    arguments.add_argument("--known", type=Path)
    arguments.add_argument("--out", type=Path, default=FOLDER)
    given = arguments.parse_args()
    main(given.folders, given.known, given.out)
