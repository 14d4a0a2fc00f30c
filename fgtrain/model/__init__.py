"""Models: composed of parts or released, what learns in them, how they answer, and how they are kept."""

from .adapter import Adapter, Base, fully_trained, read_adapter
from .adapter_layers import merge_adapters
from .adapter_starts import starts
from .build import build_model, outline_model
from .checkpoint import load_checkpoint, save_checkpoint
from .hashes import part_hash, weights_hash
from .lvlm import LVLM
from .model_facts import model_facts
from .single_parts import Encoder, LanguageModel, build_encoder, build_language_model, encoder_hash, load_encoder
from .trainable import set_trainable

__all__ = [
    "Base",
    "LVLM",
    "Adapter",
    "Encoder",
    "LanguageModel",
    "build_encoder",
    "build_language_model",
    "build_model",
    "encoder_hash",
    "fully_trained",
    "load_checkpoint",
    "load_encoder",
    "merge_adapters",
    "model_facts",
    "outline_model",
    "part_hash",
    "read_adapter",
    "save_checkpoint",
    "set_trainable",
    "starts",
    "weights_hash",
]
