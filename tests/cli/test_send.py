"""penny send: letters as other people's programs read them, and the exit codes scripts rely on."""
import email
import email.policy
import json
import poplib
import re
import subprocess

import post
import pytest

ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture(scope="module")
def server():
    p = post.Penny(config='plaintext_auth = {"127.0.0.1"}\nlimits { per_hour = 10000  per_day = 10000  message_size = 1M }')
    p.start()
    yield p
    p.stop()
    p.remove()


def send(server, *args, text=b"hello\n", password=post.PASSWORD, sender=ALICE, to=BOB):
    words = ["--from", sender] if sender else []
    words += ["--to", to] if to else []
    words += ["--password-stdin"] if password else []
    given = (password.encode() + b"\n" if password else b"") + text
    return subprocess.run([post.PENNY, "-c", server.config, "send", *words, *map(str, args)], input=given, capture_output=True, timeout=120)


def printed(server, *args, text=b"hello\n", sender=ALICE):
    r = send(server, "--print", *args, text=text, password=None, sender=sender)
    assert r.returncode == 0, r.stderr
    assert all(len(line) <= 998 for line in r.stdout.split(b"\r\n")) and b"\n" not in r.stdout.replace(b"\r\n", b"")
    return email.message_from_bytes(r.stdout, policy=email.policy.default)


def mailbox(server, user):
    pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    pop.user(user)
    pop.pass_(post.PASSWORD)
    letters = []
    for i in range(1, pop.stat()[0] + 1):
        letters.append(b"\r\n".join(pop.retr(i)[1]) + b"\r\n")
        pop.dele(i)
    pop.quit()
    return letters


def content(part):
    """Its text, line ends as they are typed here."""
    return part.get_content().replace("\r\n", "\n")


# --- the letter ---------------------------------------------------------------------------------------------------

TEXTS = {
    "us-ascii": "Tea at five?\n", "utf-8": "Grüße, 世界! 🦊\n", "iso-8859-1": "Grüße aus Köln\n", "iso-8859-15": "5 € für Öl\n",
    "windows-1252": "“quoted” – €\n", "iso-8859-2": "Žluťoučký kůň\n", "koi8-r": "Привет, мир\n", "windows-1251": "Привет\n",
    "iso-8859-7": "Καλημέρα\n", "iso-2022-jp": "こんにちは\n", "shift_jis": "日本語のテキスト\n", "euc-jp": "日本語\n", "gb18030": "你好，世界\n",
    "big5": "繁體中文\n", "euc-kr": "안녕하세요\n", "utf-16": "Grüße\n",
}


@pytest.mark.parametrize("charset", TEXTS)
def test_any_charset(server, charset):
    text = TEXTS[charset] * 3
    m = printed(server, "--subject", text.split("\n")[0], "--charset", charset, text=text.encode(charset))
    assert content(m) == text
    assert m["subject"] == text.split("\n")[0]
    assert m.get_content_charset() in ("utf-8", "us-ascii")


def test_attachments_of_all_kinds(server, tmp_path):
    files = {"notes.txt": "plain\n".encode(), "Grüße.pdf": bytes(range(256)) * 300, "übersicht 世界 with a rather long name that has to be folded.png": b"\x89PNG",
             "quote\"and\\backslash.bin": b"\0\r\n.\r\n", "empty.zip": b"", "letter.eml": b"Subject: inner\r\n\r\ninner text\r\n"}
    args = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        args += ["--attach", tmp_path / name]
    r = send(server, "--subject", "files", *args, text="Bitte schön\n".encode())
    assert r.returncode == 0, r.stderr
    m = email.message_from_bytes(mailbox(server, BOB)[-1], policy=email.policy.default)
    assert content(m.get_body()) == "Bitte schön\n"
    got = {}
    for part in m.iter_attachments():
        if part.get_content_type() == "message/rfc822":
            got[part.get_filename()] = part.get_payload(0).as_bytes(policy=email.policy.SMTP)
        else:
            got[part.get_filename()] = part.get_payload(decode=True)
    assert got == files
    types = {p.get_filename(): p.get_content_type() for p in m.iter_attachments()}
    assert types["Grüße.pdf"] == "application/pdf" and types["notes.txt"] == "text/plain" and types["quote\"and\\backslash.bin"] == "application/octet-stream"


def test_html_beside_text(server, tmp_path):
    (tmp_path / "a.html").write_text("<p>Grüße</p>\n")
    m = printed(server, "--html", tmp_path / "a.html", text="Grüße\n".encode())
    assert m.get_content_type() == "multipart/alternative"
    assert content(m.get_body(["plain"])) == "Grüße\n" and content(m.get_body(["html"])) == "<p>Grüße</p>\n"


def test_fields(server):
    m = printed(server, "--subject", "a\r\nBcc: eve@example.org", "--header", "X-Color: blue\nInjected: yes", "--cc", "Zoë <zoe@example.org>, d@example.org",
                "--header", "X-Long: " + "word " * 300, sender="Alice Läufer <alice@example.org>")
    assert m["from"].addresses[0].display_name == "Alice Läufer" and m["from"].addresses[0].addr_spec == ALICE
    assert [a.display_name for a in m["cc"].addresses] == ["Zoë", ""]
    assert m["bcc"] is None and m["injected"] is None and "Bcc:" in m["subject"] and m["x-color"].startswith("blue")
    assert m["message-id"].endswith("@example.org>") and m["date"].datetime and m["mime-version"] == "1.0"


def test_bcc_is_delivered_and_not_told(server):
    mailbox(server, ALICE), mailbox(server, BOB)
    assert send(server, "--bcc", ALICE, "--subject", "quiet").returncode == 0
    for user in (ALICE, BOB):
        letters = mailbox(server, user)
        head = letters[0].split(b"\r\n\r\n")[0].lower()
        assert len(letters) == 1 and b"bcc" not in head and (b"alice" in head.split(b"\r\nto:")[1]) is False


@pytest.mark.parametrize("text", [b".\n..\n.hidden\n", b"no line end", b"", b"\n" * 5, b"x" * 5000 + b"\n", b"From here\n", b"cr\r\nlf\n", b"tab\tand end \n"])
def test_text_arrives_as_it_was(server, text):
    mailbox(server, BOB)
    r = send(server, text=text)
    assert r.returncode == 0, r.stderr
    m = email.message_from_bytes(mailbox(server, BOB)[0], policy=email.policy.default)
    assert m.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n") == text.replace(b"\r\n", b"\n").rstrip(b"\n")


def test_addresses_beyond_ascii(server):
    server.account("jörg@example.org")
    mailbox(server, "jörg@example.org")
    assert send(server, to="Jörg <jörg@example.org>", text="hallo\n".encode()).returncode == 0
    assert len(mailbox(server, "jörg@example.org")) == 1


# --- through which server -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("tls, port", [("implicit", "submissions"), ("starttls", "submission"), ("none", "submission")])
def test_through_a_named_server(server, tls, port):
    r = send(server, "--server", f"127.0.0.1:{server.ports[port]}", "--tls", tls, "--user", ALICE, "--json")
    assert r.returncode == 0, r.stderr
    assert json.loads(r.stdout)["recipients"] == 1
    assert b"ESMTP" + (b"A" if tls == "none" else b"SA") + b" id" in mailbox(server, BOB)[-1]


def test_password_from_a_file(server, tmp_path):
    (tmp_path / "secret").write_text(post.PASSWORD + "\n")
    assert send(server, "--password-file", tmp_path / "secret", password=None).returncode == 0


def test_another_certificate_than_our_own_is_refused(server, tmp_path):
    """Somebody else has the port of our submission server: the password must not be given away."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=mail.example.org", "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem"], check=True, capture_output=True)
    text = server.config.read_text().replace(server.certificate, str(tmp_path / "c.pem"))
    (tmp_path / "other.conf").write_text(text)
    r = subprocess.run([post.PENNY, "-c", tmp_path / "other.conf", "send", "--from", ALICE, "--to", BOB, "--password-stdin"],
                       input=post.PASSWORD + "\nhello\n", capture_output=True, text=True, timeout=60)
    assert r.returncode == 69 and "not the expected one" in r.stderr, r.stderr


# --- what goes wrong ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("code, args, options", [
    (77, [], {"password": "wrong"}),
    (77, [], {"sender": "eve@example.org", "password": post.PASSWORD}),
    (67, [], {"to": "nobody@example.org"}),
    (64, [], {"to": None}),
    (64, [], {"sender": None}),
    (65, [], {"to": "not an address"}),
    (65, [], {"sender": "a@b@c"}),
    (64, ["--tls", "maybe", "--server", "127.0.0.1:1"], {}),
    (64, ["--charset", "klingon"], {"text": b"\xff\xfe"}),
    (64, ["--header", "no colon"], {}),
    (64, ["--header", "Bad name: x"], {}),
    (66, ["--attach", "/does/not/exist"], {}),
    (66, ["--password-file", "/does/not/exist"], {"password": None}),
    (75, ["--server", "127.0.0.1:1"], {}),
    (69, ["--server", "no.such.host.invalid:465"], {}),
    (64, ["--sbject", "x"], {}),
])
def test_exit_codes(server, code, args, options):
    if "sender" in options and options["sender"] == "eve@example.org":
        args = [*args, "--user", ALICE]
    r = send(server, *args, **options)
    assert r.returncode == code, (r.returncode, r.stderr)
    assert r.stderr.startswith(b"penny send: ")


def test_the_servers_words_are_told(server):
    r = send(server, to="nobody@example.org")
    assert b"nobody@example.org is refused; the server says: 550 5.1.1" in r.stderr


def test_one_refused_recipient_stops_the_letter(server):
    mailbox(server, BOB)
    assert send(server, "--to", "nobody@example.org").returncode == 67
    assert mailbox(server, BOB) == []


def test_too_large_is_known_before_it_is_sent(server):
    r = send(server, text=b"x" * 70 * 30000)
    assert r.returncode == 69 and b"the server takes at most 1048576" in r.stderr


# --- the record ---------------------------------------------------------------------------------------------------

def journey(server, said):
    """The events of the message whose id the server's words end with."""
    message = re.search(r"\[([0-9a-v]{13})\]", said.decode()).group(1)
    rows = post.until(lambda: (r := server.penny("trace", message, "--json", check=False)).returncode == 0 and json.loads(r.stdout))
    assert {row["message"] for row in rows} == {message}
    assert message in server.penny("trace", message).stdout
    return [event for row in rows for event in row["events"]]


def test_an_accepted_letter_can_be_traced(server):
    events = journey(server, send(server, "--subject", "Grüße").stdout)
    assert [e["event"] for e in events] == ["received", "delivered", "accepted"]
    assert events[0]["tls"].startswith("TLSv1") and events[1]["address"] == BOB and events[2]["code"] == 250


def test_a_refused_letter_can_be_traced(server):
    events = journey(server, send(server, to="nobody@example.org").stderr)
    assert [(e["event"], e["code"], e["status"]) for e in events] == [("refused", 550, "5.1.1")]
    assert "nobody@example.org" in json.dumps(events)
