"""Asking a checkpoint through a server of its own (vLLM): started here, waited for, asked, and ended, come what may."""

from .answerer import BATCH_SIZE, ServedAnswerer, VllmModel, served
from .vllm import Vllm, find_vllm, place_of_vllm

__all__ = ["BATCH_SIZE", "ServedAnswerer", "Vllm", "VllmModel", "find_vllm", "place_of_vllm", "served"]
