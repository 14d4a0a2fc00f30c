"""Which link between a picture and its name is broken: features, grounding or knowledge.

For every question about a picture's category (choice or short answer) that is answered wrong:

* features - a linear probe on the checkpoint's own features of the picture is wrong too: it cannot be read off them;
* knowledge - the probe is right, but of the category the model does not know what it looks like (questions without a
  picture, `python -m data_builders knowledge`);
* grounding - the probe is right, the text is known, and still the answer is wrong: the two do not come together.

Everything is read from a run's folder: its answers, and the probes' predictions that `evaluation.features` leaves.
"""

from .of_run import FILE, LINKS, links_of_run, read_links, write_links

__all__ = ["FILE", "LINKS", "links_of_run", "read_links", "write_links"]
