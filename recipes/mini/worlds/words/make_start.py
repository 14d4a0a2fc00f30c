"""Makes the language model that recipes/mini/worlds/base.yaml starts from: recipes/mini/base's, with more words.

    python recipes/mini/worlds/words/make_start.py

writes recipes/mini/worlds/start/language_model, which is not kept in the repository. A new word's row is the mean of
those that were there and a little noise of its own, so that no two names begin as one. The words are tokenizer.json's:
those of recipes/mini/base first, under their old numbers (recipes/mini/scratch/make_tokenizer.py --known).
"""

import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

WORDS = Path(__file__).parent
BASE = WORDS.parents[1] / "base/language_model"
OUT = WORDS.parent / "start/language_model"
SEED, NOISE = 17, 0.5  # noise as a share of the old rows' own spread


@torch.no_grad()
def main() -> None:
    torch.manual_seed(SEED)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    tokens = len(AutoTokenizer.from_pretrained(WORDS))
    known = model.get_input_embeddings().weight.shape[0]
    model.resize_token_embeddings(tokens, mean_resizing=False)
    rows = model.get_input_embeddings().weight
    old = rows[:known]
    rows[known:] = old.mean(0) + NOISE * old.std(0) * torch.randn(tokens - known, rows.shape[1])
    model.to(torch.float16).save_pretrained(OUT)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(WORDS / name, OUT / name)
    print(f"{known} tokens became {tokens} in {OUT}")


if __name__ == "__main__":
    main()
