"""A judge behind an endpoint: asks for every verdict, several at a time, and says why one did not come."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from data_builders.shared.errors import UserError
from data_builders.shared.llm import Client, EndpointError, Failures, user
from data_builders.shared.llm.messages import as_kept, media_type, read_image

from ..scoring.matching import JUDGE
from .candidate import Candidate
from .prompt import VERSION, Reply, prompt_hash, prompt_text, sendable
from .verdict import Identity, Judgement

HOPELESS = 5  # answers that get no verdict before the first one that does: the judge is at fault, not the answers


class ModelJudge:
    """Asks a model behind an endpoint for every verdict. `with_image`: it sees the picture, too."""

    def __init__(self, client: Client, *, with_image: bool = True):
        self.client, self.with_image = client, with_image
        endpoint = client.endpoint
        if endpoint.model == JUDGE:
            raise UserError(f"--model {JUDGE} is the name of the judge without an endpoint: --deterministic")
        self.settings = {
            "image": with_image,
            "temperature": endpoint.temperature,
            "max_tokens": endpoint.max_tokens,
        }
        if endpoint.accept_no_finish_reason:
            self.settings["no_finish_reason"] = "accepted"
        name = endpoint.model if with_image else f"{endpoint.model}_without_image"
        self.identity = Identity(name, VERSION, prompt_hash(self.settings))

    def check(self, candidates: Sequence[Candidate]) -> None:
        """Before anything is paid: UserError that says how many images cannot be sent, and the first of them."""
        if not self.with_image:
            return
        faults = []
        for path in dict.fromkeys(one.image_path for one in candidates):
            if path is None:
                raise UserError("the judge sees the images: --data DIR says where they lie (or --without-image)")
            try:
                media_type(first_bytes(path), str(path))
            except UserError as error:
                faults.append(str(error))
        if faults:
            raise UserError(f"{faults[0]}; {len(faults)} images in all cannot be sent, and nothing was asked")

    def messages(self, one: Candidate) -> list[dict]:
        text = prompt_text(one.question, one.reference, one.answer, with_image=self.with_image)
        return [user(text, *([one.image_path] if self.with_image and one.image_path else []))]

    def more(self, one: Candidate) -> dict:
        """What a row says besides: a name for the request, by which a later start knows that the verdict still holds.

        All that tells the judge from another is in it; the image counts by its content.
        """
        asked = json.dumps([self.client.whom, self.identity.prompt, as_kept(self.messages(one))], sort_keys=True)
        left_out = sendable(one.answer)[1]
        cut = {"answer_characters_left_out": left_out} if left_out else {}
        return {"judge_request": hashlib.sha256(asked.encode(errors="replace")).hexdigest()[:32], **cut}

    def judge(self, candidates: Sequence[Candidate], take: Callable[[Candidate, Judgement | str, dict], None]) -> None:
        """Hand every verdict to `take` as it comes with what its row says of who gave it, or the reason why there is
        none. One refused answer leaves the others.

        UserError when the endpoint answers nothing any more or the budget is spent; what was judged has been taken.
        """
        lock, failures = threading.Lock(), Failures(self.client.endpoint.concurrency, HOPELESS)

        def one_verdict(one: Candidate) -> None:
            try:
                reply, by = self.client.answer(self.messages(one), schema=Reply)
            except EndpointError as error:
                with lock:
                    take(one, str(error), {})
                failures.failure(error)
                return
            failures.success()
            with lock:
                take(one, reply.judgement(), {"judge_served_by": list(by)} if any(by) else {})

        with closing(self.client.each(one_verdict, candidates, "judging", "answers")) as done:
            for _ in done:
                pass

    def given_by_another(self, rows: Iterable[dict], earlier: Iterable[dict]) -> list[dict]:
        """Of the judged rows, those that another model has given than the one that judges now; `earlier` were there
        when this start began.
        """
        return self.client.strangers(rows, earlier, "judge_served_by")


def first_bytes(path: Path) -> bytes:
    """As many as tell the kind of file. UserError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError:
        return read_image(str(path))
