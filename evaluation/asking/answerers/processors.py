"""transformers' processors that join a picture and a text, without what they need for videos.

A processor of a family that also takes videos cannot be made where torchvision is missing, though pictures need none of
it: image processors exist on PIL. Here such a processor is made with everything but its video processor.
"""

from typing import Any

from data_builders.shared.errors import UserError

from ...shared.pretrained import first_line, offline

WAYS_OUT = "Serve the model (vLLM, transformers serve) and give --model endpoint:NAME"


def load_image_processor(source: str) -> Any:
    """transformers' image processor of the folder, on PIL. UserError when it is not there."""
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(
            source, backend="pil", trust_remote_code=False, local_files_only=offline(source)
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise UserError(
            f"--model {source}: no usable preprocessor_config.json ({first_line(error)}). Copy it from the "
            "original model"
        ) from None


class NoVideos(dict):
    """Stands where a processor wants a video processor; a dict, because processors are shown as JSON."""

    model_input_names = ()


def load_processor(source: str, config: Any, tokenizer: Any) -> Any:
    """The processor of a model's class, for pictures and texts. UserError when it cannot be made."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    if type(config) not in PROCESSOR_MAPPING:
        raise UserError(f"--model {source}: transformers has no processor for {config.model_type!r}. {WAYS_OUT}")
    made_by = PROCESSOR_MAPPING[type(config)]
    made = type(made_by.__name__, (made_by,), {"check_argument_for_proper_class": lambda *arguments: None})
    known = {"tokenizer": lambda: tokenizer, "image_processor": lambda: load_image_processor(source)}
    known["video_processor"] = NoVideos
    parts = made_by.get_attributes()
    if foreign := [part for part in parts if part not in known]:
        raise UserError(
            f"--model {source}: {made_by.__name__} also takes {', '.join(foreign)}, which is not known here. {WAYS_OUT}"
        )
    try:
        how, _ = made_by.get_processor_dict(source, local_files_only=offline(source))
        return made.from_args_and_dict([known[part]() for part in parts], how)
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--model {source}: {made_by.__name__} cannot be made ({first_line(error)}). Install what it names, or: "
            f"{WAYS_OUT[0].lower()}{WAYS_OUT[1:]}"
        ) from None
