"""How samples are packed decides nothing but speed."""

import pytest
import torch
from model_fakes import Drawn, gradients, packed, pixels, some_samples
from torch import Tensor, nn

import fgtrain.model.seen as seen_module
from fgtrain.batch import Batch
from fgtrain.data.packing import pack
from fgtrain.data.sample import Sample
from fgtrain.model import LVLM, set_trainable
from fgtrain.model.packed_attention import PACKED
from fgtrain.recipe.model_schema import TrainPart

ALL_PARTS = {part: TrainPart(lr=1.0) for part in ("vision_encoder", "projector", "language_model")}


def images_of(samples: list[Drawn]) -> list[Tensor]:
    """Each sample's own pixels."""
    counts = [len(drawn.sample().images) for drawn in samples]
    return list(pixels(sum(counts)).split(counts))


def losses_by_sample(lvlm: LVLM, batch: Batch, labels: dict[str, int]) -> dict[str, Tensor]:
    losses_S = lvlm.token_losses_S(batch)
    losses_S.sum().backward()
    pieces = losses_S.detach().split([labels[name] for name in batch.samples])
    return dict(zip(batch.samples, pieces, strict=True))


def run(
    lvlm: LVLM, groups: list[tuple[list[Sample], Tensor]], pack_tokens: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(losses of each sample, gradient of their sum), one batch a group."""
    losses: dict[str, list[Tensor]] = {}
    for samples, images in groups:
        labels = {sample.name: sample.labels for sample in samples}
        for name, values in losses_by_sample(lvlm, packed(samples, pack_tokens, images), labels).items():
            losses.setdefault(name, []).append(values)
    return {name: torch.cat(values) for name, values in losses.items()}, gradients(lvlm)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Equal to 1e-5 of the largest value: some gradients (a key's bias) are zero but for rounding."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        part = name.split(".")[:2]
        scale = max(float(other.abs().max()) for key, other in expected.items() if key.split(".")[:2] == part)
        off = float((found[name] - tensor).abs().max())
        assert off <= 1e-5 * scale, f"{name} is off by {off} at a scale of {scale}"


@pytest.mark.parametrize("attention", [PACKED, "sdpa", "eager"])
def test_packing_changes_neither_losses_nor_gradients(lvlm: LVLM, attention: str):
    lvlm.hf.set_attn_implementation(attention)
    set_trainable(lvlm, ALL_PARTS)
    lvlm.train()
    drawn = some_samples()
    images = images_of(drawn)
    samples = [d.sample() for d in drawn]
    branches_alone = [([one], image) for d, image in zip(drawn, images, strict=True) for one in d.one_by_one()]
    losses, gradient = run(lvlm, branches_alone, 1)
    assert {name.split(".")[1] for name in gradient} == {"vision_encoder", "projector", "language_model"}
    everything = torch.cat(images)
    arrangements = {
        "one row": run(lvlm, [(samples, everything)], 10_000),
        "two rows, one padded": run(lvlm, [(samples, everything)], 90),
        "a row each": run(lvlm, [(samples, everything)], 1),
        "a batch each": run(lvlm, [([s], i) for s, i in zip(samples, images, strict=True)], 1),
        "another order": run(lvlm, [(samples[::-1], torch.cat(images[::-1]))], 10_000),
    }
    for found_losses, found_gradient in arrangements.values():
        assert_same(found_losses, losses)
        assert_same(found_gradient, gradient)


def test_what_stands_beside_a_question_does_not_leak_into_it(lvlm: LVLM):
    samples = [d.sample() for d in some_samples()]
    batch = packed(samples, 10_000)
    assert batch.token_ids_BT.shape[0] == 1
    watched_T = ((batch.sample_id_BT == 1) & (batch.branch_id_BT <= 1))[0]
    other_T = ~watched_T
    assert bool((other_T & (batch.sample_id_BT == 1)[0]).any()), "a second question about the watched image"
    own_images = int((batch.is_image_BT[0] & watched_T).sum()) // lvlm.image_spec.tokens
    learns_S = (batch.targets_BT >= 0)[0].nonzero()[:, 0]
    watched_S = watched_T[learns_S]
    before_S = lvlm.token_losses_S(batch)
    batch.token_ids_BT[0, other_T] = (batch.token_ids_BT[0, other_T] + 11) % 70
    batch.pixels_NCHW[own_images:] *= -1
    after_S = lvlm.token_losses_S(batch)
    torch.testing.assert_close(after_S[watched_S], before_S[watched_S], rtol=0, atol=1e-6)
    assert float((after_S - before_S)[~watched_S].abs().min()) > 1e-4, "what was changed matters to itself"


def test_cached_features_stand_for_pixels(lvlm: LVLM):
    set_trainable(lvlm, {part: TrainPart(lr=1.0) for part in ("projector", "language_model")})
    samples = [d.sample() for d in some_samples()]
    from_pixels = packed(samples, 90)
    features_NPF = lvlm.encode_images(pixels(len(from_pixels.pixels_NCHW)))
    from_cache = pack(samples, 90, features_NPF=features_NPF)
    torch.testing.assert_close(lvlm.token_losses_S(from_cache), lvlm.token_losses_S(from_pixels), rtol=0, atol=1e-6)
    set_trainable(lvlm, ALL_PARTS)
    with pytest.raises(RuntimeError, match="trains the vision encoder"):
        lvlm.token_losses_S(from_cache)


def test_logits_in_pieces_are_the_same(lvlm: LVLM, monkeypatch: pytest.MonkeyPatch):
    set_trainable(lvlm, ALL_PARTS)
    groups = [([d.sample() for d in some_samples()], torch.cat(images_of(some_samples())))]
    losses, gradient = run(lvlm, groups, 10_000)
    monkeypatch.setattr(seen_module, "LOGITS_AT_ONCE", 3 * lvlm.lm_head.weight.shape[0])
    in_pieces = run(lvlm, groups, 10_000)
    assert_same(in_pieces[0], losses)
    assert_same(in_pieces[1], gradient)


@pytest.mark.parametrize("learns", [["projector"], ["vision_encoder", "projector", "language_model"]])
def test_activation_checkpointing_keeps_less_and_changes_no_gradient(lvlm: LVLM, learns: list[str]):
    """Also where the language model is frozen, and so in eval mode."""
    set_trainable(lvlm, {part: TrainPart(lr=1.0) for part in learns})
    lvlm.train()
    groups = [([d.sample() for d in some_samples()], torch.cat(images_of(some_samples())))]

    def kept_and_run() -> tuple[int, dict[str, Tensor], dict[str, Tensor]]:
        kept: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            found = run(lvlm, groups, 10_000)
        return sum(tensor.numel() for tensor in kept), *found

    plain = kept_and_run()
    lvlm.checkpoint_activations(True)
    assert len(learns) > 1 or not any(m.training for m in lvlm.decoder.modules() if isinstance(m, nn.Linear))
    again = kept_and_run()
    assert again[0] < 0.6 * plain[0]
    assert_same(again[1], plain[1])
    assert_same(again[2], plain[2])
    lvlm.checkpoint_activations(False)
    assert kept_and_run()[0] == plain[0]


def test_half_precision_masks_padding_without_overflow(lvlm: LVLM):
    batch = packed([d.sample() for d in some_samples()], 90)
    assert bool((batch.sample_id_BT == 0).any())
    exact_S = lvlm.token_losses_S(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough_S = lvlm.token_losses_S(batch)
    assert rough_S.dtype == torch.float32
    assert float((rough_S - exact_S).abs().median() / exact_S.median()) < 0.1


@pytest.mark.parametrize("learns", ["projector", "vision_encoder"])
def test_a_batch_without_image_reaches_the_vision_parts_with_gradients_of_zero(lvlm: LVLM, learns: str):
    groups = set_trainable(lvlm, {learns: TrainPart(lr=1.0), "language_model": TrainPart(lr=1.0)})
    text = [d.sample() for d in some_samples() if not any(d.is_image)]
    lvlm.eval()
    expected_S = lvlm.token_losses_S(pack(text, 90)).detach()
    lvlm.train()
    for samples in (text, []):  # a device that has run out of samples runs the same modules too
        losses_S = lvlm.token_losses_S(pack(samples, 90))
        losses_S.sum().backward()
        assert torch.equal(losses_S.detach(), expected_S if samples else expected_S[:0])
        for parameter in groups[0]["params"]:
            assert parameter.grad is not None
            assert not parameter.grad.any()
        lvlm.zero_grad(set_to_none=True)


def test_images_and_their_places_must_agree(lvlm: LVLM):
    batch = packed([d.sample() for d in some_samples()], 90)
    for wrong in (batch.pixels_NCHW[:-1], None):
        batch.pixels_NCHW = wrong
        with pytest.raises(ValueError, match="image"):
            lvlm.token_losses_S(batch)
