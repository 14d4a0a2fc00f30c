"""Reading a published config.json: every value is used, known to do nothing here, or an error that names it."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fgtrain.errors import UserError

# What transformers 4 wrote into every config; none of it changes what a model computes.
_LIBRARY = (
    "_attn_implementation_autoset _commit_hash _name_or_path add_cross_attention architectures attn_implementation "
    "auto_map bad_words_ids begin_suppress_tokens chunk_size_feed_forward cross_attention_hidden_size "
    "decoder_start_token_id diversity_penalty do_sample dtype early_stopping encoder_no_repeat_ngram_size "
    "exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id id2label is_composition "
    "is_decoder is_encoder_decoder label2id length_penalty max_length min_length model_type no_repeat_ngram_size "
    "num_beam_groups num_beams num_return_sequences output_attentions output_hidden_states output_scores prefix "
    "problem_type remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id "
    "suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder tokenizer_class top_k top_p "
    "torch_dtype torchscript transformers_version typical_p use_bfloat16 use_cache use_flash_attn"
)
# Settings of experts, without effect while use_moe is off.
_EXPERTS = (
    "capacity_factor eval_capacity_factor laux_allreduce moe_coeff_ratio moe_config moe_intermediate_size "
    "moe_output_scale noisy_gate_policy num_experts num_routed_experts num_shared_experts "
    "shared_expert_intermediate_size use_residual use_rts use_weighted_residual"
)
OF_THE_LIBRARY, OF_EXPERTS = frozenset(_LIBRARY.split()), frozenset(_EXPERTS.split())
_NEEDED = object()


class Values:
    """One section of a config.json. What is taken is remembered; `finish` refuses what was not."""

    def __init__(self, values: dict[str, Any], file: Path, section: str = "") -> None:
        self.values, self.file, self.section = values, file, section
        self.taken: set[str] = set()

    def place(self, key: str) -> str:
        return f"{self.file}: {self.section + '.' if self.section else ''}{key}"

    def take(self, key: str, default: Any = _NEEDED) -> Any:
        """The value, or the default that the published code has. UserError when it has none."""
        self.taken.add(key)
        value = self.values.get(key, default)
        if value is _NEEDED:
            raise UserError(f"{self.place(key)} is missing. Give the folder as it was published")
        return value

    def number(self, key: str, default: Any = _NEEDED) -> int:
        """A whole number above 0."""
        value = self.take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{self.place(key)} is {value!r}; a whole number above 0 is needed")
        return value

    def one_of(self, key: str, known: Collection[Any], default: Any = _NEEDED) -> Any:
        """The value; UserError unless transformers' classes have it too."""
        value = self.take(key, default)
        if value not in known:
            listed = ", ".join(map(repr, known))
            raise UserError(
                f"{self.place(key)} is {value!r}, which transformers' own classes do not have. Known: {listed}"
            )
        return value

    def section_of(self, key: str) -> "Values":
        value = self.take(key)
        if not isinstance(value, dict):
            raise UserError(f"{self.place(key)} is {value!r}; a section is needed")
        return Values(value, self.file, key)

    def without_effect(self, *keys: str) -> None:
        self.taken.update(keys)

    def finish(self) -> None:
        """UserError for values that were neither taken nor are switched off (null, false, 0, empty)."""
        left = {key: value for key, value in self.values.items() if key not in self.taken | OF_THE_LIBRARY and value}
        if left:
            listed = ", ".join(f"{key} = {value!r}" for key, value in sorted(left.items()))
            raise UserError(
                f"{self.place(min(left))}: transformers' own classes have no counterpart of {listed}. A model that "
                f"needs it cannot be imported"
            )
