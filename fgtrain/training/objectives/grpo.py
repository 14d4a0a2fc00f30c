"""Objective `grpo`: group relative policy optimisation (arXiv 2402.03300) on drawn answers and a rule's reward.

Of each question a group of answers is drawn. An answer's advantage is its reward, less the group's mean, over the
group's standard deviation, the same for all its tokens. To be minimised is, of each token, with the ratio r of its
probability to that when it was drawn,

    -min(r A, clip(r, 1 - clip, 1 + clip) A) + kl (p_ref / p - ln(p_ref / p) - 1)

as the mean over an answer's tokens, then over all answers of the step. Probabilities are those at the temperature at
which answers are drawn. `kl`: to the model that the stage starts from, by the estimator k3.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from fgtrain.batch import Batch
from fgtrain.model import LVLM
from fgtrain.model.seen import Seen
from fgtrain.recipe.objective_schema import GrpoSettings

from .answers import per_sample_N
from .part import LossPart, Summed
from .reward import Reward
from .rollout import Answers, Asked, Sampler, asked_in, questions_of, with_answers

EPSILON = 1e-4  # beside the standard deviation


@dataclass
class Drawn:
    """What was drawn behind one sample's image, for as many updates as it serves. Log-probabilities [tokens] stand
    answer behind answer, on the CPU."""

    answers: Answers
    rewards: list[list[float]]  # question, member
    old: Tensor | None = None  # of the model that drew them
    reference: Tensor | None = None
    uses: int = 0

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for group in self.answers for ids in group]


class Grpo(LossPart):
    """`reference`: the model as the stage starts from it; None where `kl` is 0.

    Where answers serve several updates, they are part of the stage's state.
    """

    name = "grpo"

    def __init__(
        self, settings: GrpoSettings, reward: Reward, seed: int, stage: str, reference: LVLM | None = None
    ) -> None:
        if (reference is None) != (settings.kl == 0):
            raise ValueError(f"kl is {settings.kl}, and the reference {'none' if reference is None else 'there'}")
        self.settings, self.reward = settings, reward
        self.reference = None if reference is None else reference.eval()
        self.sampler = Sampler(seed, stage, settings.group, settings.temperature, settings.max_new_tokens)
        self.figures = ("reward", "length", "silent_groups", "clipped", *(("kl",) if reference is not None else ()))
        self.drawn: dict[str, Drawn] = {}  # sample -> its answers
        self.loaded: set[str] = set()  # of these, what an earlier start has drawn
        self.now: list[Drawn] = []  # of the micro-batch under way

    def total(self, batch: Batch) -> float:
        return float(self.settings.group * questions_of(batch))

    def prepared(self, lvlm: Any, batch: Batch, address: tuple) -> Batch:
        if not batch.samples:
            self.now = []
            return batch
        rows = asked_in(batch)
        asked = [one for row in rows for one in row]
        if any(one.name not in self.drawn for one in asked):
            batch = self._draw(lvlm, batch, asked)
        self.now = [self.drawn[one.name] for one in asked]
        batch = with_answers(batch, [[self._sample(one, lvlm) for one in row] for row in rows])
        if self.reference is not None and self.now[0].reference is None:
            self._read_by_reference(batch)
        return batch

    def of(self, seen: Seen) -> Summed:
        logp_S = seen.of_logits(self._logp)
        device = logp_S.device
        self._note_use(logp_S)

        def on_device(values: list) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        lengths = [length for one in self.now for length in one.lengths]
        length_A = torch.tensor(lengths, dtype=torch.int64, device=device)
        advantage_A = torch.cat([on_device([]), *(advantages(on_device(one.rewards)).flatten() for one in self.now)])
        advantage_S, share_S = (one.repeat_interleave(length_A) for one in (advantage_A, 1 / length_A.float()))
        ratio_S = (logp_S - self._stored("old", device)).exp()
        low, high = 1 - self.settings.clip, 1 + self.settings.clip
        loss_S = -torch.minimum(ratio_S * advantage_S, ratio_S.clamp(low, high) * advantage_S)
        clipped_S = torch.where(advantage_S > 0, ratio_S > high, (advantage_S < 0) & (ratio_S < low))
        rewards = [reward for one in self.now for group in one.rewards for reward in group]
        silent = [all_equal(group) for one in self.now for group in one.rewards for _ in group]
        figures = {
            "reward": on_device(rewards).sum(),
            "length": length_A.sum(),
            "silent_groups": on_device(silent).sum(),
            "clipped": (clipped_S * share_S).sum(),
        }
        if self.reference is not None:
            away_S = self._stored("reference", device) - logp_S
            kl_S = away_S.exp() - away_S - 1
            loss_S = loss_S + self.settings.kl * kl_S
            figures["kl"] = (kl_S * share_S).sum()
        loss_S = loss_S * share_S
        self.drawn = {name: one for name, one in self.drawn.items() if one.uses < self.settings.updates_per_rollout}
        of_samples_N = (per_sample_N(seen, loss_S.detach()), per_sample_N(seen, share_S))
        return Summed(loss_S.sum(), of_samples_N, figures)

    def state_dict(self) -> dict[str, Any]:
        """The answers that have updates left, of all ranks: a stage may go on with another number of them."""
        own = {name: vars(one) for name, one in self.drawn.items()}
        found = [own]
        if dist.is_initialized() and dist.get_world_size() > 1:
            found = [{}] * dist.get_world_size()
            dist.all_gather_object(found, own)
        every = {name: one for part in found for name, one in sorted(part.items(), key=lambda pair: pair[1]["uses"])}
        return {"drawn": every} if every else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.drawn = {name: Drawn(**one) for name, one in state["drawn"].items()}
        self.loaded = set(self.drawn)

    # ---- drawing

    def _draw(self, lvlm: LVLM, batch: Batch, asked: list[Asked]) -> Batch:
        """Draw the samples' answers; the batch, with the encoder's outputs where they serve what follows as well."""
        for name in self.loaded:  # of an update before this one, by ranks that may have been others
            self.drawn.pop(name, None)
        self.loaded.clear()
        batch, answers = self.sampler.drawn(lvlm, batch, asked)
        for one, found in zip(asked, answers, strict=True):
            self.drawn[one.name] = Drawn(found, self._rewards(lvlm.tokenizer, one, found))
        return batch

    def _rewards(self, tokenizer: Any, asked: Asked, answers: Answers) -> list[list[float]]:
        def text(ids: list[int]) -> str:
            return tokenizer.decode(ids, skip_special_tokens=True).strip()

        return [
            [self.reward(text(question.ids), text(question.gold_ids), text(ids)) for ids in group]
            for question, group in zip(asked.questions, answers, strict=True)
        ]

    def _sample(self, asked: Asked, lvlm: LVLM) -> Any:
        return asked.sample(self.drawn[asked.name].answers, lvlm.max_tokens)

    # ---- probabilities

    def _logp(self, logits_SV: Tensor, targets_S: Tensor) -> Tensor:
        return -F.cross_entropy(logits_SV / self.settings.temperature, targets_S, reduction="none")

    @torch.no_grad()
    def _read_by_reference(self, batch: Batch) -> None:
        logp_S = self.reference.learn_from(batch, lambda seen: seen.of_logits(self._logp))
        for one, found in zip(self.now, logp_S.cpu().split([sum(one.lengths) for one in self.now]), strict=True):
            one.reference = found.clone()

    def _note_use(self, logp_S: Tensor) -> None:
        """The first update is made by the model that has drawn the answers: its probabilities are the old ones."""
        pieces = logp_S.detach().cpu().split([sum(one.lengths) for one in self.now]) if self.now else ()
        for one, found in zip(self.now, pieces, strict=True):
            one.old = found.clone() if one.old is None else one.old
            one.uses += 1

    def _stored(self, which: str, device: torch.device) -> Tensor:
        return torch.cat([torch.empty(0), *(getattr(one, which) for one in self.now)]).to(device)


def advantages(rewards_QG: Tensor) -> Tensor:
    """Of each member of each group; 0 in groups that are rewarded alike."""
    mean_Q1, deviation_Q1 = rewards_QG.mean(dim=1, keepdim=True), rewards_QG.std(dim=1, keepdim=True)
    alike_Q1 = (rewards_QG == rewards_QG[:, :1]).all(dim=1, keepdim=True)
    return ((rewards_QG - mean_Q1) / (deviation_Q1 + EPSILON)).masked_fill(alike_Q1, 0.0)


def all_equal(rewards: list[float]) -> bool:
    return len(set(rewards)) == 1
