import sys

import pytest
from documented import DOCS


@pytest.fixture(scope="session")
def from_code():
    """The package that makes the reference's pages."""
    sys.path.insert(0, str(DOCS))
    try:
        import from_code
    finally:
        sys.path.remove(str(DOCS))
    return from_code
