"""Every number of a run before it runs: steps, samples, tokens, parameters, memory, fingerprints."""

from .arithmetic import samples_of, split_passes, stage_samples, steps_of, warmup_steps_of
from .compare import Comparison, compare_plans
from .comparison_tables import print_comparison
from .data_facts import data_facts, light_facts
from .encoder import evaluation_uses_encoder_cache, uses_encoder_cache
from .evaluation import Asked, asked_of
from .facts import DataFacts, ModelFacts
from .make import make_plan
from .matched import check_matched
from .matching import MatchedFact
from .peak import Peak, assumed_peak
from .plan_file import read_plan, write_plan
from .schema import BatchPlan, DataPlan, PartPlan, Plan, StagePlan
from .study_hours import study_hours
from .study_tables import print_study_plan
from .tables import print_plan

__all__ = [
    "Asked",
    "BatchPlan",
    "Comparison",
    "DataFacts",
    "DataPlan",
    "MatchedFact",
    "ModelFacts",
    "PartPlan",
    "Peak",
    "Plan",
    "StagePlan",
    "asked_of",
    "assumed_peak",
    "check_matched",
    "compare_plans",
    "data_facts",
    "evaluation_uses_encoder_cache",
    "light_facts",
    "make_plan",
    "print_comparison",
    "print_plan",
    "print_study_plan",
    "read_plan",
    "samples_of",
    "split_passes",
    "stage_samples",
    "steps_of",
    "study_hours",
    "uses_encoder_cache",
    "warmup_steps_of",
    "write_plan",
]
