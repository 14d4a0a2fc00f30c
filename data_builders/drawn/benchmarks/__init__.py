"""A module per general benchmark: `write(mini)` lays a little benchmark out as the real one is downloaded."""
