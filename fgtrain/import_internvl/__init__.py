"""InternVL as published (its own code on the hub) read into transformers' own classes, without running that code.

    python -m fgtrain import-internvl SRC DST

SRC is a folder with a whole InternVL-2.5, an InternViT or an InternLM2; DST becomes a folder that transformers loads by
itself. Tensors are renamed and cut, never computed with, and keep their type.
"""
