"""Which source's pictures are of which domain; the sources that are not named here show the creatures."""

from .aircraft import AIRCRAFT
from .cars import CARS
from .dogs import DOGS
from .domain import Domain
from .flowers import FLOWERS
from .food import FOOD
from .produce import PRODUCE

DOMAINS: dict[str, Domain] = {one.source: one for one in (AIRCRAFT, CARS, DOGS, FLOWERS, FOOD, PRODUCE)}
