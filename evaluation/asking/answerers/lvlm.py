"""Any LVLM that transformers loads as image-text-to-text, as evaluation asks it.

Where the family allows it, a picture is encoded and read once for all its questions. Whether it does is not believed
but measured when the model is loaded: both ways must give the same probabilities. Otherwise questions are asked one by
one, and `settings` says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from data_builders.shared.code_identity import code_of
from data_builders.shared.errors import UserError

from ...protocols import Answer, ImageQuestions, Question
from ...shared.pretrained import first_line
from .ahead import PicturesAhead
from .branches import answer_branches, in_groups
from .chat import Chat
from .language import Branch, Reply
from .loading import default_dtype, files_hash, load_lvlm, load_tokenizer, weights_hash
from .name_trie import name_trie
from .one_by_one import OneByOne
from .picture_tensors import Picture, PictureReader
from .prefix import PrefixReader

PREFIX_TOKENS_AT_ONCE = 8192  # padded tokens of one pass over pictures
BRANCH_TOKENS_AT_ONCE = 16384  # cached tokens of the rows that decode together
# Of two ways to the same log-probability: rounding in fp32, in half precision.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}


class TransformersAnswerer:
    """Implements evaluation.protocols.Answerer."""

    def __init__(
        self, source: str, *, dtype: str | None = None, device: str | None = None, sharing: bool = True
    ) -> None:
        """`sharing`: False asks one by one in any case. UserError when the model cannot be loaded or asked."""
        dtype = dtype or default_dtype(device)
        self.name = source
        self.model, self.config = load_lvlm(source, dtype, device)
        self.tokenizer = load_tokenizer(source)
        image_token_id = self._image_token_id()
        self.pictures = PictureReader(source, self.config, self.tokenizer, image_token_id)
        self.chat = Chat(source, self.tokenizer, self.config.model_type, self.pictures.placeholder)
        self.ahead = PicturesAhead(lambda path: self.pictures.read(path))
        self.end = self._end_tokens()
        self.alone = OneByOne(self.model, self.tokenizer, image_token_id, self.end)
        self.measures_text = not self.alone.encoder_decoder and not self.alone.needs_picture
        self.branch_tokens = BRANCH_TOKENS_AT_ONCE
        self.prefixes: PrefixReader | None = None
        why = "asked for" if not sharing else self._try_sharing(image_token_id)
        self.model_hash = weights_hash(source)
        self.settings = {
            "answerer": "transformers",
            "files": files_hash(source),
            "chat": self.chat.settings,
            "image": self.pictures.settings,
            "precision": dtype,
            "decoding": "greedy",
            "sharing": f"no ({why})" if why else "each picture is read once for all its questions",
            "code": code_of(__name__).hash,
        }

    @torch.inference_mode()
    def answer(self, groups: list[ImageQuestions]) -> list[list[Answer]]:
        if self.prefixes is None:
            return [self._one_by_one(group) for group in groups]
        while True:
            try:
                return self._shared(groups)
            except torch.OutOfMemoryError:
                if self.branch_tokens < 256:
                    raise
                self.branch_tokens //= 2  # what fits one GPU and model does not fit another
                torch.cuda.empty_cache()

    def expect(self, images: Iterable[Path]) -> None:
        """See evaluation.protocols.Answerer. Processors that read text as well may not be called by several threads."""
        self.ahead.expect(images if self.pictures.batches else ())

    @torch.inference_mode()
    def text_log_likelihood(self, texts: list[str]) -> list[tuple[float, int]]:
        begin, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        results = []
        for text in texts:
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            ids = [begin] * (begin is not None) + ids + [end] * (end is not None)
            results.append(self.alone.text(ids))
        return results

    def _image_token_id(self) -> int:
        for name in ("image_token_id", "image_token_index"):
            if isinstance(found := getattr(self.config, name, None), int):
                return found
        raise UserError(f"--model {self.name}: its config names no image token (image_token_id)")

    def _end_tokens(self) -> list[int]:
        """Tokens that end an answer: those that the generation settings, the tokenizer and the chat template name."""
        named = getattr(self.model.generation_config, "eos_token_id", None)
        ids = {*(named if isinstance(named, list | tuple) else [named]), self.tokenizer.eos_token_id}
        return sorted({one for one in ids | self.chat.end_tokens() if isinstance(one, int)})

    def _one_by_one(self, group: ImageQuestions) -> list[Answer]:
        picture = self._picture(group.image)
        answers = []
        for question in group.questions:
            ids, _ = self.chat.prompt(question.prompt, picture)
            options = self._options(question.prompt, question.options, picture)
            names = self.alone.names(ids, picture, self._names(question, picture)) if question.names else ()
            if question.max_new_tokens or not question.names:
                reply = self.alone.reply(ids, picture, question.max_new_tokens, options)
            else:
                reply = Reply([], False, self.alone.weigh(ids, picture, options))
            answers.append(self._answer(replace(reply, names=names), question))
        return answers

    def _shared(self, groups: Sequence[ImageQuestions]) -> list[list[Answer]]:
        replies: list[list[Reply]] = [[]] * len(groups)
        asked = [self._tokens(group) for group in groups]
        for chosen in in_groups(
            range(len(groups)), lambda i: max(1, asked[i][1]), min(PREFIX_TOKENS_AT_ONCE, self.branch_tokens)
        ):
            # A family whose pictures cannot be put one behind the other is read one picture at a time.
            for some in [chosen] if self.pictures.batches else [[i] for i in chosen]:
                for i, found in zip(some, self._read(some, asked, groups), strict=True):
                    replies[i] = found
        return [
            [self._answer(reply, q) for reply, q in zip(found, group.questions, strict=True)]
            for found, group in zip(replies, groups, strict=True)
        ]

    def _read(self, some: list[int], asked: list, groups: Sequence[ImageQuestions]) -> list[list[Reply]]:
        heads = [asked[i][0][0][: asked[i][1]] if asked[i][0] else [] for i in some]
        prefixes = self.prefixes.read(heads, [asked[i][2] for i in some])
        branches = []
        for place, i in enumerate(some):
            ids, shared, picture = asked[i]
            for one, question in zip(ids, groups[i].questions, strict=True):
                options = self._options(question.prompt, question.options, picture)
                names = name_trie(self._names(question, picture)) if question.names else None
                branches.append(Branch(place, one[shared:], question.max_new_tokens, tuple(options), names))
        replies = iter(answer_branches(self.prefixes.language, prefixes, branches, self.branch_tokens))
        return [[next(replies) for _ in groups[i].questions] for i in some]

    def _tokens(self, group: ImageQuestions) -> tuple[list[list[int]], int, Picture | None]:
        """(each question's tokens, how many of them are common, the picture)."""
        picture = self._picture(group.image)
        prompts = [self.chat.prompt(question.prompt, picture) for question in group.questions]
        # No further than the picture, so that an answer does not depend on what is asked beside it.
        return [ids for ids, _ in prompts], min((shared for _, shared in prompts), default=0), picture

    def _picture(self, image: Path | None) -> Picture | None:
        if image is None and self.alone.needs_picture:
            raise UserError(f"{self.name}: {type(self.model).__name__} cannot be asked without a picture")
        return None if image is None else self.ahead.take(image)

    def _options(self, prompt: str, options: Sequence[str], picture: Picture | None) -> list[tuple[int, ...]]:
        return self.chat.options(prompt, options, picture is not None) if options else []

    def _names(self, question: Question, picture: Picture | None) -> list[tuple[int, ...]]:
        """UserError where nothing tells a whole answer from the beginning of one."""
        if not self.end:
            raise UserError(f"{self.name}: neither its generation settings nor its tokenizer name an end of an answer")
        return self.chat.options(question.prompt, question.names, picture is not None)

    def _answer(self, reply: Reply, question: Question) -> Answer:
        text = self.tokenizer.decode(reply.tokens, skip_special_tokens=True).strip()
        options = (reply.options or None) if question.options else None
        return Answer(text, reply.finished, options, names=reply.names or None)

    @torch.inference_mode()
    def _try_sharing(self, image_token_id: int) -> str:
        """Why pictures cannot be read once for all their questions; "" where they can."""
        if self.alone.encoder_decoder:
            return "an encoder-decoder reads picture and question together"
        try:
            self.prefixes = PrefixReader(self.model, self.tokenizer, image_token_id, self.end)
        except ValueError as error:
            return str(error)
        picture = self.pictures.picture(Image.linear_gradient("L").resize((96, 80)).convert("RGB"))
        prompts = [
            self.chat.prompt(text, picture) for text in ("What is it?", "Is there a bird? Answer with yes or no.")
        ]
        try:
            expected = [self.alone.likeliest(ids, picture) for ids, _ in prompts]
        except (ValueError, RuntimeError, IndexError) as error:
            raise UserError(
                f"--model {self.name}: a picture and a question do not fit it ({first_line(error)})"
            ) from None
        try:
            found = self._weigh_shared(prompts, picture, [ids for ids, _ in expected])
        except (ValueError, RuntimeError, TypeError, IndexError, KeyError, AttributeError) as error:
            self.prefixes = None
            return f"{type(self.model).__name__} does not take it: {first_line(error)}"
        gap = max(abs(a - b) for a, (_, b) in zip(found, expected, strict=True))
        tolerance = TOLERANCE[self.model.dtype]
        if not gap <= tolerance:  # NaN included
            self.prefixes = None
            return f"log-probabilities differ by {gap:.2g}"
        return ""

    def _weigh_shared(self, prompts: list, picture: Picture, answers: list[tuple[int, ...]]) -> list[float]:
        shared = prompts[0][1]
        prefixes = self.prefixes.read([prompts[0][0][:shared]], [picture])
        branches = [Branch(0, ids[shared:], 1, (one,)) for (ids, _), one in zip(prompts, answers, strict=True)]
        replies = answer_branches(self.prefixes.language, prefixes, branches, self.branch_tokens)
        return [reply.options[0][0] for reply in replies]
