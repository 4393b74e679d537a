"""The brokers that tests use where they run at their usual addresses; nothing is started that is not there.

Where RabbitMQ is not, its tests fail in CI and are skipped by name elsewhere. Each user of `virtual_host` has one of its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ADDRESS = ("127.0.0.1", 5672)
REDIS = ("127.0.0.1", 6379)
_CONTROL = shutil.which("rabbitmqctl", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def listens(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=2):
            return True
    except OSError:
        return False


def _absent(what: str, address: tuple[str, int]) -> None:
    said = f"{what} does not listen on {address[0]}:{address[1]}"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def rabbit_is_there() -> None:
    """Skip, or in CI fail, where there is no RabbitMQ, or none that we may order about."""
    if not listens(ADDRESS) or _CONTROL is None:
        _absent("RabbitMQ", ADDRESS)


def redis_is_there() -> None:
    if not listens(REDIS):
        _absent("Redis", REDIS)


def control(*words: str) -> str:
    """What `rabbitmqctl` says to an order."""
    assert _CONTROL is not None
    return subprocess.run([_CONTROL, "-q", *words], capture_output=True, text=True, check=True, timeout=120).stdout


def evaluate(erlang: str) -> str:
    """Several orders at once: each call of the program costs seconds."""
    return control("eval", erlang)


@contextmanager
def virtual_host() -> Iterator[str]:
    """A virtual host of the caller's own, at the user guest's disposal."""
    rabbit_is_there()
    name = f"tongguan-{uuid.uuid4().hex[:12]}"
    make = f'rabbit_vhost:add(<<"{name}">>, <<"tests">>)'
    allow = f'rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
    evaluate(f"{make}, {allow}.")
    try:
        yield name
    finally:
        evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>).')


def address_of(virtual_host: str) -> str:
    """As it stands in the settings."""
    return f"amqp://guest:guest@{ADDRESS[0]}:{ADDRESS[1]}/{virtual_host}"
