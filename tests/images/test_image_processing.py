"""Pixels and token counts are those of transformers' own processing, for pictures of every shape."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import LlavaNextProcessor, LlavaOnevisionConfig, LlavaOnevisionProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from data_builders.shared.llava_as_published import padded, published_fit
from fgtrain.errors import UserError
from fgtrain.images import AnyRes, ImageSpec, Native, Split, Square, Tiles, spec_from_dict

LOOK = {"mean": (0.48, 0.46, 0.41), "std": (0.27, 0.26, 0.28), "resample": "bicubic"}
SIZES = [(32, 32), (20, 24), (64, 64), (48, 16), (16, 48), (100, 37), (37, 100), (300, 20), (20, 300), (1, 1)]
SIZES += [(2, 150), (150, 2), (31, 33), (160, 96), (96, 160), (65, 64), (128, 129), (250, 250), (333, 111), (111, 334)]
SIZES += [(7, 5), (640, 480)]
RESOLUTIONS = tuple((high * 32, wide * 32) for high in range(1, 5) for wide in range(1, 5))
SQUARE = Square(size=32, tokens=16, **LOOK)
TILES = Tiles(size=32, tokens=4, max_tiles=6, **LOOK)
ANYRES = AnyRes(size=32, tokens=16, side=4, resolutions=RESOLUTIONS, max_squares=3, **LOOK)
NEXT = AnyRes(
    size=32, tokens=16, side=4, resolutions=RESOLUTIONS, max_squares=None, processor="LlavaNextImageProcessor", **LOOK
)
NATIVE = Native(patch=4, merge=2, frames=2, min_pixels=32 * 32, max_pixels=128 * 128, **LOOK)
SPLIT = Split(size=32, tokens=4, longest=80, **(LOOK | {"resample": "lanczos"}))
SPECS = {spec.kind: spec for spec in (SQUARE, TILES, ANYRES, NATIVE, SPLIT)}


def picture(size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(size).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(values)


def theirs(processor: type, spec: ImageSpec, image: Image.Image, **changes: object) -> dict[str, torch.Tensor]:
    return processor(**{**spec.settings(), **changes})(images=[image], return_tensors="pt")


def assert_same(ours: np.ndarray, expected: torch.Tensor) -> None:
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_square(size, fit):
    """Also as other programs make it of the settings saved with a checkpoint, which say again how it was made."""
    spec = replace(SQUARE, fit=fit)
    processor = LlavaImageProcessorPil if fit == "pad" else CLIPImageProcessorPil
    assert_same(spec.pixels(picture(size)), theirs(processor, spec, picture(size))["pixel_values"])
    assert published_fit(spec.settings()) == fit
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_released_llava_pads_whatever_its_converted_settings_crop():
    """llava-hf/llava-1.5-7b-hf's settings are CLIP's; LLaVA's own code pads to the mean colour (expand2square)."""
    clip = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}, "do_center_crop": True}
    assert published_fit(clip) == "pad"
    wide = picture((40, 20))
    square = np.asarray(padded(wide, LOOK["mean"]))
    assert square.shape == (40, 40, 3)
    assert (square[10:30] == np.asarray(wide)).all()
    assert (np.concatenate([square[:10], square[30:]]) == [int(0.48 * 255), int(0.46 * 255), int(0.41 * 255)]).all()


@pytest.mark.parametrize(("fewest", "most"), [(1, 1), (1, 2), (1, 6), (1, 12), (3, 5)])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_and_their_thumbnail(size, fewest, most):
    spec = Tiles(size=32, tokens=4, min_tiles=fewest, max_tiles=most, **LOOK)
    made = theirs(GotOcr2ImageProcessorPil, spec, picture(size))
    assert_same(spec.pixels(picture(size)), made["pixel_values"])
    layout = spec.layout(*size)
    assert (layout.rows, layout.tokens) == (int(made["num_patches"]), 4 * int(made["num_patches"]))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_native_picture(size):
    made = theirs(Qwen2VLImageProcessorPil, NATIVE, picture(size))
    assert_same(NATIVE.pixels(picture(size)), made["pixel_values"])
    layout = NATIVE.layout(*size)
    assert list(layout.shape) == made["image_grid_thw"][0].tolist()
    assert layout.rows == len(made["pixel_values"])
    assert layout.tokens * 4 == layout.rows == 4 * layout.grid[0] * layout.grid[1]


def test_a_native_picture_of_too_long_a_shape_is_refused():
    with pytest.raises(UserError, match="201 x 1 pixels is more than 200 times as long"):
        NATIVE.layout(201, 1)


def processor() -> LlavaOnevisionProcessor:
    """transformers' own, as far as it counts tokens."""
    made = LlavaOnevisionProcessor.__new__(LlavaOnevisionProcessor)
    made.image_processor = LlavaOnevisionImageProcessorPil(**ANYRES.settings())
    made.num_image_tokens, made.vision_feature_select_strategy = 16, "full"
    made.vision_aspect_ratio, made.image_token = "anyres_max_3", "i"
    return made


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_picture_of_any_resolution(size):
    made = theirs(LlavaOnevisionImageProcessorPil, ANYRES, picture(size))
    assert_same(ANYRES.pixels(picture(size)), made["pixel_values"][0])
    layout = ANYRES.layout(*size)
    assert layout.shape == (len(made["pixel_values"][0]), *size[::-1])
    assert layout.tokens == len(processor().replace_image_token(made, 0))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_picture_of_any_resolution_is_cut_beside_others_too(size):
    """LLaVA-NeXT's: its encoder's class token is taken away."""
    images = [picture(size), picture((40, 30))]
    made = LlavaNextImageProcessorPil(**NEXT.settings())(images=images, return_tensors="pt")
    count = LlavaNextProcessor.__new__(LlavaNextProcessor)
    count.image_processor = LlavaNextImageProcessorPil(**NEXT.settings())
    count.patch_size, count.num_additional_image_tokens = 8, 1
    count.vision_feature_select_strategy, count.image_token = "default", "i"
    layout = NEXT.layout(*size, alone=False)
    assert_same(NEXT.pixels(images[0], alone=False), made["pixel_values"][0][: layout.rows])
    assert not made["pixel_values"][0][layout.rows :].any()
    assert layout.shape == (layout.rows, *size[::-1])
    assert layout.tokens == len(count.replace_image_token(made, 0)) <= NEXT.most_tokens


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_picture_scaled_up_and_split(size, cut):
    spec = replace(SPLIT, cut=cut)
    for made_by in (SmolVLMImageProcessorPil, Idefics3ImageProcessorPil):
        made = theirs(made_by, spec, picture(size), return_row_col_info=True)
        layout = spec.layout(*size)
        assert_same(spec.pixels(picture(size)), made["pixel_values"][0])
        assert (layout.rows, layout.tokens) == (made["pixel_values"].shape[1], 4 * layout.rows)
        assert layout.tokens <= spec.most_tokens
        tokens = ("<fake_token_around_image>", "i", "<global-img>")
        expected = get_image_prompt_string(made["rows"][0][0], made["cols"][0][0], 4, *tokens)
        assert "".join(piece if isinstance(piece, str) else "i" * piece for piece in layout.written) == expected


def test_pictures_of_one_sample_are_squares():
    sizes = [(48, 16), (20, 24), (64, 64)]
    images = [picture(size) for size in sizes]
    made = LlavaOnevisionImageProcessorPil(**ANYRES.settings())(images=[images], return_tensors="pt")
    for place, (size, image) in enumerate(zip(sizes, images, strict=True)):
        assert_same(ANYRES.pixels(image, alone=False), made["pixel_values"][place])
        layout = ANYRES.layout(*size, alone=False)
        assert layout.tokens == len(processor().replace_image_token(made, place)) == 17


def test_the_published_settings_give_the_published_counts():
    """By hand: 27 x 27 tokens a square; 448 px in 16 x 16 tokens; 28 px a token."""
    resolutions = tuple(tuple(one) for one in LlavaOnevisionConfig().image_grid_pinpoints)
    onevision = AnyRes(size=384, tokens=729, side=27, resolutions=resolutions, max_squares=9, **LOOK)
    assert onevision.layout(384, 384).tokens == 729 + 27 * 28
    assert onevision.layout(768, 384).tokens == 729 + 27 * 55
    internvl = Tiles(size=448, tokens=256, max_tiles=6, **LOOK)
    assert internvl.layout(448, 448).tokens == 256
    assert internvl.layout(896, 448).tokens == 3 * 256
    assert internvl.layout(1344, 896).tokens == 7 * 256
    qwen = Native(patch=14, merge=2, frames=2, min_pixels=56 * 56, max_pixels=28 * 28 * 1280, **LOOK)
    assert qwen.layout(280, 560).grid == (20, 10)
    assert qwen.layout(28_000, 2_800).tokens <= 1280


@pytest.mark.parametrize("kind", SPECS)
def test_a_layout_says_what_the_pixels_are_and_the_blank_is_one_of_them(kind):
    spec = SPECS[kind]
    for size in SIZES:
        for alone in (True, False):
            assert len(spec.pixels(picture(size), alone)) == spec.layout(*size, alone).rows
    pixels, shape = spec.blank()
    assert pixels.dtype == np.float32
    assert not pixels.any()
    some = spec.layout(32, 32, alone=False)
    assert pixels.shape[1:] == spec.pixels(picture((32, 32)), alone=False).shape[1:]
    assert len(shape) == len(some.shape)
    assert spec.fixed_tokens in (None, some.tokens)


@pytest.mark.parametrize("kind", SPECS)
def test_a_spec_comes_back_from_json(kind):
    spec = SPECS[kind]
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
