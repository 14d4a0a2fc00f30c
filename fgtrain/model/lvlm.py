"""An LVLM as training and evaluation see it: images to features, batches to losses. How it answers: generation.py."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from fgtrain.batch import IGNORE_INDEX, Batch
from fgtrain.images import ImageSpec
from fgtrain.plan.attention_way import Way

from .activation_checkpointing import checkpoint_layers, layers_of
from .attention_choice import way_of
from .families import PARTS, Family, find_parts, submodule
from .last_layer import last_layer_only_at
from .layer_kernels import switch_compiled
from .packed_attention import attention_arguments, mask_dtype, use_packed_attention, why_dense
from .seen import Seen


class LVLM(nn.Module):
    """A transformers model (`hf`, what is saved) with its parts by name. Nothing learns until `set_trainable`.

    `parts` holds one module a part (a ModuleList where a part is several modules); it registers nothing, so that
    `state_dict` names every tensor once, by its place in `hf`.
    """

    def __init__(
        self, hf: PreTrainedModel, family: Family, tokenizer: Any, image_spec: ImageSpec, chat: str, max_tokens: int
    ) -> None:
        super().__init__()
        self.hf = hf
        self.family = family
        self.tokenizer = tokenizer
        self.image_spec = image_spec
        self.chat = chat
        self.max_tokens = max_tokens
        self.parts: dict[str, nn.Module] = find_parts(hf, family)
        self.learning: set[str] = set()  # parts that learn; set by set_trainable
        self.checkpoints = False  # see checkpoint_activations
        self.attention = "auto"  # the recipe's devices.attention
        self.compiles = False  # see compile_layers
        use_packed_attention(self.decoder)
        # Vision parts that a batch without images runs as well, though frozen: with weights in shards, ranks gather
        # them together, so none may leave one out. Set by training.
        self.always_run: frozenset[str] = frozenset()
        self.most_of_ranks: Callable[[int], int] = lambda own: own  # the largest such number on any rank
        self.requires_grad_(False)
        self.eval()

    @property
    def decoder(self) -> nn.Module:
        return submodule(self.hf, self.family.decoder)

    @property
    def lm_head(self) -> nn.Module:
        return self.hf.get_output_embeddings()

    @property
    def device(self) -> torch.device:
        return self.hf.get_input_embeddings().weight.device

    def part_parameters(self, part: str) -> list[tuple[str, nn.Parameter]]:
        """(name in the whole model, parameter) of a part; tied tensors once."""
        inside = {id(parameter) for parameter in self.parts[part].parameters()}
        return [(name, parameter) for name, parameter in self.named_parameters() if id(parameter) in inside]

    def train(self, mode: bool = True) -> "LVLM":
        """As in torch, but frozen parts stay in eval mode (dropout, drop-path), as do BatchNorms that do not learn."""
        super().train(mode)
        for part in PARTS:
            if part not in self.learning:
                self.parts[part].eval()
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not any(
                parameter.requires_grad for parameter in module.parameters()
            ):
                module.eval()  # under LoRA its weights are frozen, so its statistics must be too
        if self.checkpoints:
            for layer in layers_of(self.decoder):
                layer.training = mode  # else a frozen one keeps its activations; what is inside stays in eval mode
        if self.compiles:
            switch_compiled(self.decoder, mode)
        return self

    def checkpoint_activations(self, wanted: bool) -> None:
        """Keep only layers' inputs for the backward pass and compute the rest again. UserError where it cannot be."""
        checkpoint_layers(self.decoder, self.parts["vision_encoder"], wanted)
        self.checkpoints = wanted
        self.train(self.training)

    def settle_attention(self, wanted: str, device: torch.device, bf16: bool) -> Way:
        """How the decoder's attention will be computed on a device where `wanted` is the recipe's devices.attention: on
        a GPU it is tried now. UserError where that cannot be.
        """
        self.attention = wanted
        dtype = torch.bfloat16 if bf16 else torch.float32
        return way_of(self.decoder, why_dense(self.decoder), device, dtype, wanted)

    def compile_layers(self) -> None:
        """Train with compiled layers. Asked, the model runs as it is written: each length would compile anew."""
        self.compiles = True
        self.train(self.training)

    # ---- images

    def encode_images(self, pixels_NCHW: Tensor, shapes_IK: Tensor | None = None) -> Tensor:
        """features_NPF in fp32: the vision encoder with layer choice and pooling, all that a feature cache stores."""
        return self.family.encode(self.hf, pixels_NCHW, shapes_IK).float()

    def project(self, features_NPF: Tensor) -> Tensor:
        """embeds_NPD: image tokens as the language model reads them."""
        if self.family.feature_size is None:
            return features_NPF
        return submodule(self.hf, self.family.parts["projector"][0])(features_NPF)

    def image_tokens(self, features_NPF: Tensor, shapes_IK: Tensor | None = None) -> Tensor:
        """The image tokens of all pictures [tokens, D], in the order in which they are read."""
        embeds_NPD = self.project(features_NPF)
        if self.family.arrange is None:
            return embeds_NPD.flatten(0, 1)
        return self.family.arrange(self.hf, embeds_NPD, shapes_IK)

    def _image_tokens(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """(projected image tokens [tokens, D], the features_NPF that they are made of); None when it has no image."""
        if batch.features_NPF is not None and len(batch.features_NPF):
            if "vision_encoder" in self.learning:
                raise RuntimeError("cached features were given to a stage that trains the vision encoder")
            features_NPF = batch.features_NPF.float()
            return self.image_tokens(features_NPF, batch.shapes_IK), features_NPF
        if batch.pixels_NCHW is not None and len(batch.pixels_NCHW):
            features_NPF = self.encode_images(batch.pixels_NCHW, batch.shapes_IK)
            return self.image_tokens(features_NPF, batch.shapes_IK), features_NPF
        return None, None

    def blank(self, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """(pixels_NCHW, shapes_IK) of the smallest picture, black, on the model's device or another."""
        pixels, shape = self.image_spec.blank()
        device = device or self.device
        # What code reads of a shape it must find there, so on the meta device shapes stay numbers.
        shapes_IK = torch.tensor([shape], device="cpu" if device.type == "meta" else device)
        return torch.from_numpy(pixels).to(device), shapes_IK

    def _dummy(self, device: torch.device) -> Tensor | None:
        """0 x what the vision parts make of a black image, so that every rank runs the same modules.

        The device is given: only its own module may touch a weight that lies in shards.
        """
        needed = self.learning | self.always_run
        if not {"vision_encoder", "projector"} & needed:
            return None
        pixels_NCHW, shapes_IK = self.blank(device)
        size = self.family.feature_size
        if "vision_encoder" in needed or size is None:
            encoder = self.parts["vision_encoder"]
            was_training = encoder.training
            encoder.eval()  # a black image must not enter BatchNorm's statistics
            features_NPF = self.encode_images(pixels_NCHW, shapes_IK)
            encoder.train(was_training)
            if was_training:
                self.train()
        else:
            count = self.family.feature_tokens
            tokens = self.image_spec.tokens if count is None else count(self.hf.config)
            features_NPF = torch.zeros(1, tokens, size(self.hf.config), device=device)
        return 0.0 * self.image_tokens(features_NPF, shapes_IK).float().sum()

    def embed(self, batch: Batch) -> Tensor:
        """embeds_BTD: token embeddings, with image tokens at `is_image_BT`, as `with_images` has them. ValueError when
        their numbers differ.
        """
        return self._embed(batch)[0]

    def _embed(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(embeds_BTD, the image tokens in it, the features that these are made of). On all ranks modules run in the
        same order, image or none.
        """
        embeds_BTD = self.hf.get_input_embeddings()(batch.token_ids_BT)
        images_D, features_NPF = self._image_tokens(batch)
        if images_D is not None:
            places = int(batch.is_image_BT.sum())
            if places != len(images_D):
                raise ValueError(f"{len(images_D)} image tokens do not fill {places} image positions")
            return self.with_images(embeds_BTD, batch.is_image_BT, images_D), images_D, features_NPF
        if batch.is_image_BT.any():
            raise ValueError(f"{int(batch.is_image_BT.sum())} image positions, but no image")
        dummy = self._dummy(embeds_BTD.device) if self.training else None
        return (embeds_BTD if dummy is None else embeds_BTD + dummy.to(embeds_BTD.dtype)), None, None

    def with_images(self, embeds_BTD: Tensor, is_image_BT: Tensor, images_D: Tensor) -> Tensor:
        """Embeddings with image tokens in their places. Under DeepStack [B, T, D x (1 + layers)], the same width as the
        image tokens, zeros behind the text's.
        """
        wider = F.pad(embeds_BTD, (0, images_D.shape[-1] - embeds_BTD.shape[-1]))
        return wider.masked_scatter(is_image_BT[..., None], images_D.to(wider.dtype))

    def decoder_inputs(self, embeds_BTD: Tensor, is_image_BT: Tensor) -> dict[str, Any]:
        """What the decoder takes for embeddings as `with_images` makes them."""
        if not self.family.deepstack:
            return {"inputs_embeds": embeds_BTD}
        first, *deeper = embeds_BTD.split(self.hf.get_input_embeddings().embedding_dim, dim=-1)
        if not deeper:
            return {"inputs_embeds": first}
        added = [more[is_image_BT] for more in deeper]
        return {"inputs_embeds": first, "visual_pos_masks": is_image_BT, "deepstack_visual_embeds": added}

    # ---- text

    def hidden_BTD(self, embeds_BTD: Tensor, batch: Batch) -> Tensor:
        """The decoder's last hidden states, each token seeing its own sample's prefix and its own branch only."""
        joined, dtype = self.family.joined_images, mask_dtype(embeds_BTD)
        attention = attention_arguments(self.decoder, batch, dtype, self.attention, joined)
        inputs = self.decoder_inputs(embeds_BTD, batch.is_image_BT)
        output = self.decoder(**inputs, position_ids=batch.position_ids_BT, use_cache=False, **attention)
        return output.last_hidden_state

    def learn_from(self, batch: Batch, read: Callable[[Seen], Any]) -> Any:
        """What `read` makes of one pass over the batch. Losses are made in here, where sharded weights are at hand."""
        places_S = (batch.targets_BT != IGNORE_INDEX).flatten().nonzero()[:, 0]
        # A checkpointed layer is computed again when this is over, and a compiled one has no place for it.
        whole = self.checkpoints or self.compiles
        with nullcontext() if whole else last_layer_only_at(self.decoder, places_S):
            embeds_BTD, images_D, features_NPF = self._embed(batch)
            hidden_BTD = self.hidden_BTD(embeds_BTD, batch)
        hidden_SD = hidden_BTD.flatten(0, 1).index_select(0, places_S)
        return read(Seen(self, batch, places_S, hidden_SD, images_D, features_NPF))

    def token_losses_S(self, batch: Batch) -> Tensor:
        """Cross entropy (natural log, fp32) at each supervised position, rows in order. Only these meet `lm_head`."""
        return self.learn_from(batch, lambda seen: seen.losses_S)
