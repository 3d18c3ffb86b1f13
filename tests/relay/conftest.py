import pathlib
import signal
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import office  # noqa: E402
import post  # noqa: E402
import remote  # noqa: E402

HOSTS = 1400  # scripted ones: p1.peers.test … ; the real ones follow
IDN, STRANGER, REFUSER = 1395, 1397, 1399
A, B, C, D, DEAD, E, DNS = 1901, 1902, 1903, 1904, 1905, 1906, 1907
TRUSTED, UNKNOWN = 1980, 1981  # clients; b trusts the first


def pytest_configure():
    """Whoever stops the suite has its servers stopped too: the fixtures' ends run."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def peers_zone(net):
    """One host for each number (pN), pairs of it and the next behind MX records (twoN, equalN, …), and what else DNS can do to a sender."""
    lines = []
    for n in range(1, HOSTS):
        lines += [f"p{n} A {net.host(n)}", f"two{n} MX 10 p{n}", f"two{n} MX 20 p{n + 1}", f"also{n} CNAME two{n}", f"six{n} AAAA ::1", f"six{n} A {net.host(n)}",
                  f"past{n} MX 10 nowhere", f"past{n} MX 20 p{n}", f"lame{n} MX 10 host.servfail.test.", f"lame{n} MX 20 p{n}",
                  f"mid{n} MX 10 p{n}", f"mid{n} MX 20 a", f"mid{n} MX 30 p{n + 1}", f"via{n} MX 10 alias{n}", f"alias{n} CNAME p{n}"]
    lines += [f"equal{i}x{n} MX 10 p{n + k}" for n in range(1, HOSTS, 50) for i in range(16) for k in (0, 1)]
    lines += [f"many MX {n} nowhere{n}" for n in range(300)]
    lines += [f"a A {net.host(A)}", "@ MX 10 a", "ours MX 10 a", "worse MX 10 a", "worse MX 20 p1", 'nowhere TXT "no address"', "nothing MX 10 nowhere",
              "loop CNAME pool", "pool CNAME loop", "zero MX 10 zero-host", "zero-host A 0.0.0.0"]
    return "\n".join(lines) + "\n"


def zones(net):
    def office_zone(n, more=""):
        return f"@ MX 10 mail\nmail A {net.host(n)}\n{more}"
    return {
        "a.test": office_zone(A), "b.test": office_zone(B), "c.test": office_zone(C), "e.test": office_zone(E),
        "d.test": office_zone(D, f"@ MX 5 dead\ndead A {net.host(DEAD)}\n@ MX 1 gone\n"),
        "peers.test": peers_zone(net), "null.test": "@ MX 0 .\n", "xn--bcher-kva.test": f"@ MX 10 p{IDN}.peers.test.\n",
        "stranger.test": f"@ MX 10 p{STRANGER}.peers.test.\n", "nomail.test": 'other TXT "x"\n', "servfail.test": None,
    }


@pytest.fixture(scope="session")
def net():
    return remote.Net()


@pytest.fixture(scope="session")
def dns(net):
    d = post.Dns(zones(net), address=net.host(DNS), port=53)
    yield d
    d.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Nobody's word for it but its own."""
    return remote.make_certificate(tmp_path_factory.mktemp("tls"), "peer.test")


@pytest.fixture(scope="session")
def known_certificate(tmp_path_factory):
    """The Penny Posts here trust it, for every host of peers.test."""
    return remote.make_certificate(tmp_path_factory.mktemp("known"), "*.peers.test")


@pytest.fixture(scope="session")
def postfixes(net, dns):
    """carol's c.test and dave's d.test, whose best MX does not exist and whose next is dead."""
    forwards = f"inline:{{ {{ gone@c.test = nobody@p{REFUSER}.peers.test }} }}"
    both = (remote.Postfix("c.test", net, C, dns, users=("carol", "dave", "dávid"), settings={"virtual_alias_maps": forwards}),
            remote.Postfix("d.test", net, D, dns))
    try:
        starting = [threading.Thread(target=p.start) for p in both]
        for t in starting:
            t.start()
        for t in starting:
            t.join()
        yield both
    finally:
        for p in both:
            p.stop()


@pytest.fixture(scope="session")
def c(postfixes):
    return postfixes[0]


@pytest.fixture(scope="session")
def d(postfixes):
    return postfixes[1]


@pytest.fixture(scope="session")
def a(net, dns, known_certificate):
    """The Penny Post of a.test."""
    o = office.Office("a.test", net, A, dns, people=("postmaster", "alice", "erin", "älice"), environment={"SSL_CERT_FILE": f"{known_certificate}.crt"})
    yield from served(o)


@pytest.fixture(scope="session")
def b(net, dns):
    """That of b.test, which trusts one address of the net."""
    o = office.Office("b.test", net, B, dns, people=("postmaster", "bob"), trusted=(net.host(TRUSTED),))
    yield from served(o)


def served(o):
    try:
        o.start()
        yield o
        o.stop()
    finally:
        o.remove()


@pytest.fixture(scope="session")
def numbers():
    """Of hosts nobody used yet, two at a time."""
    return iter(range(60, IDN, 2))


class Hosts:
    def __init__(self, net, number):
        self.net, self.number, self.running = net, number, []

    @property
    def domain(self):
        return f"p{self.number}.peers.test"

    def to(self, kind="p", who="someone"):
        return f"{who}@{kind}{self.number}.peers.test"

    def address(self, second=False):
        return self.net.host(self.number + second)

    def peer(self, on=None, second=False, number=None, **kw):
        """The scripted host of this test (or the one after it), from now on."""
        p = remote.Peer(self.net.host(number or self.number + second), self.net.port, on, **kw)
        self.running.append(p)
        return p

    def stop(self):
        for p in self.running:
            p.stop()


@pytest.fixture
def hosts(net, numbers):
    h = Hosts(net, next(numbers))
    yield h
    h.stop()
