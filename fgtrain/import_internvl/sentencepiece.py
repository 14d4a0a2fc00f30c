"""A sentencepiece byte-pair model as a tokenizer of the library `tokenizers`, token for token.

Sentencepiece itself is not needed: the file says everything (pieces with scores and types, normalisation).
"""

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers.convert_slow_tokenizer import import_protobuf

from fgtrain.errors import UserError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # types of a piece
BYTE_PAIR = 2
BLANK = "▁"  # how sentencepiece writes a space


def read_proto(path: Path) -> Any:
    """The parsed file. UserError when it is none, or not a byte-pair model."""
    proto = import_protobuf().ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except DecodeError:
        raise UserError(f"{path} is not a sentencepiece model. Copy it again") from None
    if proto.trainer_spec.model_type != BYTE_PAIR or not proto.pieces:
        raise UserError(f"{path} is not a byte-pair model; InternLM2's tokenizer.model is")
    return proto


def byte_pair_tokenizer(
    proto: Any, added: dict[int, AddedToken], path: Path, beginning: str | None, end: str | None
) -> Tokenizer:
    """`added` (id -> token) takes the place of the piece of that id, or comes behind the last piece.

    `beginning` and `end` are put around every text.
    """
    pieces = {added[i].content if i in added else piece.piece: i for i, piece in enumerate(proto.pieces)}
    if len(pieces) < len(proto.pieces):
        raise UserError(f"{path}: {len(proto.pieces) - len(pieces)} pieces or added tokens have the same text")
    tokenizer = Tokenizer(
        BPE(
            pieces,
            merges(proto, added, path),
            unk_token=proto.pieces[proto.trainer_spec.unk_id].piece,
            fuse_unk=True,
            byte_fallback=proto.trainer_spec.byte_fallback,
        )
    )
    tokenizer.normalizer = normalizer(proto)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
        + ([decoders.Strip(" ", 1, 0)] if proto.normalizer_spec.add_dummy_prefix else [])
    )
    tokens = dict(added)
    for i, piece in enumerate(proto.pieces):
        if piece.type == USER_DEFINED and i not in added:
            if BLANK in piece.piece or proto.normalizer_spec.add_dummy_prefix:
                raise UserError(f"{path}: user-defined piece {piece.piece!r} cannot be read exactly beside blanks")
            tokens[i] = AddedToken(piece.piece, normalized=False, special=False)
    tokenizer.add_tokens([tokens[i] for i in sorted(tokens)])
    if beginning is not None or end is not None:
        first, last = [f"{beginning}:0"] if beginning else [], [f"{end}:0"] if end else []
        names = [token for token in (beginning, end) if token]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[*first, "$A:0", *last],
            pair=[*first, "$A:0", "$B:0", *last],
            special_tokens=[(name, tokenizer.token_to_id(name)) for name in names],
        )
    return tokenizer


def merges(proto: Any, added: dict[int, AddedToken], path: Path) -> list[tuple[str, str]]:
    """Pairs to join, first what sentencepiece joins first: the piece of the highest score.

    Only normal pieces are ever made by joining; the others stand by themselves or come from bytes.
    """
    usable = {p.piece: p.score for i, p in enumerate(proto.pieces) if p.type == NORMAL and i not in added}
    unused = {p.piece for i, p in enumerate(proto.pieces) if p.type == UNUSED and i not in added}
    pairs = []
    for piece, score in usable.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in usable and right in usable:
                pairs.append((-score, len(left), left, right))
    for piece in unused:
        if any(piece[:cut] in usable and piece[cut:] in usable for cut in range(1, len(piece))):
            raise UserError(f"{path}: unused piece {piece!r} is made of others, which cannot be read exactly")
    return [(left, right) for _, _, left, right in sorted(pairs, key=lambda pair: pair[:2])]


def normalizer(proto: Any) -> normalizers.Normalizer:
    """What sentencepiece does to a text before it cuts it."""
    spec = proto.normalizer_spec
    steps: list[normalizers.Normalizer] = []
    if spec.precompiled_charsmap:
        table = normalizers.Precompiled(spec.precompiled_charsmap)
        # `tokenizers` looks up "\r\n" as one sign, sentencepiece as two.
        steps += [normalizers.Replace("\r\n", table.normalize_str("\r") + table.normalize_str("\n")), table]
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(r"\A +"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    steps.append(normalizers.Replace(" ", BLANK))
    if spec.remove_extra_whitespaces:
        steps.append(normalizers.Replace(Regex(rf"{BLANK}+\z"), ""))  # also a blank that was written out
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(BLANK))
    return normalizers.Sequence(steps)
