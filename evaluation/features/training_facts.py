"""How the presets were trained, as factors: losses, number of images, encoder.

From FG-BMK (ICLR 2026): losses and encoder sizes of Tables 1 and 9, numbers of images of Appendix B. Where the tables
differ (LLaVA has a matching loss in Table 1, none in Table 9 and Appendix B) Table 9 counts. What is said neither there
nor in the model's card is not given: None, or no loss.
"""

from dataclasses import dataclass

LOSSES = {
    "Con": "contrastive",
    "Gen": "generative",
    "Mat": "image-text matching",
    "Rec": "reconstruction",
    "Dis": "distillation",
    "Sup": "supervised, cross-entropy",
}
SHARES = ("< 0.1B", "0.1B to 1B", "> 1B")  # Table 1's columns of training data, images or image-text pairs


@dataclass(frozen=True)
class Trained:
    """`images`: or image-text pairs; `share`: of Table 1's columns; `family`: one training at several sizes."""

    family: str
    encoder: str
    losses: tuple[str, ...]
    share: str | None
    images: float | None = None
    source: str = "FG-BMK, Tables 1 and 9, Appendix B"


FACTS = {
    "internvl3-8b": Trained("InternVL3", "ViT-L", ("Con", "Gen", "Mat", "Dis"), "> 1B"),
    "internvl-chat-v1.1": Trained("InternVL", "ViT-6B", ("Con", "Gen", "Mat"), "> 1B", 6e9),
    "llava-1.5-7b": Trained("LLaVA", "ViT-L", ("Gen",), "< 0.1B", 1.2e6),
    "qwen2.5-vl-7b": Trained("Qwen2.5-VL", "ViT-600M", ("Con", "Gen", "Mat", "Dis"), "> 1B"),
    "qwen-vl-chat": Trained("Qwen-VL", "ViT-G", ("Gen",), "> 1B", 1.4e9),
    "blip-2-flan-t5-xl": Trained("BLIP-2", "ViT-G", ("Con", "Gen", "Mat"), "0.1B to 1B", 1.29e8),
    "eva-clip-l": Trained("EVA-CLIP", "ViT-L", ("Con",), "> 1B", 2e9),
    "beit3-l": Trained("BEiT3", "ViT-L", ("Rec",), "< 0.1B", 3.6e7),
    "coca-l": Trained("CoCa", "ViT-L", ("Con", "Gen"), "> 1B", 5e9),
    "dinov2-b": Trained("DINOv2", "ViT-B", ("Con", "Dis"), "0.1B to 1B", 1.42e8),
    "dinov2-l": Trained("DINOv2", "ViT-L", ("Con", "Dis"), "0.1B to 1B", 1.42e8),
    "dinov2-g": Trained("DINOv2", "ViT-G", ("Con", "Dis"), "0.1B to 1B", 1.42e8),
    "vit-l": Trained("ViT", "ViT-L", ("Sup",), "< 0.1B", 1.4e7, "model card of google/vit-large-patch16-224"),
}


def trained_as(model: str) -> Trained | None:
    """The facts of a preset, `NAME` or `NAME=FOLDER`; None of any other model."""
    return FACTS.get(model.partition("=")[0])
