"""`llava`: a file of conversations, as downloaded, made a training set.

Serves blip_laion_cc_sbu_558k.json, llava_v1_5_mix665k.json and a user's own files in the forms of LLaVA, ShareGPT and
InternVL. Rows are read one at a time, so a file need not fit in memory.
"""

from .builder import BUILDER, LlavaOptions

__all__ = ["BUILDER", "LlavaOptions"]
