"""A model of this project as evaluation asks it: the same chat tokens and the same pixels as in training."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_builders.shared.code_identity import code_of
from data_builders.shared.pictures import ChangedPicture
from evaluation.asking.answerers.ahead import PicturesAhead
from evaluation.asking.answerers.language import Reply
from evaluation.asking.answerers.loading import device_map
from evaluation.asking.answerers.name_trie import NameTrie, name_trie
from evaluation.protocols import Answer, Answerer, ImageQuestions, Question
from fgtrain.batch import Prompt
from fgtrain.data import FeatureCache, ImageRef, encode_options, encode_prompt, render
from fgtrain.images import Layout
from fgtrain.model import LVLM, load_checkpoint, weights_hash
from fgtrain.model.generation import answers
from fgtrain.model.half_weights import halve_weights
from fgtrain.model.text_likelihood import text_log_likelihood


class ModelAnswerer:
    """Implements evaluation.protocols.Answerer. Each image is encoded once for all its questions.

    In bf16 it runs under autocast. Within `prepared` the weights are cast once instead of at every pass, with the same
    answers.
    """

    def __init__(
        self,
        lvlm: LVLM,
        name: str,
        *,
        model_hash: str | None = None,
        features: FeatureCache | None = None,
        precision: str = "fp32",
    ) -> None:
        """`model_hash`: where the caller knows the weights' identity. `features`: outputs of this very encoder."""
        self.lvlm, self.name, self.features, self.precision = lvlm, name, features, precision
        self.model_hash = model_hash or weights_hash(lvlm)
        self.ahead = PicturesAhead(lambda path: render(ImageRef(path), lvlm.image_spec))
        self._keep: bool | None = None  # see prepared; None outside of it
        self._undo: Callable[[], None] | None = None
        self.settings = {
            "chat": lvlm.chat,
            "image": lvlm.image_spec.to_dict(),
            "precision": precision,
            "decoding": "greedy",
            "code": code_of(__name__).hash,
        }

    @contextmanager
    def prepared(self, keep: bool = True) -> Iterator[None]:
        """While it is open, asking in bf16 computes with bf16 copies of the weights, made when it begins to ask.

        Afterwards the model is as it was; without `keep` its fp32 weights are gone, and it can only be asked.
        """
        self._keep = keep
        try:
            yield
        finally:
            undo, self._undo, self._keep = self._undo, None, None
            if undo is not None:
                undo()

    def expect(self, images: Iterable[Path | ChangedPicture]) -> None:
        """See evaluation.protocols.Answerer. Kept features stand for pictures where there are some."""
        self.ahead.expect([image for image in images if not self._is_kept(image)])

    @torch.inference_mode()
    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer]]:
        layouts = [self._layouts(group.image) for group in groups]
        prompts = [self._prompt(*one) for one in zip(groups, layouts, strict=True)]
        options = [self._options(*one) for one in zip(groups, layouts, strict=True)]
        names = [self._names(*one) for one in zip(groups, layouts, strict=True)]
        with self._autocast():
            features = self._features([group.image for group in groups], layouts)
            replies = answers(self.lvlm, prompts, features, options, [self._shapes(one) for one in layouts], names)
        return [
            [self._answer(reply, question) for reply, question in zip(found, group.questions, strict=True)]
            for found, group in zip(replies, groups, strict=True)
        ]

    @torch.inference_mode()
    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        """Texts as training shows plain ones: begin of text, the text, end of text (where the tokenizer has them)."""
        tokenizer = self.lvlm.tokenizer
        begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
        end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        ids = [begin + tokenizer(text, add_special_tokens=False).input_ids + end for text in texts]
        with self._autocast():
            return text_log_likelihood(self.lvlm, ids)

    def _layouts(self, image: Path | None) -> list[Layout]:
        """What the picture becomes; none without picture."""
        if image is None:
            return []
        spec = self.lvlm.image_spec
        return [spec.layout(*(ImageRef(image).size if spec.needs_size else (1, 1)))]

    def _shapes(self, layouts: list[Layout]) -> torch.Tensor | None:
        return torch.tensor([layout.shape for layout in layouts]) if layouts else None

    def _prompt(self, group: ImageQuestions, layouts: list[Layout]) -> Prompt:
        return encode_prompt(
            [question.prompt for question in group.questions],
            layouts,
            self.lvlm.tokenizer,
            self.lvlm.chat,
            self.lvlm.image_spec,
            [question.max_new_tokens for question in group.questions],
        )

    def _options(self, group: ImageQuestions, layouts: list[Layout]) -> list[list[list[int]]]:
        lvlm = self.lvlm
        return [
            encode_options(question.prompt, question.options, layouts, lvlm.tokenizer, lvlm.chat, lvlm.image_spec)
            if question.options
            else []
            for question in group.questions
        ]

    def _names(self, group: ImageQuestions, layouts: list[Layout]) -> list[NameTrie | None]:
        lvlm = self.lvlm
        given = (lvlm.tokenizer, lvlm.chat, lvlm.image_spec)
        return [
            name_trie(encode_options(question.prompt, question.names, layouts, *given)) if question.names else None
            for question in group.questions
        ]

    def _answer(self, reply: Reply, question: Question) -> Answer:
        text = self.lvlm.tokenizer.decode(reply.tokens, skip_special_tokens=True).strip()
        options = reply.options if question.options else None
        return Answer(text, reply.finished, options, names=reply.names or None)

    def _features(self, images: list[Path | None], layouts: list[list[Layout]]) -> list[torch.Tensor | None]:
        """What the encoder makes of each picture."""
        wanted = [ImageRef(path) for path in images if path is not None]
        if not wanted:
            return [None] * len(images)
        device, spec = next(self.lvlm.parameters()).device, self.lvlm.image_spec
        kept = [ref for ref in wanted if self._is_kept(ref.path)]
        fresh = [ref for ref in wanted if not self._is_kept(ref.path)]
        encoded = dict(zip(kept, self.features.get(kept).to(device), strict=True)) if kept else {}
        if fresh and spec.fixed_tokens is not None:
            pixels_NCHW = torch.from_numpy(np.concatenate([self.ahead.take(ref.path) for ref in fresh]))
            encoded |= zip(fresh, self.lvlm.encode_images(pixels_NCHW.to(device)), strict=True)
        elif fresh:
            shown = zip(wanted, filter(None, layouts), strict=True)
            encoded = {ref: self._encoded(ref, layout) for ref, [layout] in shown}
        return [None if path is None else encoded[ImageRef(path)] for path in images]

    def _is_kept(self, image: Path | ChangedPicture) -> bool:
        """Are its features on disk, or put there? Not those of a perturbed picture, which is asked about once."""
        return self.features is not None and isinstance(image, Path)

    def _encoded(self, ref: ImageRef, layout: Layout) -> torch.Tensor:
        """One picture by itself: it may be many tiles or patches, and what it becomes must not hang on the others."""
        device = next(self.lvlm.parameters()).device
        pixels_NCHW = torch.from_numpy(self.ahead.take(ref.path)).to(device)
        return self.lvlm.encode_images(pixels_NCHW, torch.tensor([layout.shape], device=device))

    def _autocast(self) -> Any:
        if self.precision == "fp32":
            return nullcontext()
        if self._keep is not None and self._undo is None:
            self._undo = halve_weights(self.lvlm, self._keep)
        return torch.autocast(next(self.lvlm.parameters()).device.type, dtype=torch.bfloat16)


def load_answerer(folder: Path) -> Answerer | None:
    """The model in a checkpoint folder that this project saved, on a GPU where there is one; None for other folders."""
    if not (Path(folder) / "fgtrain.json").is_file():
        return None
    lvlm = load_checkpoint(Path(folder)).eval()
    place = device_map(None)  # one GPU a process where several share a run
    return ModelAnswerer(lvlm.to("cuda" if place == "auto" else place[""]), str(folder))
