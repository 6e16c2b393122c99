"""Nobody is let in before the pages are there."""

import socket

import pytest

from tabs.serving.server import bound_socket, run_server
from workbench.core.errors import UserError


async def nothing(*_: object) -> None:
    raise AssertionError("nobody asks")


def test_a_bound_port_refuses_whoever_comes_before_the_pages_are_there() -> None:
    with bound_socket("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname(), timeout=5)


def test_a_port_that_is_listened_on_is_said_to_be_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UserError, match="WORKBENCH_PORT"):
        bound_socket("127.0.0.1", other.getsockname()[1])


def test_a_port_that_another_server_took_during_the_start_is_said_to_be_taken() -> None:
    with bound_socket("127.0.0.1", 0) as bound:
        started: list[bool] = []
        with bound_socket("127.0.0.1", bound.getsockname()[1]) as other:
            other.listen()
            with pytest.raises(UserError, match="WORKBENCH_PORT"):
                run_server(nothing, bound, lambda: started.append(True))
        assert not started
