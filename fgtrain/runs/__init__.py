"""The run folder: its recipe, figures, scores, what is forgotten so far, W&B. Needs no torch."""
