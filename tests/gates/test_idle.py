"""What a connection costs that has nothing to do: memory of the server for each of 500, once they have been idle for a while."""
import pathlib
import re
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


@pytest.mark.parametrize("kind,session,most", [("pop3", idle.pop3, 20), ("pop3s", idle.pop3, 40), ("imap", idle.imap_idle, 20), ("imaps", idle.imap_idle, 40)],
                         ids=["pop3", "pop3s", "imap-idle", "imaps-idle"])
def test_an_idle_connection(kind, session, most):
    account = "bob@example.org"
    server = post.Penny(accounts=[account], config='plaintext_auth = {"127.0.0.1"}\nlog { level = "warn" }')
    clients = []
    try:
        server.start()
        login = idle.by_scram(idle.Scram(account, post.PASSWORD))

        def more(n):
            for _ in range(n):
                clients.append(session(server.ports[kind], kind.endswith("s"), login))
        more(20)  # what the first ones make is shared by all
        before = settled(server)
        more(N)
        time.sleep(6)
        each = (settled(server) - before) / N
        assert each <= most, f"{each:.1f} KiB for each connection"
        print(f"{kind}: {each:.1f} KiB for each connection")
        for c in clients:
            c.s.close()
        server.stop()
    finally:
        server.remove()
