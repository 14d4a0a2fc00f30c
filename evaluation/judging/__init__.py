"""FROW's open-world answers judged: by a model behind an endpoint, or by rules where there is none."""
