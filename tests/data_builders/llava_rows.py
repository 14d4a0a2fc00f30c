"""LLaVA rows and files of them, small and by hand."""

import json


def row(name, image=None, question="What is it?", answer="a bird"):
    lead = "<image>\n" if image else ""
    turns = [{"from": "human", "value": lead + question}, {"from": "gpt", "value": answer}]
    return {"id": name, **({"image": image} if image else {}), "conversations": turns}


def write(root, rows, lines=False):
    path = root / ("rows.jsonl" if lines else "rows.json")
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows, indent=1))
    return {"file": path.name, "images": "pictures"}
