"""Options that a builder declares once: the same model reads a recipe's `options:` and the command line."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import UserError
from .sources import SourceName


def split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


# "--levels genus,species" on the command line, a list or the same text in a recipe
Words = Annotated[tuple[str, ...], BeforeValidator(split_commas)]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    not_identity: ClassVar[frozenset[str]] = frozenset()  # options that do not change what is built

    def identity(self) -> dict:
        """The options that decide what is built, with their defaults, as JSON has them."""
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in self.not_identity}


class SourceOptions(Options):
    """Options of every builder that reads labelled images."""

    source: SourceName = Field(description="layout of the data set at --root")
    seed: int = Field(0, description="of every draw")


def parse_options(model: type[Options], values: dict, what: str) -> Options:
    """The checked options. UserError lists every wrong one with its value and what may stand there."""
    try:
        return model(**values)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"]) or "options"
            if fault["type"] == "extra_forbidden":
                lines.append(f"{name}: no such option; {what} has {', '.join(model.model_fields)}")
            elif fault["type"] == "missing":
                lines.append(f"{name}: needed ({model.model_fields[name].description})")
            else:
                lines.append(f"{name} is {fault['input']!r}: {fault['msg']}")
        raise UserError(f"{what}: " + "; ".join(lines)) from None
