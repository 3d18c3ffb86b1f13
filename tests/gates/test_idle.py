"""What a connection costs that has nothing to do: memory of the server for each of 500, once they have been idle for a while."""
import pathlib
import re
import resource
import sys
import time

import post
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "bench"))
import idle  # noqa: E402

N = 500


def memory(server):
    return int(re.search(r"^Pss:\s+(\d+) kB", open(f"/proc/{server.process.pid}/smaps_rollup").read(), re.M).group(1))


def settled(server):
    """Once nothing more is given back."""
    last = memory(server)
    for _ in range(20):
        time.sleep(0.5)
        now = memory(server)
        if now == last:
            break
        last = now
    return last


KINDS = {"pop3": (idle.pop3, 20), "pop3s": (idle.pop3, 40), "imap": (idle.imap_idle, 20), "imaps": (idle.imap_idle, 40)}


class Sitting:
    """A server and those who sit in it."""

    def __init__(self, kind):
        self.kind, self.clients, account = kind, [], "bob@example.org"
        self.server = post.Penny(accounts=[account], config='plaintext_auth = {"127.0.0.1"}\nlog { level = "warn" }')
        self.login = idle.by_scram(idle.Scram(account, post.PASSWORD))

    def more(self, n):
        for _ in range(n):
            self.clients.append(KINDS[self.kind][0](self.server.ports[self.kind], self.kind.endswith("s"), self.login))

    def leave(self):
        for c in self.clients:
            c.s.close()
        self.server.stop()


@pytest.fixture(scope="module")
def costs():
    """{kind: KiB for each connection}; all kinds have their while at the same time, each at a server of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY and most < 8192 else 8192, most))
    sittings = []
    try:
        for kind in KINDS:
            sittings.append(Sitting(kind))
            sittings[-1].server.start()
            sittings[-1].more(20)  # what the first ones make is shared by all
        before = {s.kind: settled(s.server) for s in sittings}
        for s in sittings:
            s.more(N)
        time.sleep(6)
        found = {s.kind: (settled(s.server) - before[s.kind]) / N for s in sittings}
        for s in sittings:
            s.leave()
        yield found
    finally:
        for s in sittings:
            s.server.remove()


@pytest.mark.parametrize("kind", KINDS)
def test_an_idle_connection(kind, costs):
    assert costs[kind] <= KINDS[kind][1], f"{costs[kind]:.1f} KiB for each connection"
    print(f"{kind}: {costs[kind]:.1f} KiB for each connection")
