"""Tiny released models with random weights, one folder an architecture, as transformers saves them."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    CLIPVisionConfig,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    OPTConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    T5Config,
)

SPECIAL = ["<unk>", "<s>", "</s>", "<image>", "<img>", "</img>", "<|im_start|>", "<|im_end|>", "<|vision|>"]
LETTERS = "\n abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:?.,'\"0123456789"
VOCABULARY = 96
IMAGE = SPECIAL.index("<image>")
END = SPECIAL.index("</s>")
TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 2048, "tie_word_embeddings": False,
    "bos_token_id": 1, "eos_token_id": END, "pad_token_id": 0,
}  # fmt: skip
VISION = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
TEMPLATE = (
    "{% for m in messages %}{{ '<s>' if loop.first }}{{ 'USER: ' if m.role == 'user' else 'ASSISTANT: ' }}"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    "{{ '<image>\n' if c.type == 'image' else c.text }}{% endfor %}{% endif %}{{ '</s>' if m.role != 'user' }} "
    "{% endfor %}{{ 'ASSISTANT:' if add_generation_prompt }}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for c in m.content %}{{ '<|vision|><image>' if c.type == 'image' else c.text }}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' if add_generation_prompt }}"
)
NORMAL = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "do_convert_rgb": True, "rescale_factor": 1 / 255,
    "resample": 3, "image_mean": [0.5, 0.4, 0.6], "image_std": [0.5, 0.3, 0.2],
}  # fmt: skip


def letter_tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """One token a letter."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *LETTERS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.add_special_tokens(SPECIAL)
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>"
    )
    made.chat_template = template
    return made


def save(model: torch.nn.Module, folder: Path, preprocessor: dict, template: str | None = TEMPLATE) -> Path:
    """Weights far from zero, so that an answer hangs on every token that is seen. One letter ends answers early;
    special tokens, which do not show in an answer, are not written."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * 0.3
            parameter.copy_(1 + drawn if "norm" in name and name.endswith("weight") else drawn)
        head = model.get_output_embeddings().weight
        head[[i for i in range(len(SPECIAL)) if i != END] + list(range(len(SPECIAL) + len(LETTERS), len(head)))] = 0
    model.generation_config.eos_token_id = [END, len(SPECIAL) + 20]
    model.eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(NORMAL | preprocessor), encoding="utf-8")
    letter_tokenizer(template).save_pretrained(folder)
    return folder


def llava(folder: Path) -> Path:
    vision = CLIPVisionConfig(**VISION, image_size=32, patch_size=8, projection_dim=8)
    config = LlavaConfig(
        vision_config=vision, text_config=LlamaConfig(**TEXT), image_token_index=IMAGE, image_seq_length=16,
        vision_feature_layer=-1,
    )  # fmt: skip
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    return save(LlavaForConditionalGeneration(config), folder, {"image_processor_type": "CLIPImageProcessor"} | size)


def internvl(folder: Path) -> Path:
    vision = InternVLVisionConfig(**VISION, image_size=[32, 32], patch_size=[8, 8], use_qk_norm=False)
    config = InternVLConfig(
        vision_config=vision, text_config=Qwen2Config(**TEXT), image_token_id=IMAGE, image_seq_length=4,
        downsample_ratio=0.5,
    )  # fmt: skip
    tiles = {"size": {"height": 32, "width": 32}, "crop_to_patches": True, "min_patches": 1, "max_patches": 4}
    processor = {"image_processor_type": "GotOcr2ImageProcessor"} | tiles
    return save(InternVLForConditionalGeneration(config), folder, processor, CHATML)


def qwen(folder: Path) -> Path:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 8, "out_hidden_size": 32,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "fullatt_block_indexes": [1], "window_size": 32,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_parameters": rope}, vision_config=vision, image_token_id=IMAGE,
        vision_start_token_id=SPECIAL.index("<|vision|>"), vision_end_token_id=5, video_token_id=4,
    )  # fmt: skip
    processor = {
        "image_processor_type": "Qwen2VLImageProcessor", "patch_size": 8, "merge_size": 2, "temporal_patch_size": 2,
        "size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 64},
    }  # fmt: skip
    return save(Qwen2_5_VLForConditionalGeneration(config), folder, processor, CHATML)


def blip2(folder: Path, text: object) -> Path:
    vision = {**VISION, "image_size": 32, "patch_size": 8}
    qformer = {**VISION, "vocab_size": VOCABULARY, "encoder_hidden_size": 24, "cross_attention_frequency": 1}
    config = Blip2Config(
        vision_config=vision, qformer_config=qformer, text_config=text, num_query_tokens=4, image_token_index=IMAGE
    )
    processor = {"image_processor_type": "BlipImageProcessor", "size": {"height": 32, "width": 32}}
    return save(Blip2ForConditionalGeneration(config), folder, processor, None)


def blip2_opt(folder: Path) -> Path:
    sizes = {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return blip2(folder, OPTConfig(**sizes, vocab_size=VOCABULARY, word_embed_proj_dim=32, max_position_embeddings=512))


def blip2_t5(folder: Path) -> Path:
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    ends = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": END}
    return blip2(folder, T5Config(**sizes, **ends, vocab_size=VOCABULARY, tie_word_embeddings=False))


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "llava": llava, "internvl": internvl, "qwen2_5_vl": qwen, "blip2_opt": blip2_opt, "blip2_t5": blip2_t5,
}  # fmt: skip
SHARED = ("llava", "internvl", "qwen2_5_vl")
