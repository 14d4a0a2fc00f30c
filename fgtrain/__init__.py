"""Trains large vision-language models on fine-grained categories without forgetting, and proves it."""

from .ask import load

__all__ = ["load"]
