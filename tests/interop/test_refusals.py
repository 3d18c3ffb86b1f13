"""What must be refused, as a peer sees it."""
import smtplib
import ssl

import post
import pytest

ALICE, BOB = "alice@example.org", "bob@example.org"


def connect(server):
    s = smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60)
    s.ehlo("client.example")
    return s


@pytest.mark.parametrize("rcpt", ["someone@elsewhere.example", "a%elsewhere.example@example.org", "elsewhere.example!a@example.org",
                                  "\"a@elsewhere.example\"@example.org", "@example.org:someone@elsewhere.example", "someone@[192.0.2.1]"])
def test_no_open_relay(server, rcpt):
    with connect(server) as s:
        s.mail("someone@example.net")
        code, text = s.rcpt(f"<{rcpt}>")
        assert (code, text[:5]) in ((550, b"5.7.1"), (550, b"5.1.1")), text
        code, text = s.docmd("DATA")
        assert code in (503, 554), text


@pytest.mark.parametrize("sender,code,status", [
    ("a@example.net", 250, b"2.1.5"), ("a@aonly.example", 250, b"2.1.5"), ("a@nullmx.example", 550, b"5.7.27"),
    ("a@nomail.example", 550, b"5.1.8"), ("a@missing.example.net", 550, b"5.1.8"), ("a@not-served.test", 451, b"4.4.3"), ("", 250, b"2.1.5")])
def test_sender_domain(server, sender, code, status):
    with connect(server) as s:
        s.mail(sender)
        got, text = s.rcpt(BOB)
        assert (got, text[:len(status)]) == (code, status), text
        assert s.rcpt("postmaster@example.org")[0] == 250, "postmaster stays reachable"


def test_unknown_recipient(server):
    with connect(server) as s:
        s.mail("a@example.net")
        code, text = s.rcpt("nobody@example.org")
        assert (code, text[:5]) == (550, b"5.1.1")


@pytest.mark.parametrize("rcpt", ["postmaster@example.org", "POSTMASTER@mail.example.org", "abuse@example.org", "mailer-daemon@mail.example.org", "Postmaster",
                                  "postmaster@[127.0.0.1]"])
def test_role_addresses(server, rcpt):
    with connect(server) as s:
        s.mail("a@nullmx.example")
        assert s.docmd("RCPT", f"TO:<{rcpt}>")[0] == 250


def test_submission_wants_a_login_and_a_right(server):
    context = ssl._create_unverified_context()
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=60) as s:
        s.ehlo()
        s.starttls(context=context)
        s.ehlo()
        code, text = s.mail(ALICE)
        assert (code, text[:5]) == (530, b"5.7.0")
        s.login(ALICE, post.PASSWORD)
        code, text = s.mail(BOB)
        assert (code, text[:5]) == (550, b"5.7.1")
        with pytest.raises(smtplib.SMTPDataError) as e:
            s.sendmail(ALICE, [BOB], post.letter("forged", b"x\r\n", sender=BOB))
        assert (e.value.smtp_code, e.value.smtp_error[:5]) == (550, b"5.7.1")
        with pytest.raises(smtplib.SMTPDataError) as e:
            s.sendmail(ALICE, [BOB], b"Subject: nobody\r\n\r\nx\r\n")
        assert (e.value.smtp_code, e.value.smtp_error[:5]) == (550, b"5.6.0")


def test_wrong_password(server):
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], context=ssl._create_unverified_context(), timeout=60) as s:
        for user in (ALICE, "nobody@example.org"):
            with pytest.raises(smtplib.SMTPAuthenticationError) as e:
                s.login(user, "wrong")
            assert (e.value.smtp_code, e.value.smtp_error[:5]) == (535, b"5.7.8")


@pytest.mark.parametrize("ending", [b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\n.\n", b"\r.\r", b"\r\n.\r", b"\0.\r\n"])
def test_smuggling(server, ending):
    """Nothing but CRLF.CRLF ends the data: what follows another ending is text of the same letter, and the whole is refused."""
    with connect(server) as s:
        s.mail("a@example.net")
        s.rcpt(BOB)
        s.docmd("DATA")
        s.send(b"Subject: one\r\n\r\nfirst" + ending + b"MAIL FROM:<x@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: two\r\n\r\nsecond\r\n.\r\n")
        code, text = s.getreply()
        assert (code, text[:5]) == ((550, b"5.5.2") if ending != b"\0.\r\n" else (250, b"2.0.0")), text
        assert s.noop()[0] == 250, "and nothing more is answered"


def test_refusals_leave_a_trace(server):
    with connect(server) as s:
        s.mail("tracer@example.net")
        s.rcpt("nobody-traced@example.org")
    assert post.until(lambda: "nobody-traced" in server.penny("trace", "--last", "50", "--json").stdout)
