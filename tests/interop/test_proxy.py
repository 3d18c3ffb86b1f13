"""Behind a load balancer: a PROXY header (versions 1 and 2), then plain text, or TLS from its first byte, in one segment or cut anywhere.

The balancer is 127.0.0.2; all others may connect directly and are not asked for a header. Rights are those of the address that is named:
of the balancer itself, which is in every list of rights, none may be left over."""
import base64
import json
import re
import socket
import ssl
import struct
import time

import post
import pytest

ALICE, BOB = "alice@example.org", "bob@example.org"
BALANCER, DIRECT = "127.0.0.2", "127.0.0.1"
CLIENT, FRIEND, CLIENT6 = "203.0.113.9", "198.51.100.7", "2001:db8::7"  # a stranger, one with rights, a stranger
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
LOGIN = base64.b64encode(f"\0{ALICE}\0{post.PASSWORD}".encode()).decode()


def v1(client):
    if ":" in client:
        return f"PROXY TCP6 {client} 2001:db8::25 40000 25\r\n".encode()
    return f"PROXY TCP4 {client} 192.0.2.25 40000 25\r\n".encode()


def v2(client, extension=b"\x04\0\3abc"):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    addresses = socket.inet_pton(family, client) + socket.inet_pton(family, "2001:db8::25" if ":" in client else "192.0.2.25")
    body = addresses + struct.pack("!HH", 40000, 25) + extension
    return SIGNATURE + bytes([0x21, 0x21 if ":" in client else 0x11]) + struct.pack("!H", len(body)) + body


class Connection:
    """Lines to and from the server; with a context, TLS whose first bytes go out in one send with the header, or cut in two."""

    def __init__(self, port, header=b"", context=None, source=BALANCER, cut=None):
        self.socket = socket.create_connection((DIRECT, port), timeout=60, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got, self.tls, self.cut = b"", None, cut
        if context:
            self.arriving, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(self.arriving, self.leaving, server_hostname="mail.example.org")
            self.shake(header)
        else:
            self.send_raw(header)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_raw(self, data):
        for piece in (data[:self.cut], data[self.cut:]) if self.cut else (data,):
            self.socket.sendall(piece)
            time.sleep(0.02 if self.cut else 0)
        self.cut = None

    def shake(self, first):
        while True:
            try:
                self.tls.do_handshake()
                self.send_raw(first + self.leaving.read())
                return
            except ssl.SSLWantReadError:
                self.send_raw(first + self.leaving.read())
                first = b""
                self.arriving.write(self.receive_raw())

    def receive_raw(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self.got)
        return data

    def receive(self):
        while self.tls:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.arriving.write(self.receive_raw())
            except ssl.SSLZeroReturnError:
                raise EOFError(self.got) from None
        return self.receive_raw()

    def line(self):
        while b"\n" not in self.got:
            self.got += self.receive()
        line, self.got = self.got.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def reply(self):
        """The last line of an SMTP reply, the only one of a POP3 answer."""
        line = self.line()
        while re.match(r"\d{3}-", line):
            line = self.line()
        return line

    def say(self, line, want=None):
        data = line.encode() + b"\r\n"
        if self.tls:
            self.tls.write(data)
            data = self.leaving.read()
        self.socket.sendall(data)
        reply = self.reply()
        assert want is None or reply.startswith(want), f"{line}: {reply}, not {want}"
        return reply

    def rest(self):
        """All that still comes before the connection ends."""
        try:
            while True:
                self.got += self.receive_raw()
        except (EOFError, ConnectionResetError):
            return self.got


@pytest.fixture(scope="module")
def office(dns):
    rights = f'{{"{BALANCER}", "{FRIEND}"}}'
    p = post.Penny(dns=dns, listen=f'proxy_protocol = {{"{BALANCER}"}}', config=f"trusted = {rights}\nplaintext_auth = {rights}\nsubmission {{ hide_client = no }}")
    p.start()
    yield p
    p.stop()
    p.remove()


@pytest.fixture(scope="module")
def context(office):
    return ssl.create_default_context(cafile=office.certificate)


def smtp(office, header, **how):
    c = Connection(office.ports["smtp"], header, **how)
    assert c.reply().startswith("220 ")
    c.say("EHLO client.example", "250 ")
    return c


def submissions(office, context, header, **how):
    c = Connection(office.ports["submissions"], header, context, **how)
    assert c.reply().startswith("220 ")
    c.say("EHLO client.example", "250 ")
    return c


def pop3(office, header, context=None, **how):
    c = Connection(office.ports["pop3s" if context else "pop3"], header, context, **how)
    assert c.reply().startswith("+OK ")
    return c


def pop3_login(c):
    c.say(f"USER {BOB}")
    return c.say(f"PASS {post.PASSWORD}")


def send(c, sender, subject):
    """Sends a letter to bob; returns the message's id."""
    c.say(f"MAIL FROM:<{sender}>", "250 ")
    c.say(f"RCPT TO:<{BOB}>", "250 ")
    c.say("DATA", "354 ")
    reply = c.say(post.letter(subject, b"x\r\n", sender=sender).decode() + ".", "250 2.0.0 ")
    return re.search(r"\b[0-9a-z]{13}\b", reply)[0]


def peers(office, message):
    rows = json.loads(office.penny("trace", message, "--json").stdout)
    return {e["peer"] for row in rows for e in row["events"] if "peer" in e}


def received(office):
    """The Received field of bob's only letter, which is taken out."""
    context = ssl.create_default_context(cafile=office.certificate)
    with pop3(office, v1(CLIENT), context) as c:
        assert pop3_login(c).startswith("+OK 1 ")
        c.say("RETR 1", "+OK")
        lines = []
        while (line := c.line()) != ".":
            lines.append(line)
        c.say("DELE 1", "+OK")
        c.say("QUIT", "+OK")
    text = "\r\n".join(lines)
    return text[text.index("Received:"):text.index("\r\nFrom:")]


HEADERS = pytest.mark.parametrize("header", [v1, v2])
CLIENTS = pytest.mark.parametrize("client", [CLIENT, CLIENT6])


@HEADERS
@CLIENTS
def test_smtp(office, header, client):
    with smtp(office, header(client)) as c:
        message = send(c, "someone@example.net", "named")
    assert peers(office, message) == {client}
    assert f"[{'IPv6:' if ':' in client else ''}{client}]" in received(office)


@HEADERS
@CLIENTS
def test_submissions(office, context, header, client):
    with submissions(office, context, header(client)) as c:
        c.say(f"AUTH PLAIN {LOGIN}", "235 ")
        message = send(c, ALICE, "named")
    assert peers(office, message) == {client}
    field = received(office)
    assert f"[{'IPv6:' if ':' in client else ''}{client}]" in field and "ESMTPSA" in field and "TLSv1.3" in field


@HEADERS
def test_pop3(office, context, header):
    with pop3(office, header(CLIENT), context) as c:
        assert pop3_login(c).startswith("+OK")
        c.say("QUIT", "+OK")
    assert post.until(lambda: [line for line in office.said().splitlines() if "pop3.end" in line and f"client={CLIENT}" in line and BOB in line])


@HEADERS
def test_cut_anywhere(office, context, header):
    """One segment is the usual case; a cut in the header, at its end, and in the ClientHello."""
    h = header(CLIENT)
    for cut in (1, 7, len(h) - 1, len(h), len(h) + 1, len(h) + 5, len(h) + 100):
        with pop3(office, h, context, cut=cut) as c:
            c.say("QUIT", "+OK")
        with submissions(office, context, h, cut=cut) as c:
            c.say("QUIT", "221 ")


def test_old_tls(office, context):
    old = ssl.create_default_context(cafile=office.certificate)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pop3(office, v2(CLIENT), old) as c:
        assert c.tls.version() == "TLSv1.2"
        c.say("QUIT", "+OK")


def relays(c):
    c.say("MAIL FROM:<someone@example.net>", "250 ")
    return not c.say("RCPT TO:<someone@elsewhere.example>").startswith("550 5.7.1 ")


@pytest.mark.parametrize("header,has_rights", [(v1(FRIEND), True), (v2(FRIEND), True), (v1(CLIENT), False), (v2(CLIENT), False),
                                               (LOCAL, False), (b"PROXY UNKNOWN\r\n", False)])
def test_rights_are_those_of_the_named(office, context, header, has_rights):
    with smtp(office, header) as c:
        assert relays(c) == has_rights
    with submissions(office, context, header) as c:
        assert c.say("MAIL FROM:<alice@example.org>").startswith("250 " if has_rights else "530 5.7.0 ")
    with pop3(office, header) as c:
        assert pop3_login(c).startswith("+OK" if has_rights else "-ERR")


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_nobody_is_named(office, context, header):
    """A balancer that looks whether we live: served, but neither it nor anybody else stands in the record."""
    with submissions(office, context, header) as c:
        c.say(f"AUTH PLAIN {LOGIN}", "235 ")
        message = send(c, ALICE, "unnamed")
    assert peers(office, message) == set()
    field = received(office)
    assert BALANCER not in field and "ESMTPSA" in field


@pytest.mark.parametrize("kind", ["smtp", "lmtp", "submission", "submissions", "pop3", "pop3s"])
@pytest.mark.parametrize("header", [b"EHLO client.example\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<bob@example.org>\r\n",
                                    b"PROXY TCP4 203.0.113.9 192.0.2.25 40000\r\n\r\n\r\n", SIGNATURE + b"\x21\x11\0\4abcd", b"\x16\3\1\0\1\0\0\0\0\0\0\0\0\0\0\0"])
def test_without_a_header_nothing_goes(office, kind, header):
    with Connection(office.ports[kind], header) as c:
        said = c.rest()
    plain_smtp = kind in ("smtp", "lmtp", "submission")
    assert said == (b"421 4.7.0 a PROXY header was expected\r\n" if plain_smtp else b"")


@pytest.mark.parametrize("kind", ["submissions", "pop3s"])
def test_tls_without_a_header(office, context, kind):
    with pytest.raises((EOFError, ConnectionResetError)):
        Connection(office.ports[kind], b"", context)


@pytest.mark.parametrize("kind", ["submissions", "pop3s"])
@pytest.mark.parametrize("begin,answer", [(b"EHLO client.example\r\n", 0), (b"\x16\3\1\0\5hello", 7)], ids=["text", "broken"])
def test_no_hello_behind_a_header(office, kind, begin, answer):
    """An alert to who tries to speak TLS, and the end; no word in plain text."""
    with Connection(office.ports[kind], v1(FRIEND) + begin) as c:
        said = c.rest()
    assert len(said) == answer and said[:1] in (b"", b"\x15"), said


def test_others_connect_directly(office, context):
    with submissions(office, context, b"", source=DIRECT) as c:
        c.say(f"AUTH PLAIN {LOGIN}", "235 ")
        message = send(c, ALICE, "direct")
    assert peers(office, message) == {DIRECT}
    assert f"[{DIRECT}]" in received(office)
    with pop3(office, b"", context, source=DIRECT) as c:
        c.say("QUIT", "+OK")


def test_others_name_nobody(office, context):
    """A header is not read from them: no rights by forging one."""
    with Connection(office.ports["smtp"], v1(FRIEND), source=DIRECT) as c:
        assert c.reply().startswith("220 ")
        assert c.reply().startswith("500 ")
        c.say("EHLO client.example", "250 ")
        assert not relays(c)
    with pytest.raises((EOFError, ConnectionResetError, ssl.SSLError)):
        Connection(office.ports["submissions"], v1(FRIEND), context, source=DIRECT)


@pytest.fixture(scope="module")
def narrow(dns):
    """Two connections for each address, of which FRIEND is trusted."""
    p = post.Penny(dns=dns, listen=f'proxy_protocol = {{"{BALANCER}"}}', config=f'trusted = {{"{FRIEND}"}}\nlimits {{ connections_per_address = 2 }}')
    p.start()
    yield p
    p.stop()
    p.remove()


REFUSALS = {"smtp": "421 4.7.0 too many connections", "submission": "421 4.7.0 too many connections",
            "pop3": "-ERR [SYS/TEMP] too many connections"}  # on the LMTP port only those with rights are served, who are not counted


@HEADERS
@pytest.mark.parametrize("client,neighbour,other", [(CLIENT, CLIENT, "203.0.113.10"), (CLIENT6, "2001:db8::8", "2001:db8:0:1::7")])
@pytest.mark.parametrize("kind", REFUSALS)
def test_the_named_are_counted(narrow, kind, header, client, neighbour, other):
    """On whatever port they are; the balancer itself is not, though all come from there."""
    context = ssl.create_default_context(cafile=narrow.certificate)
    welcome = ("220 ", "+OK ")
    with smtp(narrow, header(client)) as first, pop3(narrow, header(neighbour), context):
        with Connection(narrow.ports[kind], header(client)) as c:
            assert c.reply() == REFUSALS[kind]
            assert c.rest() == b""
        with Connection(narrow.ports[kind], header(other)) as c, Connection(narrow.ports[kind], header(FRIEND)) as d, \
                Connection(narrow.ports[kind], header(FRIEND)) as e, Connection(narrow.ports[kind], header(FRIEND)) as f:
            assert all(x.reply().startswith(welcome) for x in (c, d, e, f))
        first.say("QUIT", "221 ")
        assert first.rest() == b""

        def is_welcome():
            with Connection(narrow.ports[kind], header(client)) as again:
                return again.reply().startswith(welcome)

        assert post.until(is_welcome)
    post.until(lambda: narrow.status()["connections"] == 0)


@pytest.mark.parametrize("kind", ["submissions", "pop3s"])
def test_the_named_are_counted_before_tls(narrow, context, kind):
    """The connection ends without a word, and without a handshake."""
    with smtp(narrow, v1(CLIENT)), smtp(narrow, v1(CLIENT)):
        with Connection(narrow.ports[kind], v1(CLIENT)) as c:
            assert c.rest() == b""
        with pytest.raises((EOFError, ConnectionResetError)):
            Connection(narrow.ports[kind], v2(CLIENT), context)
    post.until(lambda: narrow.status()["connections"] == 0)


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_nobody_is_not_counted(narrow, header):
    """A balancer may look after us as often as it wants to."""
    with smtp(narrow, header), smtp(narrow, header), smtp(narrow, header):
        pass
    post.until(lambda: narrow.status()["connections"] == 0)
