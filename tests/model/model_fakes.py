"""Tiny parts with real weights, drawn samples, and the slow and obvious ways to compute what the model computes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data_builders.shared.files import write_json
from fgtrain.batch import Batch, Prompt
from fgtrain.data.image import ImageRef
from fgtrain.data.packing import pack
from fgtrain.data.sample import IMAGE_ID, Branch, Sample, assemble
from fgtrain.model import LVLM
from fgtrain.recipe.model_schema import Model

SPECIAL = ["<unk>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>"]
LETTERS = "\n abcdefghijklmnopqrstuvwxyzQAHEUSTIN:?.,'0123456789"
VOCABULARY = 80
IMAGE_SIZE, IMAGE_TOKENS = 32, 16


def letter_tokenizer(image: bool = True) -> PreTrainedTokenizerFast:
    """One token a letter; without `image`, none for a picture."""
    special = SPECIAL if image else [token for token in SPECIAL if token != "<image>"]
    vocabulary = {token: i for i, token in enumerate([*special, *LETTERS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>"
    )


def drawn_module(make: object, config: object) -> nn.Module:
    """The same weights whenever it is asked for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return make(config).eval()


def llama_config(**changes: object) -> LlamaConfig:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    others = {"num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 256}
    # Weights far from zero: answers and losses then hang on every token that is seen.
    return LlamaConfig(**(sizes | others | {"initializer_range": 0.15, "tie_word_embeddings": False} | changes))


def clip_config(**changes: object) -> CLIPVisionConfig:
    sizes = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    # CLIP scales its drawn weights by this factor, in place of initializer_range.
    return CLIPVisionConfig(
        **(sizes | {"image_size": IMAGE_SIZE, "patch_size": 8, "initializer_factor": 4.0} | changes)
    )


def write_language_model(folder: Path, *, dtype: torch.dtype = torch.float32, **changes: object) -> Path:
    drawn_module(LlamaForCausalLM, llama_config(**changes)).to(dtype).save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    return folder


def write_preprocessor(folder: Path, size: int = IMAGE_SIZE) -> None:
    values = {
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
        "resample": 3,
        "size": {"shortest_edge": size},
    }
    write_json(folder / "preprocessor_config.json", values)


def write_vision_encoder(folder: Path, *, dtype: torch.dtype = torch.float32, **changes: object) -> Path:
    drawn_module(CLIPVisionModel, clip_config(**changes)).to(dtype).save_pretrained(folder)
    write_preprocessor(folder)
    return folder


def model_values(vision: Path, language: Path, **changes: object) -> Model:
    """The recipe's section `model`."""
    values = {
        "vision_encoder": str(vision),
        "projector": "mlp3x_gelu",  # a depth that no class of transformers has: a ComposedLVLM
        "language_model": str(language),
        "image_size": IMAGE_SIZE,
        "max_tokens": 128,
    }
    return Model(**(values | changes))


# ---- samples and prompts


@dataclass(frozen=True)
class Drawn:
    """One image's (or no image's) text before its branches are put together."""

    prefix_ids: list[int]
    is_image: list[bool]
    branches: list[Branch]
    name: str

    def sample(self) -> Sample:
        images = sum(self.is_image) // IMAGE_TOKENS
        refs = tuple(ImageRef(Path(f"{self.name}.png")) for _ in range(images))
        return assemble(self.prefix_ids, self.is_image, self.branches, max_tokens=128, images=refs, name=self.name)

    def one_by_one(self) -> list[Sample]:
        return [replace(self, branches=[branch]).sample() for branch in self.branches]


def draw_ids(rng: np.random.Generator, count: int) -> list[int]:
    return rng.integers(len(SPECIAL), VOCABULARY, count).tolist()


def drawn_sample(rng: np.random.Generator, branch_lengths: list[tuple[int, int]], images: int, name: str) -> Drawn:
    """Branches of (question, answer) tokens; only answers are learnt."""
    head = [1, *draw_ids(rng, int(rng.integers(0, 4)))]
    branches = [
        Branch(draw_ids(rng, asked + answered), [False] * asked + [True] * answered)
        for asked, answered in branch_lengths
    ]
    image = images * IMAGE_TOKENS
    return Drawn(head + [IMAGE_ID] * image, [False] * len(head) + [True] * image, branches, name)


def some_samples(seed: int = 0) -> list[Drawn]:
    """Samples with one to three branches, with one, two and no images."""
    rng = np.random.default_rng(seed)
    return [
        drawn_sample(rng, [(4, 3), (2, 5), (6, 1)], 1, "three questions"),
        drawn_sample(rng, [(5, 2)], 0, "text"),
        drawn_sample(rng, [(3, 4), (7, 2)], 2, "two images"),
        drawn_sample(rng, [(2, 6)], 1, "one question"),
    ]


def pixels(images: int, seed: int = 0) -> Tensor:
    return torch.randn(images, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(seed))


def packed(samples: list[Sample], pack_tokens: int, pixels_NCHW: Tensor | None = None) -> Batch:
    images = sum(len(sample.images) for sample in samples)
    return pack(samples, pack_tokens, pixels_NCHW=pixels(images) if pixels_NCHW is None else pixels_NCHW)


# ---- the obvious ways


@torch.no_grad()
def naive_greedy(lvlm: LVLM, prompt: Prompt, branch: int, pixels_NCHW: Tensor | None) -> tuple[list[int], bool]:
    """The answer by reading everything anew for each token, through transformers' own forward pass."""
    prefix = list(prompt.prefix_ids)
    ids = prefix + prompt.branches[branch]
    end = [lvlm.tokenizer.eos_token_id]
    end += [lvlm.tokenizer.convert_tokens_to_ids("<|im_end|>")] if lvlm.chat == "chatml" else []
    answer: list[int] = []
    for _ in range(prompt.max_new_tokens[branch]):
        now = torch.tensor([ids + answer])
        image_mask = torch.zeros(now.shape, dtype=torch.bool)
        image_mask[0, : len(prefix)] = torch.tensor(prompt.prefix_is_image, dtype=torch.bool)
        logits = lvlm.hf(input_ids=now, pixel_values=pixels_NCHW, image_mask=image_mask).logits
        token = int(logits[0, -1].argmax())
        if token in end:
            return answer, True
        answer.append(token)
    return answer, False


def gradients(lvlm: LVLM) -> dict[str, Tensor]:
    """Copies of all gradients; they are cleared."""
    found = {name: p.grad.clone() for name, p in lvlm.named_parameters() if p.grad is not None}
    lvlm.zero_grad(set_to_none=True)
    return found


def logits_of(lvlm: LVLM, seed: int = 3) -> Tensor:
    """Logits of one image with some text behind it, through transformers' own forward pass."""
    tokens = lvlm.image_spec.tokens
    ids = torch.tensor([[1, *[IMAGE_ID] * tokens, *draw_ids(np.random.default_rng(seed), 12)]])
    image_mask = torch.zeros(ids.shape, dtype=torch.bool)
    image_mask[:, 1 : 1 + tokens] = True
    size = lvlm.image_spec.size
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return lvlm.hf(input_ids=ids, pixel_values=image, image_mask=image_mask).logits
