"""What several rooms of evaluation need: a progress bar, and models in transformers' format."""
