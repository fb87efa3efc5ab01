"""Running a sandbox: on a port, in a child process, over a home that keeps its state."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from socialanalyzer_dagster.sandbox.config import SandboxConfig
from socialanalyzer_dagster.sandbox.serve import (
    SandboxServer,
    SandboxStartError,
    main,
    running_sandbox,
    sandbox_state,
    started_process,
)
from socialanalyzer_dagster.sandbox.state import SandboxState

KEY = {"Authorization": "Bearer key"}
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def spend(base_url: str) -> dict[str, object]:
    answer = httpx.post(f"{base_url}/openai/v1/chat/completions", json=CHAT, headers=KEY)
    found: dict[str, object] = answer.json()
    return found


def test_a_running_sandbox_tells_what_it_is() -> None:
    with running_sandbox(SandboxConfig(seed=21, port=0, speed="realistic", faults="flaky")) as base_url:
        told = sandbox_state(base_url)
    assert told is not None
    assert (told["seed"], told["speed"], told["faults"], told["home"]) == (21, "realistic", "flaky", None)
    assert told["creators_made"] == 0
    assert sandbox_state(base_url) is None


def test_bill_and_clock_survive_a_restart_under_the_same_home(tmp_path: Path) -> None:
    config = SandboxConfig(port=0, home=tmp_path)
    with SandboxServer(config) as server:
        spend(server.base_url)
        httpx.put(f"{server.base_url}/_sandbox/state", json={"advance_seconds": 60})
        billed = server.state.bill.total_micros()
    with SandboxServer(config) as server:
        assert server.state.bill.total_micros() == billed > 0
        told = sandbox_state(server.base_url)
    assert told is not None
    assert told["clock"] == "2026-11-16T12:01:00+00:00"
    assert told["home"] == str(tmp_path.resolve())


def test_what_was_billed_is_on_disk_before_the_answer_is_sent(tmp_path: Path) -> None:
    with running_sandbox(SandboxConfig(port=0, home=tmp_path)) as base_url:
        spend(base_url)
        reader = SandboxState(SandboxConfig(home=tmp_path))
        assert reader.bill.total_micros() > 0
        reader.store.close()


def test_a_home_takes_one_sandbox_at_a_time(tmp_path: Path) -> None:
    config = SandboxConfig(port=0, home=tmp_path)
    with running_sandbox(config), pytest.raises(SandboxStartError, match="another sandbox"):
        SandboxServer(config)


def test_a_home_of_another_world_is_refused_and_both_are_named(tmp_path: Path) -> None:
    with running_sandbox(SandboxConfig(seed=1, port=0, home=tmp_path)):
        pass
    with pytest.raises(SandboxStartError, match=r"seed 1, not of seed 2"):
        SandboxServer(SandboxConfig(seed=2, port=0, home=tmp_path))
    with running_sandbox(SandboxConfig(seed=1, port=0, home=tmp_path)) as base_url:
        assert sandbox_state(base_url) is not None


def test_a_taken_port_is_a_plain_error() -> None:
    with running_sandbox(SandboxConfig(port=0)) as base_url:
        taken = int(base_url.rpartition(":")[2])
        with pytest.raises(SandboxStartError, match=str(taken)):
            SandboxServer(SandboxConfig(port=taken))
        assert main(["--port", str(taken)]) == 2


def test_a_closed_connection_is_seen_as_such_over_a_socket() -> None:
    with SandboxServer(SandboxConfig(port=0)) as server, httpx.Client() as client:
        switch = [{"vendor": "openai", "kind": "closed_before"}]
        client.put(f"{server.base_url}/_sandbox/faults", json=switch)
        with pytest.raises(httpx.TransportError):
            client.get(f"{server.base_url}/openai/v1/models", headers=KEY)
        client.put(f"{server.base_url}/_sandbox/faults", json=[])
        assert client.get(f"{server.base_url}/openai/v1/models", headers=KEY).status_code == 200


@pytest.mark.parametrize(("kind", "is_billed"), [("hangs_before", False), ("hangs_after", True)])
def test_a_hanging_connection_outlives_the_patience_of_its_client(kind: str, is_billed: bool) -> None:
    with SandboxServer(SandboxConfig(port=0)) as server, httpx.Client(timeout=0.3) as client:
        switch = {"vendor": "openai", "kind": kind}
        client.put(f"{server.base_url}/_sandbox/faults", json=[switch])
        asked = f"{server.base_url}/openai/v1/chat/completions"
        with pytest.raises(httpx.ReadTimeout):
            client.post(asked, json=CHAT, headers=KEY)
        assert (server.state.bill.total_micros() > 0) == is_billed
        client.put(f"{server.base_url}/_sandbox/faults", json=[{**switch, "seconds": 0.05}])
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(asked, json=CHAT, headers=KEY)
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_a_child_process_serves_and_ends_with_the_block(tmp_path: Path) -> None:
    with started_process(SandboxConfig(seed=5, port=0, home=tmp_path)) as child:
        told = sandbox_state(child.base_url)
        spend(child.base_url)
    assert told is not None
    assert told["seed"] == 5
    assert told["pid"] == child.process.pid
    assert child.process.poll() is not None
    kept = SandboxState(SandboxConfig(seed=5, home=tmp_path))
    assert kept.bill.total_micros() > 0
    kept.store.close()


def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    config = SandboxConfig(port=0, home=tmp_path)
    with running_sandbox(config), pytest.raises(SandboxStartError, match="another sandbox"), started_process(config):
        pytest.fail("two sandboxes share a home")


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from socialanalyzer_dagster.sandbox.config import SandboxConfig\n"
        "from socialanalyzer_dagster.sandbox.serve import start_process\n"
        "child = start_process(SandboxConfig(port=0))\n"
        "print(child.base_url, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own script
    assert parent.stdout is not None
    base_url = parent.stdout.readline().strip()
    assert sandbox_state(base_url) is not None
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while sandbox_state(base_url) is not None:
        assert time.monotonic() < deadline, "the sandbox outlived its parent"
