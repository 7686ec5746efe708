"""Tasks on a Ray cluster, an existing one or one that is started here; the extra `ray` brings it.

A task does there what it does here: a Ray worker hands it to a process of its own, made as
`tabstep.engine.executors.Local` makes it, with the same threads, so that records are the same bit for bit and a crash
or a limit is one row. What Ray adds is the placing, by cores and GPUs, and starting tasks of a lost machine again. All
machines see the results folder, the data and this package at the same paths.

A Ray that starts here listens on loopback alone and asks for a token. For more machines start it there, and give its
address.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Any, Self

from tabstep.engine.executors import Local, explained

RETRIES = 3  # machines that a task may lose
TOKENS = "RAY_AUTH_MODE"  # unset, a Ray that starts here asks for a token
ELSEWHERE = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")  # where Ray looks for a token before it looks at home
ONE_MACHINE = (
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: nodes are on loopback; Ray reads it when it is imported
)


class Cluster:
    """Ray, at `address` ("auto" finds the one of this machine), or a local one with `workers` places when None."""

    def __init__(
        self,
        address: str | None,
        workers: int,
        threads: int,
        device: str = "cpu",
        memory_bytes: int | None = None,
    ) -> None:
        self.address, self.workers, self.threads, self.device = address, workers, threads, device
        self.memory_bytes = memory_bytes
        self.places = 1
        self.waiting: dict[Future[Any], Any] = {}

    def __enter__(self) -> Self:
        if self.address is None:
            _guard()
        import ray

        cores = None if self.address else self.workers * self.threads
        ray.init(
            address=self.address or "local",
            num_cpus=cores,
            include_dashboard=None if self.address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        self.remote = ray.remote(
            num_cpus=self.threads,
            num_gpus=1 if self.device.startswith("cuda") else 0,
            max_retries=RETRIES,
        )(in_place)
        self.places = max(1, int(ray.cluster_resources().get("CPU", 1)) // self.threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        for reference in self.waiting.values():
            ray.cancel(reference, force=True)
        ray.shutdown()

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float | None
    ) -> Future[Any]:
        """See `Executor`. A task whose machine is lost is started again on another one."""
        reference = self.remote.remote(function, arguments, timeout_s, self.threads, self.memory_bytes)
        inner, outer = reference.future(), Future[Any]()
        self.waiting[outer] = reference

        def settle(done: Future[Any]) -> None:
            self.waiting.pop(outer, None)
            error = done.exception()
            value, failure = (None, None) if error is not None else done.result()
            if error is not None:
                outer.set_exception(RuntimeError(f"lost by the cluster: {type(error).__name__}"))
            elif failure is not None:
                outer.set_exception(failure)
            else:
                outer.set_result(value)

        inner.add_done_callback(settle)
        return outer

    def running(self, future: Future[Any]) -> bool:
        """The oldest ones, as many as there are places: Ray does not say it at a price worth paying."""
        return future in islice(self.waiting, self.places)


def _guard() -> None:
    """See to it that a Ray that starts now is on loopback, and closed to who lacks its token.

    Ray gives loopback to every node where it does not support several machines, and has one setting to say so.
    Raises ValueError where tokens were turned off, and RuntimeError where Ray was imported too early to be told.
    """
    mode = os.environ.get(TOKENS)
    if mode is not None and mode.lower() != "token":
        raise ValueError(
            f"without a token a Ray runs the code of whoever reaches it: unset {TOKENS}, which is {mode!r}"
        )
    os.environ[ONE_MACHINE] = "0"
    import ray

    address = ray.util.get_node_ip_address()
    if not ip_address(address).is_loopback:
        raise RuntimeError(
            f"Ray would listen on {address}: it was imported before {ONE_MACHINE}=0 was set; set it at the start"
        )
    if not any(os.environ.get(name) for name in ELSEWHERE):
        _own_token(Path.home() / ".ray" / "auth_token")


def _own_token(path: Path) -> None:
    """See to it that a token is there which nobody but this user can read: one that Ray makes is open to all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent) as file:  # of mode 0600
        file.write(secrets.token_hex(32))
        file.flush()
        with suppress(FileExistsError):  # another run's, which it may be using
            os.link(file.name, path)
    path.chmod(0o600)


def in_place(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    timeout_s: float | None,
    threads: int,
    memory_bytes: int | None,
) -> tuple[Any, BaseException | None]:
    """In a Ray worker: the value, or what went wrong. It keeps its process, and the models in its memory."""
    try:
        return _here(threads, memory_bytes).submit(function, arguments, timeout_s).result(), None
    except Exception as error:  # noqa: BLE001  told to the driver, where it is one row
        return None, explained(error, timeout_s)


@cache
def _here(threads: int, memory_bytes: int | None) -> Local:
    return Local(1, threads, memory_bytes).__enter__()
