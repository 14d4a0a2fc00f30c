"""Models that are not on this machine, by the few values of their configs that are kept with the program."""

from transformers import AutoConfig, PreTrainedConfig

from fgtrain.import_internvl import chat, internlm2, internvit
from fgtrain.import_internvl.values import Values
from fgtrain.plan.known_facts import MODELS, kept_models, kept_name

from .vocabulary import IMAGE_TOKENS


class Kept:
    """The part of `Source` that needs no weights, of a model that is not here."""

    def __init__(self, place: str, value: str, name: str) -> None:
        """`name`: under which it is kept (`kept_name`)."""
        self.place, self.value, self.kept = place, value, kept_models()[name]

    @classmethod
    def find(cls, place: str, value: str) -> "Kept | None":
        name = kept_name(value)
        return None if name is None else cls(place, value, name)

    def config(self) -> PreTrainedConfig:
        """Its config; one in a published format as importing it makes it."""
        values = self.kept["config"]
        kind, published = values["model_type"], Values(values, MODELS)
        if kind == "intern_vit_6b":
            return internvit.vision_config(published)[0]
        if kind == "internlm2":
            return internlm2.internlm2_config(published)
        if kind == "internvl_chat":
            return chat.chat_part(published, image_token_id=0).config
        return AutoConfig.for_model(**values)

    def preprocessor(self) -> dict | None:
        values = self.kept["config"]
        if values["model_type"] == "internvl_chat":
            return chat.image_settings(Values(values, MODELS), None)
        return self.kept.get("images")

    def rows_needed(self, kind: str) -> int:
        """Rows of the embedding once the native class's image tokens are added, all of them new."""
        return self.kept["tokens"] + len(IMAGE_TOKENS[kind])
