"""Text to tokens, piece by piece, so that a piece's tokens never depend on what comes after it."""

import re
from typing import Any
from weakref import WeakKeyDictionary

from fgtrain.errors import UserError
from fgtrain.templates import BOS, EOS, Pieces, Special


class Encoder:
    """Encodes pieces one after another.

    A piece is tokenised as it would be behind the last character (or special token) before it: a sentencepiece
    tokenizer would otherwise put a blank before every piece. Special tokens written in the text of a question or an
    answer stay text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        special = {str(t) for t in tokenizer.added_tokens_decoder.values() if t.special}
        special |= set(tokenizer.all_special_tokens)
        self._special = re.compile("|".join(re.escape(t) for t in sorted(special) if t) or r"(?!)")
        self._anchors: dict[str, list[int]] = {}
        self._specials: dict[Special, list[int]] = {}
        self.prefixes: dict[tuple, Any] = {}  # what prefix.py has made with it: most samples begin alike
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        if self._backend is not None:
            self._backend.no_truncation()
            self._backend.no_padding()

    def special(self, token: Special) -> list[int]:
        """The token's id; nothing for a `bos` that the tokenizer does not have. UserError when another is missing."""
        if token not in self._specials:
            self._specials[token] = self._special_ids(token)
        return self._specials[token]

    def _special_ids(self, token: Special) -> list[int]:
        if token in (BOS, EOS):
            found = self.tokenizer.bos_token_id if token == BOS else self.tokenizer.eos_token_id
            if found is None and token == EOS:
                raise UserError("the tokenizer has no end-of-text token (eos_token), so no answer could ever end")
            return [] if found is None else [found]
        found = self.tokenizer.convert_tokens_to_ids(str(token))
        if found is None or found == self.tokenizer.unk_token_id:
            raise UserError(
                f"model.chat needs the token {token}, which the tokenizer does not have. Write chat: qa, or take a "
                f"language model that was trained with it"
            )
        return [found]

    def anchor(self, token: Special) -> str:
        """What a piece behind the token is tokenised behind; nothing where the token begins the text."""
        if token == BOS:
            return ""
        return self.tokenizer.eos_token if token == EOS else str(token)

    def text(self, text: str, anchor: str = "") -> list[int]:
        """Ids of `text` as it stands behind `anchor` (which is not part of the result)."""
        if self._special.search(text):
            return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if not anchor:
            return self._ids(text)
        if anchor not in self._anchors:
            self._anchors[anchor] = self._ids(anchor)
        known, ids = self._anchors[anchor], self._ids(anchor + text)
        # Where anchor and text melt into one token, the text is tokenised by itself.
        return ids[len(known) :] if ids[: len(known)] == known else self._ids(text)

    def pieces(self, pieces: Pieces, anchor: str = "", **values: str) -> tuple[list[int], str]:
        """(ids of all pieces with `{name}` filled in, the anchor for what follows)."""
        ids: list[int] = []
        for piece in pieces:
            if isinstance(piece, Special):
                ids += self.special(piece)
                anchor = self.anchor(piece)
                continue
            text = piece
            for name, value in values.items():
                text = text.replace(f"{{{name}}}", value)
            ids += self.text(text, anchor)
            anchor = text[-1:] or anchor
        return ids, anchor

    def _ids(self, text: str) -> list[int]:
        if self._backend is None:
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]
        # As the tokenizer itself would, which takes twice as long about it: millions of rows are checked so.
        self._backend.encode_special_tokens = bool(self.tokenizer.split_special_tokens)
        return self._backend.encode(text, add_special_tokens=False).ids


_encoders: WeakKeyDictionary = WeakKeyDictionary()


def encoder_of(tokenizer: Any) -> Encoder:
    """The tokenizer's encoder, made once."""
    if tokenizer not in _encoders:
        _encoders[tokenizer] = Encoder(tokenizer)
    return _encoders[tokenizer]
