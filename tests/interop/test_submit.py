"""Letters handed in by other people's programs, on 587, 465 and 25, come out of the mailbox byte for byte."""
import base64
import smtplib
import socket
import ssl
import subprocess
import unicodedata

import post
import pytest

ALICE, BOB = "alice@example.org", "bob@example.org"


def trust(server):
    context = ssl.create_default_context(cafile=server.certificate)
    context.check_hostname = False
    return context


def submission(server):
    s = smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=60)
    s.starttls(context=trust(server))
    s.login(ALICE, post.PASSWORD)
    return s


def submissions(server):
    s = smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=60, context=trust(server))
    s.login(ALICE, post.PASSWORD)
    return s


def port_25(server):
    return smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60)


BODIES = {
    "plain": b"Hello Bob,\r\n\r\nall is well.\r\n",
    "dots": b".\r\n..\r\n.leading\r\n...three\r\nin.the.middle\r\n.\r\nend\r\n",
    "empty": b"",
    "one-line": b"x\r\n",
    "lines-of-998": (b"y" * 998 + b"\r\n") * 20,
    "long-lines": b"z" * 20000 + b"\r\n",
    "eight-bit": "Grüße aus Köln, 日本語\r\n".encode() * 5,
    "nul": b"before\0after\r\n",
    "300-KB": b"0123456789abcdef" * 4 * 5000 + b"\r\n",
    "20-MB": (b"A" * 76 + b"\r\n") * (20 * 1024 * 1024 // 78),
}


@pytest.mark.parametrize("way", [submission, submissions, port_25], ids=["587", "465", "25"])
@pytest.mark.parametrize("name", BODIES)
def test_bytes(server, mailbox, way, name):
    sender = ALICE if way is not port_25 else "someone@example.net"
    sent = post.letter(name, BODIES[name], sender=sender)
    with way(server) as s:
        s.sendmail(sender, [BOB], sent, mail_options=["BODY=8BITMIME"])
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)


def test_received_field_tells_the_truth(server, mailbox):
    with submissions(server) as s:
        s.sendmail(ALICE, [BOB], post.letter("truth", b"x\r\n"))
    (stored,) = mailbox()
    text = stored.decode()
    assert f"Return-Path: <{ALICE}>\r\nDelivered-To: {BOB}\r\nReceived: by mail.example.org with ESMTPSA" in text
    received = text[text.index("Received:"):text.index("\r\nFrom:")]
    assert "TLSv1.3" in received and f"for <{BOB}>" in received
    assert "127.0.0.1" not in received, "submission leaves the client's address out"


@pytest.mark.parametrize("chunks", [1, 3, 50])
def test_chunking(server, mailbox, chunks):
    sent = post.letter(f"chunks-{chunks}", b".\r\nnot stuffed\r\n" * 40)
    with submission(server) as s:
        assert s.has_extn("chunking")
        s.mail(ALICE)
        s.rcpt(BOB)
        step = -(-len(sent) // chunks)
        pieces = [sent[i:i + step] for i in range(0, len(sent), step)]
        for i, piece in enumerate(pieces):
            last = " LAST" if i == len(pieces) - 1 else ""
            s.sock.sendall(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
            code, text = s.getreply()
            assert code == 250, text
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)


def test_smtputf8(server, mailbox):
    server.penny("account", "add", "jürgen@example.org", "--password-stdin", input=post.PASSWORD + "\n", check=False)
    sent = post.letter("utf8", "Grüße\r\n".encode(), extra="X-Who: Jürgen Müller <jürgen@example.org>\r\n".encode())
    with submission(server) as s:
        s.sendmail(ALICE, [BOB, "jürgen@example.org"], sent, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)
    assert b"with UTF8SMTPSA" in stored


def test_pipelined_in_one_write(server, mailbox):
    sent = post.letter("pipelined", b"fast\r\n", sender="someone@example.net")
    with socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=20) as c:
        stream = c.makefile("rb")
        stream.readline()
        c.sendall(b"EHLO client.example\r\n")
        while stream.readline()[3:4] == b"-":
            pass
        c.sendall(b"MAIL FROM:<someone@example.net>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n")
        codes = [stream.readline()[:3] for _ in range(4)]
        assert codes == [b"250", b"250", b"550", b"354"]
        c.sendall(sent + b".\r\nQUIT\r\n")
        assert [stream.readline()[:3] for _ in range(2)] == [b"250", b"221"]
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)


def run(*argv, **kw):
    r = subprocess.run(list(map(str, argv)), capture_output=True, timeout=60, **kw)
    assert r.returncode == 0, (r.stdout + r.stderr).decode(errors="replace")
    return r


@pytest.mark.parametrize("how", ["587", "465", "25"])
def test_swaks(server, mailbox, tmp_path, how):
    sent = post.letter(f"swaks-{how}", b"by swaks\r\n.dot\r\n", sender=ALICE if how != "25" else "someone@example.net")
    file = tmp_path / "letter"
    file.write_bytes(sent.replace(b"\r\n", b"\n"))
    auth = ["--auth-user", ALICE, "--auth-password", post.PASSWORD]
    options = {
        "587": ["--port", server.ports["submission"], "--tls", "--auth", "PLAIN", *auth],
        "465": ["--port", server.ports["submissions"], "--tls-on-connect", "--auth", "LOGIN", *auth],
        "25": ["--port", server.ports["smtp"], "--tls"],
    }[how]
    run("swaks", "--server", "127.0.0.1", "--from", ALICE if how != "25" else "someone@example.net", "--to", BOB, "--data", f"@{file}",
        "--helo", "client.example", *options)
    (stored,) = mailbox()
    _, rest = post.without_prefix(stored)
    assert rest.rstrip(b"\r\n") == sent.rstrip(b"\r\n")  # swaks adds an empty line at the end of a file


@pytest.mark.parametrize("auth", ["plain", "login", "scram-sha-256"])
def test_msmtp(server, mailbox, auth):
    sent = post.letter(f"msmtp-{auth}", b"by msmtp\r\n.dot\r\n")
    run("msmtp", "--host=127.0.0.1", f"--port={server.ports['submission']}", "--tls=on", "--tls-certcheck=off", f"--auth={auth}", f"--user={ALICE}",
        f"--passwordeval=echo {post.PASSWORD}", f"--from={ALICE}", BOB, input=sent.replace(b"\r\n", b"\n"))
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)


@pytest.mark.parametrize("scheme,kind", [("smtp", "submission"), ("smtps", "submissions")])
def test_curl(server, mailbox, tmp_path, scheme, kind):
    sent = post.letter(f"curl-{kind}", b"by curl\r\n.dot\r\n")
    file = tmp_path / "letter"
    file.write_bytes(sent)
    run("curl", "-sS", "--ssl-reqd", "-k", "--mail-from", ALICE, "--mail-rcpt", BOB, "--upload-file", file, "--user",
        f"{ALICE}:{post.PASSWORD}", f"{scheme}://127.0.0.1:{server.ports[kind]}/client.example")
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)


def test_lmtp_answers_for_each_recipient(server, mailbox):
    sent = post.letter("lmtp", b"by LMTP\r\n")
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as s:
        s.ehlo_or_helo_if_needed()
        s.mail("someone@example.net")
        assert s.rcpt(BOB)[0] == 250 and s.rcpt("nobody@example.org")[0] == 550 and s.rcpt("carol@example.org")[0] == 250
        assert s.docmd("DATA")[0] == 354
        s.send(sent + b".\r\n")
        assert [s.getreply()[0] for _ in range(2)] == [250, 250]
    (stored,) = mailbox()
    post.assert_arrived(stored, sent)


def test_a_password_is_the_same_however_it_is_typed(server):
    """RFC 8265: composed and decomposed letters are one."""
    server.penny("account", "add", "dana@example.org", "--password-stdin", input=unicodedata.normalize("NFD", "pässwörd für alle") + "\n")
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=60, context=trust(server)) as s:
        s.ehlo()
        plain = "\0dana@example.org\0" + unicodedata.normalize("NFC", "pässwörd für alle")
        assert s.docmd("AUTH", "PLAIN " + base64.b64encode(plain.encode()).decode())[0] == 235
