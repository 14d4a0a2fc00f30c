"""What the training benchmarks train: a small LLaVA in a large one's proportions, and mixes of drawn rows.

The words are drawn, so that lengths are as wished: one word is one token. Pictures are noise.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from data_builders.records import write_training_set
from data_builders.shared.code_identity import CodeIdentity
from data_builders.shared.files import write_json

SPECIAL = ["<unk>", "<s>", "</s>", "<image>"]
IMAGE_PIXELS, IMAGE_TOKENS = 224, 256
SMALL_VOCABULARY = 4096  # lm_head is then 8 % of the language model; of an 8 B model it is 5 %
WORDS = SMALL_VOCABULARY - len(SPECIAL) - 16


def write_model(folder: Path, vocabulary: int) -> Path:
    """A LLaVA: an encoder of 256 patches with 2 M parameters, a Llama of 17 M beside embeddings."""
    vision = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4}
    text = {"hidden_size": 384, "intermediate_size": 1152, "num_hidden_layers": 9, "num_attention_heads": 8}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision, image_size=IMAGE_PIXELS, patch_size=14),
        text_config=LlamaConfig(**text, num_key_value_heads=8, vocab_size=vocabulary, tie_word_embeddings=False),
        image_token_id=SPECIAL.index("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    words = [*SPECIAL, "Q:", "A:", *(f"w{number}" for number in range(WORDS))]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(SPECIAL)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    values = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3, "size": {"shortest_edge": IMAGE_PIXELS}}
    write_json(folder / "preprocessor_config.json", values)
    return folder


def open_world(rng: np.random.Generator, place: int) -> dict:
    """Six questions about one image: three introductions, two open questions, one for the name.

    Lengths are those of what the builder `open_world` makes by its rules of the Grocery Store data set's product texts
    (35 categories, 175 pairs), and of FG-BMK's questions for a bird's species, in tokens of a BPE with 65,000 entries:
    questions 13 in the mean (for the name 20); an introduction 57 in the mean, median 45, one in ten above 108; an
    answer to an open question 30, 25 and 49; a name 5.
    """
    introductions = [(_length(rng, 10, 17), _drawn(rng, 45, 0.68)) for _ in range(3)]
    open_questions = [(_length(rng, 10, 16), _drawn(rng, 25, 0.55)) for _ in range(2)]
    pairs = [*introductions, *open_questions, (_length(rng, 17, 22), _length(rng, 2, 7))]
    return _row(place, pairs, True, "independent")


def open_world_long(rng: np.random.Generator, place: int) -> dict:
    """Six open questions about one image, answered as FROW's references do, which a large model has written.

    Its 30 references on birds have 109 tokens in the mean, median about 97: more of the work is text's, of which no
    question can be spared.
    """
    pairs = [(_length(rng, 9, 15), _drawn(rng, 97, 0.48)) for _ in range(6)]
    return _row(place, pairs, True, "independent")


def llava(rng: np.random.Generator, place: int) -> dict:
    """A conversation of ragged length, a third of them without image."""
    words = int(np.clip(rng.lognormal(4.8, 0.8), 24, 700))
    turns = int(rng.integers(1, 4))
    each = max(4, words // turns)
    return _row(place, [(each // 4, each - each // 4)] * turns, place % 3 != 2, "dialogue")


def short_answer(rng: np.random.Generator, place: int) -> dict:
    """One question about one image, answered by a name."""
    return _row(place, [(_length(rng, 8, 12), _length(rng, 1, 4))], True, "dialogue")


# name -> (row, what the peer counts as samples in a row)
MIXES: dict[str, tuple[Callable[[np.random.Generator, int], dict], int]] = {
    "open_world": (open_world, 6),
    "open_world_long": (open_world_long, 6),
    "llava": (llava, 1),
    "short_answer": (short_answer, 1),
}


def write_mix(folder: Path, mix: str, rows: int) -> Path:
    """The training set on disk."""
    rng = np.random.default_rng(0)
    images = folder / "images"
    images.mkdir(parents=True)
    made = [MIXES[mix][0](rng, place) for place in range(rows)]
    for row in made:
        if "image" in row:
            noise = rng.integers(0, 256, (IMAGE_PIXELS, IMAGE_PIXELS, 3), dtype=np.uint8)
            Image.fromarray(noise).save(images / row["image"])
    options = {
        "builder": "benchmark",
        "code": CodeIdentity("0" * 16, {}),
        "image_root": images,
        "sources": [],
        "splits": [],
    }
    write_training_set(folder, made, name=mix, **options)
    return folder


def _length(rng: np.random.Generator, least: int, most: int) -> int:
    return int(rng.integers(least, most + 1))


def _drawn(rng: np.random.Generator, median: float, spread: float) -> int:
    """Lengths are skew: many short ones and a long tail."""
    return int(np.clip(rng.lognormal(np.log(median), spread), 6, 400))


def _row(place: int, pairs: list[tuple[int, int]], image: bool, turns: str) -> dict:
    rng = np.random.default_rng([1, place])
    conversations = []
    for number, (asked, answered) in enumerate(pairs):
        lead = "<image>\n" if image and number == 0 else ""
        for who, words in (("human", asked), ("gpt", answered)):
            text = " ".join(f"w{word}" for word in rng.integers(0, WORDS, words))
            conversations.append({"from": who, "value": (lead if who == "human" else "") + text})
    row = {"id": str(place), "conversations": conversations}
    if turns == "independent":
        row["turns"] = turns
    return row | ({"image": f"{place}.png"} if image else {})
