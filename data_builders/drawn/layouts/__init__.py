"""A module per source: `write(mini)` lays the drawn pictures out as that data set is downloaded."""
