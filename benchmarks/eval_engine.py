"""Questions a second: each picture read once for all its questions, against what public suites do.

    OMP_NUM_THREADS=1 python benchmarks/eval_engine.py [--pictures 12]

An InternVL of 24 M parameters with random weights in the proportions of InternVL2.5-1B (448 px, 1,024 patches, 256
image tokens), 7 questions a picture of FG-BMK's kinds and lengths, answers of up to 8 tokens. Three ways in one run,
rounds interleaved: one question at a time through `model.generate`; the same in padded batches (a picture encoded for
every question, nothing shared); this engine. Answers must be equal. CPU seconds are counted, so that a busy machine
does not matter; on a GPU the wall clock.
"""

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    GenerationConfig,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from data_builders.shared.files import write_json
from evaluation.asking.answerers.lvlm import TransformersAnswerer
from evaluation.asking.answerers.picture_tensors import together
from evaluation.protocols import ImageQuestions, Question

VOCABULARY, IMAGE, NEW_TOKENS = 4096, 3, 8
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}"
    "{{ '<image>\n' if c.type == 'image' else c.text }}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
NAMES = ("painted bunting", "black footed albatross", "sooty tern", "laysan albatross", "evening grosbeak")
QUESTIONS = (
    ("Is the species of the bird in this picture a {}? Answer with yes or no.", ("yes", "Yes", "no", "No")),
    ("Does this picture show a bird of the genus {}? Answer with yes or no.", ("yes", "Yes", "no", "No")),
    ("Is there a {} in the image? Answer with yes or no.", ("yes", "Yes", "no", "No")),
    (
        'Which species? Choose one answer from the following list: "{}", "herring gull", "house wren".',
        ("{}", "herring gull", "house wren"),
    ),
    ('Which genus? Choose one answer from the following list: "{}", "gull", "tern", "wren".', ("{}", "gull", "tern")),
    ("What is the species of the {}? Directly answer with species names.", ()),
    ("What does the {} in the image eat?", ()),
)


def piece_tokenizer(names: Sequence[str] = NAMES) -> PreTrainedTokenizerFast:
    """Pieces of up to five letters with the blank before them: prompts about as long as a real tokenizer makes them."""
    special = ["<unk>", "<s>", "</s>", "<image>", "<img>", "</img>", "<|im_start|>", "<|im_end|>"]
    pieces = r" ?[A-Za-z]{1,5}|[^A-Za-z]"
    texts = ["user\nassistant", *(text.format(name) for text, _ in QUESTIONS for name in names)]
    known = dict.fromkeys(piece for text in texts for piece in re.findall(pieces, text))
    others = (f" w{number}" for number in range(VOCABULARY))
    vocabulary = {token: i for i, token in enumerate([*special, *known, *others][:VOCABULARY])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pieces), "isolated")
    tokenizer.add_special_tokens(special)
    roles = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="left", **roles)
    made.chat_template = TEMPLATE
    return made


def write_model(folder: Path, names: Sequence[str] = NAMES) -> None:
    vision = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 4}
    text = {"hidden_size": 384, "intermediate_size": 1152, "num_hidden_layers": 8, "num_attention_heads": 6}
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(**vision, image_size=[448, 448], patch_size=[14, 14]),
        text_config=Qwen2Config(**text, num_key_value_heads=6, vocab_size=VOCABULARY, initializer_range=0.05),
        image_token_id=IMAGE,
        image_seq_length=256,
        downsample_ratio=0.5,
    )
    torch.manual_seed(0)
    model = InternVLForConditionalGeneration(config)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, 256 image tokens")
    model.save_pretrained(folder)
    piece_tokenizer(names).save_pretrained(folder)
    one_tile = {"crop_to_patches": True, "min_patches": 1, "max_patches": 1, "size": {"height": 448, "width": 448}}
    write_json(folder / "preprocessor_config.json", {"image_processor_type": "GotOcr2ImageProcessor"} | one_tile)


def draw(folder: Path, pictures: int, options: bool) -> list[ImageQuestions]:
    rng, groups = np.random.default_rng(0), []
    for number in range(pictures):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (240, 300, 3), dtype=np.uint8)).save(path)
        asked = []
        for place, (text, choices) in enumerate(QUESTIONS):
            name = NAMES[(number + place) % len(NAMES)]
            weighed = tuple(one.format(name) for one in choices) if options else ()
            asked.append(Question(text.format(name), NEW_TOKENS, weighed))
        groups.append(ImageQuestions(path, tuple(asked)))
    return groups


def alone(answerer: TransformersAnswerer, groups: list[ImageQuestions]) -> list[str]:
    """The way of public suites: picture and question together through `generate`, one after the other."""
    return [text for group in groups for q in group.questions for text in batched(answerer, [(group.image, q)])]


def in_batches(answerer: TransformersAnswerer, groups: list[ImageQuestions], size: int = 14) -> list[str]:
    flat = [(group.image, q) for group in groups for q in group.questions]
    # Alike lengths together, as a careful loop does.
    order = sorted(range(len(flat)), key=lambda i: len(flat[i][1].prompt))
    found: dict[int, str] = {}
    for at in range(0, len(order), size):
        some = order[at : at + size]
        found.update(zip(some, batched(answerer, [flat[i] for i in some]), strict=True))
    return [found[i] for i in range(len(flat))]


@torch.inference_mode()
def batched(answerer: TransformersAnswerer, asked: list) -> list[str]:
    pictures = [answerer.pictures.read(image) for image, _ in asked]
    prompts = [answerer.chat.prompt(q.prompt, picture)[0] for (_, q), picture in zip(asked, pictures, strict=True)]
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(one)) + one for one in prompts])
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])
    settings = GenerationConfig(do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=answerer.end, pad_token_id=0)
    tensors = together(pictures, ids.device, answerer.model.dtype)
    made = answerer.model.generate(input_ids=ids, attention_mask=mask, **tensors, generation_config=settings)
    return [answerer.tokenizer.decode(one[longest:], skip_special_tokens=True).strip() for one in made]


def shared(answerer: TransformersAnswerer, groups: list[ImageQuestions]) -> list[str]:
    return [answer.text for reply in answerer.answer(groups) for answer in reply]


def seconds_now() -> float:
    """CPU seconds of this process; with a GPU the wall clock."""
    return time.perf_counter() if torch.cuda.is_available() else time.process_time()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place) / "model")
        answerer = TransformersAnswerer(str(Path(place) / "model"))
        print(f"sharing: {answerer.settings['sharing']}")
        plain, weighing = (draw(Path(place), chosen.pictures, options) for options in (False, True))
        ways = {
            "one at a time, model.generate": lambda: alone(answerer, plain),
            "padded batches, nothing shared": lambda: in_batches(answerer, plain),
            "this engine": lambda: shared(answerer, plain),
            "this engine, options weighed too": lambda: shared(answerer, weighing),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        answers: dict[str, list[str]] = {}
        shared(answerer, plain[:1])  # warm
        for _ in range(chosen.rounds):
            for way, run in ways.items():
                start = seconds_now()
                answers[way] = run()
                seconds[way].append(seconds_now() - start)
    count = 7 * chosen.pictures
    rates = {way: count / statistics.median(taken) for way, taken in seconds.items()}
    first, second, third, fourth = ways
    for way, rate in rates.items():
        print(
            f"{way:34} {rate:7.2f} questions/s  x {rate / rates[first]:4.1f} of the first, "
            f"{rate / rates[second]:4.1f} of the second"
        )
    same = [sum(a == b for a, b in zip(answers[first], answers[way], strict=True)) for way in (second, third, fourth)]
    print(f"equal answers: {same} of {count} (different ones: {len(set(answers[first]))})")
    print(f"options cost {100 * (rates[third] / rates[fourth] - 1):.0f} % more time")
    enough = rates[third] >= 5 * rates[first] and rates[third] >= 3 * rates[second] and same == [count] * 3
    print("holds: at least 5x one at a time, 3x batched, equal answers" if enough else "DOES NOT HOLD")


if __name__ == "__main__":
    main()
