"""What transformers alone makes of saved checkpoints, in a process that knows nothing of this project.

python reload_families.py CASES.json   cases: folder, token ids, picture, name of the input that marks image tokens
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

torch.set_num_threads(1)
for case in json.loads(Path(sys.argv[1]).read_text()):
    folder = case["folder"]
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    made = dict(
        AutoImageProcessor.from_pretrained(folder, backend="pil")(
            images=[Image.open(case["picture"]).convert("RGB")], return_tensors="pt"
        )
    )
    for other in ("num_patches", "num_crops"):
        made.pop(other, None)
    ids = torch.tensor([case["ids"]])
    if case["marks"]:
        made[case["marks"]] = (ids == model.config.image_token_id).int()
    with torch.no_grad():
        logits = model(input_ids=ids, **made).logits[0]
    assert AutoTokenizer.from_pretrained(folder).decode(case["ids"][-3:])
    save_file({"logits": logits.contiguous()}, case["out"])
