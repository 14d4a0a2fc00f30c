"""A checkpoint folder opened by transformers alone, as a program that has never heard of this project does it.

python alone.py REQUEST ANSWER: REQUEST (JSON) lists {folder, pictures, messages}; ANSWER gets ids and logits of each.
"""

import inspect
import json
import sys
from pathlib import Path

import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

PIL = {"backend": "pil"} if transformers.__version__ >= "5" else {"use_fast": False}
ALIKE = {"SmolVLMProcessor": "Idefics3Processor"}  # for pictures; the one wants packages for videos


def processor_of(folder):
    """The class's own processor from the folder's files; its part for videos needs torchvision and is left out."""
    settings = json.loads((folder / "processor_config.json").read_text())
    name = settings.pop("processor_class")
    make = getattr(transformers, ALIKE.get(name, name))
    parts = [AutoImageProcessor.from_pretrained(folder, **PIL), AutoTokenizer.from_pretrained(folder)]
    if "video_processor" in inspect.signature(make).parameters:
        parts.append(None)
    elif name not in ALIKE:
        return AutoProcessor.from_pretrained(folder)
    without = type(make.__name__, (make,), {"check_argument_for_proper_class": lambda self, name, value: type(value)})
    return without(*parts, **settings)


def logits(request):
    folder = Path(request["folder"])
    model, found = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    not_loaded = {kind: sorted(map(str, names)) for kind, names in found.items() if names}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(request["messages"], tokenize=False, add_generation_prompt=True)
    pictures = [Image.open(path).convert("RGB") for path in request["pictures"]]
    processor = processor_of(folder)
    made = processor(images=[pictures], text=[text], add_special_tokens=False, return_tensors="pt")
    ids = made.pop("input_ids")
    made.pop("attention_mask", None)
    made.pop("num_patches", None)
    if "image_grid_thw" in made:
        made["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    with torch.no_grad():
        found = model.eval()(input_ids=ids, **made).logits[0]
    about = {"dtype": str(found.dtype), "class": type(model).__name__, "not loaded": not_loaded}
    return {"ids": ids[0], "logits": found.float(), **about}


if __name__ == "__main__":
    torch.set_num_threads(1)
    answers = [logits(request) for request in json.loads(Path(sys.argv[1]).read_text())]
    assert not any(name.split(".")[0] == "fgtrain" for name in sys.modules)
    torch.save(answers, sys.argv[2])
