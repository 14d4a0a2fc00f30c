"""A short name for what decides a result, by which it is found again in the store."""

import hashlib
import json
from typing import Any


def identity_of(decides: Any) -> str:
    """Sixteen digits; equal for equal values that JSON can hold, in whichever order keys stand."""
    return hashlib.blake2b(json.dumps(decides, sort_keys=True).encode(), digest_size=8).hexdigest()
