PRESETS = {}


def describe_presets():
    return ""


def load_preset(*a, **k): ...
