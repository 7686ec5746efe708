"""The same records from a Ray cluster of several machines, one of which is lost in the middle."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest

from tabstep.engine import cluster, run
from tabstep.engine.cluster import ONE_MACHINE, TOKENS, Cluster
from tabstep.engine.folder import Folder
from tabstep.engine.job import Outcome
from tabstep.engine.plan import plan
from tests.test_run import TINY, Done, done, record_of

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed; the extra `ray` brings it"),
]

os.environ[ONE_MACHINE] = "0"  # before Ray is imported, which is left to the tests: it takes seconds
__all__ = ["done"]  # a fixture


@pytest.fixture
def machines() -> Iterator[Any]:
    """A head without a core for tasks; nodes join it, all of them processes of this machine."""
    from ray.cluster_utils import Cluster as Machines

    found = Machines(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield found
    found.shutdown()


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_records_are_the_same_when_a_machine_is_lost_in_the_middle(
    done: Done, machines: Any, tmp_path: Path
) -> None:
    nodes = [machines.add_node(num_cpus=1) for _ in range(2)]
    machines.wait_for_nodes()
    lost: list[Outcome] = []

    def watch(_: run.Status, outcome: Outcome | None) -> None:
        if outcome is not None and not lost:
            lost.append(outcome)
            machines.remove_node(nodes[0], allow_graceful=False)

    folder = Folder(tmp_path / "results")
    status = run.execute(
        done.plan, folder, executor=Cluster(machines.address, workers=1, threads=1), watch=watch
    )
    assert lost, "a machine was lost"
    assert [(o.status, o.reason) for o in status.outcomes] == [("ok", None)] * len(done.plan.jobs)
    for job in done.plan.jobs:
        ours, local = record_of(folder, job), record_of(done.folder, job)
        assert ours.scores == local.scores
        assert (ours.key, ours.nfe, ours.settings["method"]) == (
            local.key,
            local.nfe,
            local.settings["method"],
        )
        assert folder.rows(job.cell).read_bytes() == done.folder.rows(job.cell).read_bytes()


@pytest.mark.timeout(300)
def test_a_crash_and_a_limit_are_told_and_leave_the_others() -> None:
    with Cluster(None, workers=1, threads=1) as here:
        slow = here.submit(time.sleep, (60,), 1.0)
        crash = here.submit(os._exit, (3,), None)
        fine = here.submit(pow, (2, 5), 60.0)
        assert fine.result(120) == 32
        assert isinstance(slow.exception(1), TimeoutError)
        assert "limit of 1 s" in str(slow.exception())
        assert "worker process died (exit code 3)" in str(crash.exception(1))


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_ray_that_starts_here_is_on_loopback_and_closed_to_who_lacks_the_token(tmp_path: Path) -> None:
    import ray

    with Cluster(None, workers=1, threads=1) as here:
        assert here.submit(pow, (2, 5), 60.0).result(120) == 32
        this = psutil.Process()
        listening = [
            ip_address(socket.laddr.ip.removeprefix("::ffff:"))
            for process in (this, *this.children(recursive=True))
            for socket in process.net_connections(kind="inet")
            if socket.status == psutil.CONN_LISTEN
        ]
        assert len(listening) > 2
        assert all(address.is_loopback for address in listening), listening
        where = ray.get_runtime_context().gcs_address
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        clean |= {"HOME": str(tmp_path), ONE_MACHINE: "0"}
        code = f"import ray; ray.init(address={where!r}); print('let in')"
        stranger = subprocess.run(
            [sys.executable, "-c", code], env=clean, capture_output=True, text=True, timeout=120, check=False
        )
    assert stranger.returncode != 0
    assert "let in" not in stranger.stdout
    assert "auth" in stranger.stderr.lower(), stranger.stderr[-2000:]


def test_a_ray_without_a_token_or_open_to_others_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.7")
    with pytest.raises(RuntimeError, match=r"would listen on 10\.0\.0\.7"), Cluster(None, 1, 1):
        pass
    monkeypatch.setenv(TOKENS, "disabled")
    with pytest.raises(ValueError, match="RAY_AUTH_MODE, which is 'disabled'"), Cluster(None, 1, 1):
        pass
    assert not ray.is_initialized()


def test_the_token_is_of_this_user_alone_and_stays(tmp_path: Path) -> None:
    token = tmp_path / ".ray" / "auth_token"
    before = os.umask(0)
    try:
        cluster._own_token(token)
    finally:
        os.umask(before)
    said = token.read_text()
    assert re.fullmatch("[0-9a-f]{64}", said)
    token.chmod(0o644)  # as Ray leaves one
    cluster._own_token(token)
    assert (token.read_text(), stat.S_IMODE(token.stat().st_mode)) == (said, 0o600)
    assert list(token.parent.iterdir()) == [token]


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_a_record(done: Done, tmp_path: Path) -> None:
    todo, folder = plan(TINY, [done.source], workers=2), Folder(tmp_path / "results")
    run.execute(todo, folder)
    for job in todo.jobs:
        assert record_of(folder, job).scores == record_of(done.folder, job).scores
        assert folder.rows(job.cell).read_bytes() == done.folder.rows(job.cell).read_bytes()
