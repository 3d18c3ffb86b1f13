"""Thunderbird, with its window on a display of its own: what it shows is what the server has, and the other way round. It runs once for all tests;
each has mailboxes of its own, or letters of its own in INBOX."""
import base64
import email
import email.header
import json
import re
import smtplib

import post
import pytest
from conftest import Account, some
from thunderbird import Thunderbird

ADDRESS = "thunderbird@example.org"


@pytest.fixture(scope="module")
def mail(server):
    a = Account(server, ADDRESS)
    a.fill("INBOX", some(2, "inbox"))
    return a


@pytest.fixture(scope="module")
def program(server, mail):
    t = Thunderbird(ADDRESS, mail.password, server.ports["imaps"], server.ports["submission"], server.certificate)
    t.run("await open('INBOX', 2); await until(() => folders().includes('Trash'))")
    yield t
    t.remove()


@pytest.fixture
def bird(program):
    """Nothing it says may be refused, but that it asks by its old name for a mailbox it has just renamed or thrown away."""
    before = len(program.dialogue())
    yield program
    said = program.dialogue()[before:]
    refused = [line for line in said if re.search(r" S: (\S+|\*) (NO|BAD|BYE) (?!\[NONEXISTENT\])", line)]
    assert not refused, "\n".join(refused + said[-200:])


def show(bird, mail, mailbox, letters):
    """A mailbox with these letters, opened in the window."""
    mail.fill(mailbox, letters)
    bird.run("server.performExpand(window.msgWindow); await until(() => folders().includes(args[0])); await open(...args)", mailbox, len(letters))


def keyword(flag):
    return flag if flag.startswith("\\") else flag.lower()


def wire(mailbox):
    """Its name as a client without UTF8=ACCEPT sends it."""
    def coded(m):
        return "&-" if m[0] == "&" else "&" + base64.b64encode(m[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
    return '"' + re.sub("[^ -~]+|&", coded, mailbox) + '"'


def readable(subject):
    return str(email.header.make_header(email.header.decode_header(subject)))


def counts(mail, mailbox):
    """(letters, unseen ones) as `penny mailbox` says."""
    said = json.loads(mail.server.penny("mailbox", "show", ADDRESS, mailbox, "--json").stdout)
    return said["messages"], said["unseen"]


def same(bird, mail, wanted):
    """Both sides have these letters with these flags, once all that is under way has arrived; wanted: {mailbox: {subject: {flags}, or None if they do not
    matter}}. Thunderbird looks again at a mailbox that differs, as it does when it is opened."""
    shown = {}

    def differs(m):
        there = {readable(s): {keyword(f) for f in flags} for s, flags in mail.flags(wire(m)).items()}
        shown[m] = {s: set(map(keyword, flags)) for s, flags in bird.run("return flags(args[0])", m).items()}, there
        if any(wanted[m].get(s, set()) not in (None, flags) for s, flags in there.items()) or there.keys() != wanted[m].keys():
            return True
        return shown[m][0] != there or counts(mail, m) != (len(there), sum("\\Seen" not in f for f in there.values()))

    def compared():
        different = [m for m in wanted if differs(m)]
        for m in different:
            bird.run("update(args[0])", m)
        return not different
    try:
        post.until(compared, every=0.2)
    except AssertionError:
        raise AssertionError(f"wanted: {wanted}\n(Thunderbird, the server): {shown}\n{bird.tail()}") from None


ALTERNATIVE = b"""--one\r
Content-Type: multipart/alternative; boundary=two\r
\r
--two\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Gr=FC=DFe aus K=F6ln\r
--two\r
Content-Type: text/html; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
<p>Gr\xc3\xbc\xc3\x9fe aus <b>K\xc3\xb6ln</b></p>\r
--two--\r
--one\r
Content-Type: application/octet-stream; name=noise.bin\r
Content-Disposition: attachment; filename=noise.bin\r
Content-Transfer-Encoding: base64\r
\r
AAECAwQFBgcICQ==\r
--one--\r
"""


def test_reads(bird, mail):
    letters = {
        "plain": post.letter("plain", b"Nothing but text.\r\n"),
        "parts": post.letter("parts", ALTERNATIVE, extra=b"Content-Type: multipart/mixed; boundary=one\r\n"),
        "Grüße, 世界": post.letter("=?utf-8?B?R3LDvMOfZSwg5LiW55WM?=", "Ein Satz, 一句话\r\n".encode(),
                                extra=b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"),
        "large": post.letter("large", b"".join(b"line %d of many\r\n" % i for i in range(20000))),
        "empty": post.letter("empty", b""),
    }
    show(bird, mail, "Reading", letters.values())
    for subject, text in letters.items():
        got = base64.b64decode(bird.run("return source('Reading', args[0])", subject))
        assert re.sub(rb"(?m)^X-Mozilla-.*\n", b"", got) == text, subject
    for subject, word in (("plain", "Nothing but text."), ("parts", "Grüße aus Köln"), ("Grüße, 世界", "一句话"), ("large", "line 19999 of many")):
        assert word in bird.run("return select('Reading', args[0])", subject)
    same(bird, mail, {"Reading": {subject: set() if subject == "empty" else {"\\Seen"} for subject in letters}})


def test_marks(bird, mail):
    show(bird, mail, "Marks", some(6, "mark"))

    def mark(chosen, command, wanted):
        bird.run("await act('Marks', args[0], args[1])", [f"mark-{i}" for i in chosen], command)
        same(bird, mail, {"Marks": {f"mark-{i}": wanted.get(i, set()) for i in range(6)}})
    mark([0, 1, 2], "cmd_markAsFlagged", {0: {"\\Flagged"}, 1: {"\\Flagged"}, 2: {"\\Flagged"}})
    mark([1, 3], "cmd_tag1", {0: {"\\Flagged"}, 1: {"\\Flagged", "$label1"}, 2: {"\\Flagged"}, 3: {"$label1"}})
    mark([0, 1], "cmd_markAsFlagged", {1: {"$label1"}, 2: {"\\Flagged"}, 3: {"$label1"}})
    mark([3, 4], "cmd_tag2", {1: {"$label1"}, 2: {"\\Flagged"}, 3: {"$label1", "$label2"}, 4: {"$label2"}})
    mark([2, 4, 5], "cmd_markAsRead", {1: {"$label1"}, 2: {"\\Flagged", "\\Seen"}, 3: {"$label1", "$label2"}, 4: {"$label2", "\\Seen"}, 5: {"\\Seen"}})
    mark([4, 5], "cmd_markAsUnread", {1: {"$label1"}, 2: {"\\Flagged", "\\Seen"}, 3: {"$label1", "$label2"}, 4: {"$label2"}})
    mark([0, 1], "cmd_markAsJunk", {0: {"junk", "\\Seen"}, 1: {"junk", "$label1", "\\Seen"}, 2: {"\\Flagged", "\\Seen"}, 3: {"$label1", "$label2"},
                                    4: {"$label2"}})


def test_moves(bird, mail):
    """Letters to another mailbox, copies, deleted to Trash, a mailbox renamed and thrown away; each step is done before the next."""
    show(bird, mail, "Moves", some(8, "move"))

    def holds(**wanted):
        same(bird, mail, {places[place]: {f"move-{i}": None for i in numbers} for place, numbers in wanted.items()})
    places = {"here": "Moves", "there": "Moves/Größe & Ziel", "trash": "Trash"}
    bird.run("await made('Moves', 'Größe & Ziel')")
    bird.run("await act('Moves', ['move-0', 'move-1', 'move-2'], 'cmd_moveMessage', folder('Moves/Größe & Ziel'))")
    holds(here="34567", there="012")
    bird.run("await act('Moves', ['move-3', 'move-4'], 'cmd_copyMessage', folder('Moves/Größe & Ziel'))")
    holds(here="34567", there="01234")
    bird.run("await act('Moves', ['move-4', 'move-6'], 'cmd_delete')")
    holds(here="357", there="01234", trash="46")
    bird.run("await open('Moves/Größe & Ziel', 5); await act('Moves/Größe & Ziel', 'move-1', 'cmd_delete')")
    holds(there="0234", trash="146")
    bird.run("await open('Trash', 3); await act('Trash', 'move-6', 'cmd_moveMessage', folder('Moves'))")
    holds(here="3567", trash="14")
    bird.run("folder('Moves/Größe & Ziel').rename('Neu', window.msgWindow); await until(() => folders().includes('Moves/Neu'))")
    places["there"] = "Moves/Neu"
    bird.run("await open('Moves/Neu', 4)")
    holds(there="0234")
    bird.run("await open('Moves', 4); await act('Moves', 'move-7', 'cmd_moveMessage', folder('Moves/Neu'))")
    holds(here="356", there="02347")
    bird.run("await emptied()")
    holds(trash="")
    bird.run("folder('Moves/Neu').deleteSelf(null)")
    places["there"] = "Trash/Neu"
    bird.run("await until(() => folders().includes('Trash/Neu')); await open('Trash/Neu', 5)")
    holds(here="356", there="02347")
    assert "Trash/Neu" in mail.mailboxes() and "Moves/Neu" not in mail.mailboxes()


def test_searches(bird, mail):
    letters = [post.letter("apples", b"Red and green.\r\n", sender="eve@example.net"), post.letter("pears", b"Green only.\r\n" * 1000),
               post.letter("=?utf-8?Q?M=C3=B6hren?=", "Rüben, GRÜN.\r\n".encode(), extra=b"Content-Type: text/plain; charset=utf-8\r\n"),
               post.letter("coded", b"QmFzZTY0IGhpZGVzIHBsdW1zLg==\r\n", extra=b"Content-Transfer-Encoding: base64\r\n")]
    show(bird, mail, "Searches", letters)
    bird.run("await act('Searches', 'pears', 'cmd_markAsFlagged')")
    same(bird, mail, {"Searches": {"apples": set(), "pears": {"\\Flagged", "\\Seen"}, "Möhren": set(), "coded": set()}})
    for terms, found in (
            ([["Subject", "Contains", "apple"]], ["apples"]), ([["Subject", "Contains", "möhre"]], ["Möhren"]),
            ([["Body", "Contains", "green"]], ["apples", "pears"]), ([["Body", "Contains", "grün"]], ["Möhren"]),
            ([["Body", "Contains", "hides plums"]], ["coded"]), ([["Sender", "Contains", "eve"]], ["apples"]),
            ([["Body", "DoesntContain", "green"]], ["Möhren", "coded"]),
            ([["Body", "Contains", "green"], ["Subject", "DoesntContain", "apples"]], ["pears"]),
            ([["To", "Contains", "bob@example.org"]], ["Möhren", "apples", "coded", "pears"]), ([["MsgStatus", "Is", "Marked"]], ["pears"]),
            ([["Date", "IsBefore", "2026-11-20"]], []), ([["Date", "IsAfter", "2026-11-20"]], ["Möhren", "apples", "coded", "pears"]),
            ([["Size", "IsGreaterThan", 5]], ["pears"])):
        assert bird.run("return search('Searches', args[0])", terms) == found, terms


def test_sends(bird, mail, account):
    """A letter to somebody and the copy in Sent; the answer to a letter marks it; a draft is kept, taken up again, sent, and gone."""
    bird.run("await send(await composing(() => compose(...args)))", account.address, "Grüße von hier", "Schöne Grüße\n")
    bird.run("await open('INBOX', letters('INBOX').length); await select('INBOX', 'inbox-0');"
             "await send(await composing(() => command('cmd_reply')))")
    bird.run("const w = await composing(() => compose(...args)); w.goDoCommand('cmd_saveAsDraft');", account.address, "drafted", "Not yet\n")
    post.until(lambda: mail.letters("Drafts"))
    assert {s: flags for s, (flags, _) in mail.letters("Drafts").items()} == {"drafted": {"\\Draft"}}
    bird.run("[...Services.wm.getEnumerator('msgcompose')].map(w => w.close());")
    bird.run("await open('Drafts', 1); await select('Drafts', 'drafted'); await send(await composing(() => command('cmd_editDraftMsg')))")
    post.until(lambda: not mail.letters("Drafts"))
    same(bird, mail, {"INBOX": {"inbox-0": {"\\Seen", "\\Answered"}, "inbox-1": set()}, "Drafts": {},
                      "Sent": {"Grüße von hier": {"\\Seen"}, "Re: inbox-0": {"\\Seen"}, "drafted": {"\\Seen"}}})
    with account.login() as c:
        c.select("INBOX")
        arrived = [email.message_from_bytes(r[1]) for r in c.fetch("1:*", "(BODY[])")[1] if isinstance(r, tuple)]
    assert {readable(m["Subject"]): m.get_payload(decode=True).decode(m.get_content_charset()) for m in arrived} == {
        "Grüße von hier": "Schöne Grüße\r\n", "drafted": "Not yet\r\n"}
    assert {m["From"] for m in arrived} == {f"Thunder Bird <{ADDRESS}>"} and {m["Return-Path"] for m in arrived} == {f"<{ADDRESS}>"}


def idling(bird, mailbox):
    """Waits until the mailbox's connection does nothing but IDLE; the number of lines before that."""
    for _ in range(4):
        bird.run("update(args[0])", mailbox)
        try:
            return post.until(lambda: quiet_since(bird, mailbox), 8)
        except AssertionError:  # Thunderbird does not idle after a command that had to wait for another; the next time it looks for mail helps it
            continue
    raise AssertionError(f"no IDLE\n{bird.tail()}")


def quiet_since(bird, mailbox):
    said = bird.dialogue()
    mine = [i for i, line in enumerate(said) if f" {mailbox} " in line]
    return mine and said[mine[-1]].endswith("+ idling") and mine[-1]


def test_idle(bird, mail):
    """What others do to the mailbox that is open shows at once, and nobody has asked."""
    bird.run("await open('INBOX', letters('INBOX').length)")

    def pushed(change, shown):
        before = idling(bird, "INBOX")
        change()
        bird.run(f"await until(() => {shown})")
        said = [line for line in bird.dialogue()[before + 1:] if " INBOX " in line]
        assert said and " S: * " in said[0], said

    def deliver(subject):
        with smtplib.LMTP("127.0.0.1", mail.server.ports["lmtp"]) as s:
            s.sendmail("carol@example.net", [ADDRESS], post.letter(subject, b"by IDLE\r\n"))

    def change(what):
        with mail.login() as c:
            c.select("INBOX")
            what(c, c.search(None, "SUBJECT", "pushed")[1][0].decode())
    pushed(lambda: deliver("pushed"), "subjects('INBOX').includes('pushed')")
    pushed(lambda: change(lambda c, n: c.store(n, "+FLAGS", "(\\Flagged)")), "letter('INBOX', 'pushed').isFlagged")
    pushed(lambda: change(lambda c, n: c.uid("MOVE", c.fetch(n, "(UID)")[1][0].split()[-1].strip(b")").decode(), "Archive")),
           "!subjects('INBOX').includes('pushed')")
    same(bird, mail, {"INBOX": {"inbox-0": None, "inbox-1": None}})


def test_comes_back(bird, mail):
    """It is closed, others change the mailbox, it is opened again: its picture of old and what is new make the picture of today."""
    show(bird, mail, "Back", some(8, "back"))
    same(bird, mail, {"Back": {f"back-{i}": set() for i in range(8)}})
    bird.stop()
    mail.fill("Back", some(2, "new"))
    with mail.login() as c:
        c.select("Back")
        c.store("1,3", "+FLAGS", "(\\Seen \\Answered)")
        c.store("4:6", "+FLAGS", "(\\Deleted)")
        c.expunge()
        c.store("4", "+FLAGS", "($label1)")
    bird.start()
    bird.run("await open('Back', 7)")
    same(bird, mail, {"Back": {"back-0": {"\\Seen", "\\Answered"}, "back-1": set(), "back-2": {"\\Seen", "\\Answered"}, "back-6": {"$label1"},
                               "back-7": set(), "new-0": set(), "new-1": set()}})
