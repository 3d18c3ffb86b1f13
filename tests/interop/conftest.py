import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import post  # noqa: E402


@pytest.fixture(scope="session")
def dns():
    d = post.Dns()
    yield d
    d.stop()


@pytest.fixture(scope="session")
def server(dns):
    p = post.Penny(accounts=("alice@example.org", "bob@example.org", "carol@example.org"), dns=dns,
                   config='plaintext_auth = {"127.0.0.1"}\nlimits { per_hour = 100000  per_day = 100000 }')
    p.start()
    yield p
    p.stop()
    p.remove()


@pytest.fixture
def mailbox(server):
    """bob's, empty."""
    import poplib

    def drain():
        pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
        pop.user("bob@example.org")
        pop.pass_(post.PASSWORD)
        letters = []
        for i in range(1, pop.stat()[0] + 1):
            _, lines, size = pop.retr(i)
            text = b"".join(line + b"\r\n" for line in lines)
            assert size == pop_size(pop, i), "LIST and RETR agree"
            letters.append(text)
            pop.dele(i)
        pop.quit()
        return letters

    def pop_size(pop, i):
        stated = int(pop.list(i).split()[2])
        lines = pop.retr(i)[1]
        actual = sum(len(line) + 2 for line in lines)
        assert stated == actual, f"LIST says {stated}, the letter has {actual}"
        return pop.retr(i)[2]

    drain()
    return drain
