"""A tiny checkpoint of every released family, rows about pictures, and the same rows as transformers reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model_fakes import LETTERS, clip_config, drawn_module, llama_config
from PIL import Image
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3Config,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from data_builders.shared.files import write_json
from fgtrain.data import encode_row
from fgtrain.data.image import render
from fgtrain.data.sample import Sample
from fgtrain.model import LVLM, build_model
from fgtrain.model.vocabulary import name_image_tokens
from fgtrain.recipe.model_schema import Model

WRAPPERS = ["<img>", "</img>", "<IMG_CONTEXT>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
SPECIAL = ["<unk>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>", *WRAPPERS]
GEMMA = ["<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"]
SMOL = ["<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
SMOL += [f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3)]
FOR_VIDEOS = ["<video>", "<|video_pad|>"]  # transformers' processors want them to be there
TOKENS = [*SPECIAL, *LETTERS, *FOR_VIDEOS, *GEMMA, *SMOL]
MEAN_STD = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
LONGEST = 1024  # tokens


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a letter."""
    vocabulary = {token: i for i, token in enumerate(TOKENS)}
    backend = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.add_special_tokens([*SPECIAL, *FOR_VIDEOS, *GEMMA, *SMOL])
    made = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="</s>", pad_token="<unk>")
    made.add_special_tokens({"additional_special_tokens": [*SPECIAL[3:], *FOR_VIDEOS, *GEMMA, *SMOL]})
    return made


def token(name: str) -> int:
    return TOKENS.index(name)


@dataclass(frozen=True)
class Fake:
    """`image`: the token that stands for a picture's; `processor`: transformers' own; `settings`: its file."""

    make: Callable[[], Any]
    image: str
    processor: type
    settings: dict[str, Any]


def _text() -> Any:
    return llama_config(max_position_embeddings=LONGEST, vocab_size=100)


def _llava() -> Any:
    config = LlavaConfig(
        vision_config=clip_config(), text_config=_text(), image_token_index=token("<image>"), vision_feature_layer=-2
    )
    return drawn_module(LlavaForConditionalGeneration, config)


def _next() -> Any:
    config = LlavaNextConfig(
        vision_config=clip_config(),
        text_config=_text(),
        image_token_index=token("<image>"),
        vision_feature_layer=-2,
        image_grid_pinpoints=RESOLUTIONS,
    )
    return drawn_module(LlavaNextForConditionalGeneration, config)


def _onevision() -> Any:
    sizes = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**sizes, image_size=32, patch_size=8, vision_use_head=False),
        text_config=_text(),
        image_token_index=token("<image>"),
        video_token_index=token("<unk>"),
        image_grid_pinpoints=RESOLUTIONS,
        vision_aspect_ratio="anyres_max_2",
    )
    return drawn_module(LlavaOnevisionForConditionalGeneration, config)


def _internvl(text: Any = None) -> Any:
    sizes = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = InternVLVisionConfig(**sizes, image_size=32, patch_size=8, initializer_range=0.1)
    config = InternVLConfig(
        vision_config=vision, text_config=text or _text(), image_token_id=token("<IMG_CONTEXT>"), image_seq_length=4
    )
    return drawn_module(InternVLForConditionalGeneration, config)


SIZES = {"hidden_size": 32, "intermediate_size": 48}
TEXT = SIZES | {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(TOKENS)}
TEXT |= {"max_position_embeddings": LONGEST, "initializer_range": 0.15, "bos_token_id": None, "eos_token_id": 2}


def _internvl3_5() -> Any:
    return _internvl(Qwen3Config(**TEXT, head_dim=8))


def _qwen(config: type, model: type, vision: dict, **text: Any) -> Any:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}
    vision = {"depth": 2, "num_heads": 2, "patch_size": 4, "initializer_range": 0.1, **vision}
    made = config(
        vision_config=vision,
        text_config={**TEXT, "rope_parameters": rope, **text},
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<unk>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    return drawn_module(model, made)


def _qwen2_vl() -> Any:
    return _qwen(Qwen2VLConfig, Qwen2VLForConditionalGeneration, {"embed_dim": 24, "hidden_size": 32, "mlp_ratio": 2})


def _qwen2_5_vl() -> Any:
    vision = {**SIZES, "window_size": 16, "out_hidden_size": 32, "fullatt_block_indexes": [1]}
    return _qwen(Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, vision)


def _qwen3_vl() -> Any:
    """Its grid of learnt places is smaller than most pictures; two of three layers speak to the decoder."""
    vision = {**SIZES, "depth": 3, "out_hidden_size": 32, "num_position_embeddings": 36}
    vision |= {"deepstack_visual_indexes": [0, 1]}
    return _qwen(Qwen3VLConfig, Qwen3VLForConditionalGeneration, vision, num_hidden_layers=3, head_dim=8)


def _gemma3() -> Any:
    """One layer of two attends within a window, whose rotation is another."""
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**TEXT, "head_dim": 8, "sliding_window": LONGEST, "pad_token_id": 0}
    config = Gemma3Config(
        vision_config={**vision, "image_size": 32, "patch_size": 4, "vision_use_head": False},
        text_config={**text, "layer_types": ["sliding_attention", "full_attention"]},
        mm_tokens_per_image=16,
        image_token_id=token("<image_soft_token>"),
        boi_token_id=token("<start_of_image>"),
        eoi_token_id=token("<end_of_image>"),
    )
    model = drawn_module(Gemma3ForConditionalGeneration, config)
    with torch.no_grad():
        # Drawn as zeros.
        model.model.multi_modal_projector.mm_input_projection_weight.normal_(generator=torch.Generator().manual_seed(1))
        # Tied and scaled, it would make the model say the last token again.
        model.model.language_model.embed_tokens.weight *= 0.05
    return model


def _smol(config: type = SmolVLMConfig, model: type = SmolVLMForConditionalGeneration) -> Any:
    vision = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    made = config(
        vision_config={**vision, "image_size": 32, "patch_size": 8, "initializer_range": 0.1},
        text_config=_text(),
        image_token_id=token("<image>"),
        scale_factor=2,
    )
    return drawn_module(model, made)


def _idefics3() -> Any:
    return _smol(Idefics3Config, Idefics3ForConditionalGeneration)


RESOLUTIONS = [[high, wide] for high in (32, 64, 96) for wide in (32, 64, 96)]
SQUARE = {"resample": 3, **MEAN_STD, "size": {"height": 32, "width": 32}}
TILES = {**SQUARE, "crop_to_patches": True, "min_patches": 1, "max_patches": 4}
NATIVE = {"resample": 3, **MEAN_STD, "min_pixels": 256, "max_pixels": 2048, "patch_size": 4, "merge_size": 2}
SPLIT = {"resample": 1, **MEAN_STD, "size": {"longest_edge": 80}, "max_image_size": {"longest_edge": 32}}
NEXT = {**SQUARE, "crop_size": SQUARE["size"], "image_grid_pinpoints": RESOLUTIONS}
FAKES = {
    "llava": Fake(_llava, "<image>", CLIPImageProcessorPil, {**SQUARE, "do_center_crop": False}),
    "llava_next": Fake(_next, "<image>", LlavaNextImageProcessorPil, NEXT),
    "llava_onevision": Fake(
        _onevision, "<image>", LlavaOnevisionImageProcessorPil, {**SQUARE, "image_grid_pinpoints": RESOLUTIONS}
    ),
    "internvl": Fake(_internvl, "<IMG_CONTEXT>", GotOcr2ImageProcessorPil, TILES),
    "internvl3_5": Fake(_internvl3_5, "<IMG_CONTEXT>", GotOcr2ImageProcessorPil, TILES),
    "qwen2_vl": Fake(_qwen2_vl, "<|image_pad|>", Qwen2VLImageProcessorPil, NATIVE),
    "qwen2_5_vl": Fake(_qwen2_5_vl, "<|image_pad|>", Qwen2VLImageProcessorPil, NATIVE),
    "smolvlm": Fake(_smol, "<image>", SmolVLMImageProcessorPil, SPLIT),
    "idefics3": Fake(
        _idefics3, "<image>", Idefics3ImageProcessorPil, SPLIT | {"image_processor_type": "Idefics3ImageProcessor"}
    ),
    "gemma3": Fake(_gemma3, "<image_soft_token>", Gemma3ImageProcessorPil, SQUARE),
    "qwen3_vl": Fake(_qwen3_vl, "<|image_pad|>", Qwen2VLImageProcessorPil, NATIVE),
}
FAMILIES = tuple(FAKES)


def write_family(kind: str, folder: Path) -> Path:
    fake = FAKES[kind]
    model, words = fake.make(), tokenizer()
    model.save_pretrained(folder)
    name_image_tokens(words, model.config.model_type)
    words.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", fake.settings)
    return folder


def built(folder: Path, device: torch.device | str = "cpu", **changes: Any) -> LVLM:
    model = Model(checkpoint=str(folder), max_tokens=LONGEST, **changes)
    return build_model(model, network=False, seed=5, device=device)


# ---- rows


def write_pictures(folder: Path) -> Path:
    for name, size in (("wide", (70, 30)), ("high", (24, 90)), ("even", (32, 32)), ("large", (130, 100))):
        values = np.random.default_rng(size).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")
    return folder


def _row(name: str, images: list[str], *talk: str, independent: bool = False) -> dict:
    lead = "<image>\n" * len(images)
    turns = [{"from": "gpt" if i % 2 else "human", "value": text if i else lead + text} for i, text in enumerate(talk)]
    row = {"id": name, "conversations": turns, **({"image": [f"{i}.png" for i in images]} if images else {})}
    return row | ({"turns": "independent"} if independent else {})


ROWS = [
    _row("three questions", ["wide"], "what is it?", "a gull", "how many?", "2", "sea?", "no", independent=True),
    _row("text", [], "how many?", "three of 4"),
    _row("two pictures", ["even", "high"], "which?", "the first", "and then?", "the other", independent=True),
    _row("a dialogue", ["large"], "what?", "a bird", "where?", "at sea"),
]


def samples_of(lvlm: LVLM, folder: Path, rows: list[dict] = ROWS) -> list[Sample]:
    return [
        encode_row(row, lvlm.tokenizer, lvlm.chat, lvlm.image_spec, LONGEST, image_root=folder, name=row["id"])
        for row in rows
    ]


def one_by_one(lvlm: LVLM, folder: Path) -> list[Sample]:
    """Each independent question as a row of its own."""
    rows = []
    for row in ROWS:
        turns = row["conversations"]
        if row.get("turns") != "independent":
            rows.append(row)
            continue
        for place in range(0, len(turns), 2):
            asked, answer = turns[place : place + 2]
            lead = "" if place == 0 else "<image>\n" * len(row["image"])
            pair = [{**asked, "value": lead + asked["value"]}, answer]
            rows.append({"id": row["id"], "image": row["image"], "conversations": pair})
    return samples_of(lvlm, folder, rows)


def pixels_of(lvlm: LVLM, samples: list[Sample]) -> Tensor | None:
    rows = [render(ref, lvlm.image_spec, alone=len(s.images) == 1) for s in samples for ref in s.images]
    return torch.from_numpy(np.concatenate(rows)) if rows else None


# ---- as transformers reads them


def native_ids(kind: str, sample: Sample, branch: int) -> Tensor:
    """[1, tokens] of one branch, each image token by the token that stands for it."""
    mine = np.isin(sample.branch_ids, [0, branch])
    return torch.tensor(np.where(sample.is_image, token(FAKES[kind].image), sample.token_ids)[mine])[None].long()


def native_inputs(kind: str, lvlm: LVLM, sample: Sample, branch: int) -> dict[str, Tensor]:
    """What transformers' own forward takes for one branch of a sample."""
    fake = FAKES[kind]
    ids = native_ids(kind, sample, branch)
    inputs: dict[str, Tensor] = {"input_ids": ids}
    if not sample.images:
        return inputs
    pictures = [Image.open(ref.path).convert("RGB") for ref in sample.images]
    together = len(pictures) > 1 and kind in ("llava_onevision", "smolvlm", "idefics3")
    many = [pictures] if together else pictures
    made = fake.processor(**lvlm.image_spec.settings())(images=many, return_tensors="pt")
    made.pop("num_patches", None)
    made.pop("num_crops", None)
    if kind == "gemma3":
        inputs["token_type_ids"] = (ids == token(fake.image)).int()
    if kind.startswith("qwen"):
        inputs["mm_token_type_ids"] = (ids == token(fake.image)).int()
    return inputs | dict(made)
