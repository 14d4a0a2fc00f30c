"""A client in a hurry, and what it is asked."""

from pydantic import BaseModel

from data_builders.shared.llm import Client, Endpoint, user

ASKED = [user("How many?")]


def client(server, cache, **settings) -> Client:
    settings = {"first_wait_seconds": 0.01, "timeout_seconds": 5.0, "concurrency": 4, **settings}
    return Client(Endpoint(model="m", cache=cache, base_url=server.url, **settings))


class Count(BaseModel):
    count: int
