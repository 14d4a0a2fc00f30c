"""Text sampled from a language model itself: what it knew before, to be kept (training rows) and measured (held out).

Plain text in a stage's mixture holds a language model's own distribution in place (self-distillation by samples); its
perplexity on held-out samples tells how far a stage has moved it. A stage that trains the projector alone cannot
change it.
"""

from pathlib import Path
from typing import Any

import torch

from data_builders.records import Manifest, write_training_set
from data_builders.shared.files import write_jsonl
from data_builders.shared.progress import progress
from data_builders.shared.seeding import address_hash
from fgtrain.errors import UserError
from fgtrain.plan.built_sets import sampling_code


@torch.no_grad()
def sample_texts(model: Any, tokenizer: Any, count: int, max_tokens: int, seed: int, batch_size: int = 32) -> list[str]:
    """`count` texts drawn from the model at temperature 1 from the begin-of-text token on."""
    if tokenizer.bos_token_id is None:
        raise UserError("sample_text: the language model's tokenizer has no begin-of-text token to start from")
    texts: list[str] = []
    with progress("sampling text", "texts", count) as advance:
        while len(texts) < count:
            torch.manual_seed(address_hash(seed, "sample_text", len(texts)) % 2**63)
            start = torch.full((batch_size, 1), tokenizer.bos_token_id)
            out = model.generate(
                start,
                attention_mask=torch.ones_like(start),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                max_new_tokens=max_tokens,
                pad_token_id=tokenizer.eos_token_id,
            )
            decoded = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in out]
            before = min(count, len(texts))
            texts.extend(text for text in decoded if text)
            advance(min(count, len(texts)) - before)
    return texts[:count]


def build_self_text(
    model: Any,
    tokenizer: Any,
    out: Path,
    *,
    rows: int,
    heldout: int,
    max_tokens: int,
    seed: int,
    language_model_hash: str,
) -> Manifest:
    """Write a training set of `rows` sampled texts and heldout.jsonl with `heldout` others (for perplexity).

    `language_model_hash` goes into the manifest, so that a set of another model is noticed.
    """
    texts = sample_texts(model, tokenizer, rows + heldout, max_tokens, seed)
    out.mkdir(parents=True, exist_ok=True)
    write_jsonl(out / "heldout.jsonl", ({"id": f"text-{i}", "text": t} for i, t in enumerate(texts[rows:])))
    return write_training_set(
        out,
        (
            {
                "id": f"text-{i}",
                "conversations": [{"from": "gpt", "value": text}],
                "source": "sampled from the language model",
                "kind": "text",
                "category": "text",
            }
            for i, text in enumerate(texts[:rows])
        ),
        name=out.name,
        builder="sample_text",
        code=sampling_code(),
        image_root=out,
        sources=["language_model"],
        splits=["train"],
        options={
            "rows": rows,
            "heldout": heldout,
            "max_tokens": max_tokens,
            "seed": seed,
            "language_model": language_model_hash,
        },
    )
