"""Which environment variables may hold an endpoint's key. No other is ever read for one, whatever a file asks for."""

import os

from ..errors import UserError

# FGTRAIN_API_KEY is for any endpoint that none of the others is for.
KEY_VARIABLES = (
    "OPENAI_API_KEY",
    "FGTRAIN_API_KEY",
    "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "DASHSCOPE_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENROUTER_API_KEY",
    "TOGETHER_API_KEY",
    "VLLM_API_KEY",
)


def check_key_variable(name: str) -> str:
    """The name. UserError unless it is one of `KEY_VARIABLES`: a recipe from elsewhere could name any secret."""
    if name not in KEY_VARIABLES:
        raise UserError(
            f"the key variable is {name!r}; keys are taken from {', '.join(KEY_VARIABLES)} only. "
            f"Put this endpoint's key into FGTRAIN_API_KEY and name that"
        )
    return name


def key_in(variable: str) -> str:
    """The key in the environment. UserError when there is none, or the variable is not one for keys."""
    key = os.environ.get(check_key_variable(variable), "").strip()
    if not key:
        raise UserError(
            f"no key: set the environment variable {variable} (an endpoint that needs none takes any: {variable}=none)"
        )
    return key
