from hypothesis import given
from hypothesis import strategies as st

from fgtrain.training.schedule import learning_rate_factor


@given(steps=st.integers(2, 500), warmup=st.floats(0, 0.5), floor=st.floats(0, 0.5))
def test_the_rate_rises_to_its_peak_then_falls_to_its_floor(steps, warmup, floor):
    factors = [learning_rate_factor(step, steps, warmup, floor) for step in range(steps + 1)]
    peak = factors.index(max(factors))
    assert max(factors) == 1.0
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert abs(factors[-1] - floor) < 1e-9
