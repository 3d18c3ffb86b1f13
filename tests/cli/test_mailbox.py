"""penny mailbox, import and export, on a running server and on a stopped one."""
import imaplib
import json
import mailbox
import signal
import subprocess
import time

import post
from conftest import both

A = "alice@example.org"


def boxes(office):
    return {b["mailbox"]: b for b in json.loads(office.penny("mailbox", "list", A, "--json").stdout)}


def counted(r):
    return json.loads(r.stdout)


@both
def test_mailboxes(office):
    assert boxes(office)["INBOX"]["subscribed"]
    office.penny("mailbox", "create", A, "Work/2026/Größe")
    assert office.penny("mailbox", "create", A, "Work/2026/Größe", check=False).returncode == 73
    assert {"Work", "Work/2026", "Work/2026/Größe"} <= set(boxes(office))
    office.penny("mailbox", "rename", A, "Work", "Job")
    assert {"Job", "Job/2026", "Job/2026/Größe"} <= set(boxes(office)) and "Work" not in boxes(office)
    office.penny("mailbox", "unsubscribe", A, "Sent")
    assert not boxes(office)["Sent"]["subscribed"]
    office.penny("mailbox", "delete", A, "Job/2026/Größe")
    assert "Job/2026/Größe" not in boxes(office)
    office.penny("mailbox", "create", A, "Job/2026/x")
    assert office.penny("mailbox", "delete", A, "Job").stdout == "deleted, with 0 letters\n"
    assert "Job" not in boxes(office) and office.penny("mailbox", "show", A, "Job", check=False).returncode == 67
    office.penny("mailbox", "rename", A, "Job", "Task")
    assert {"Task/2026", "Task/2026/x"} <= set(boxes(office))
    office.penny("mailbox", "create", A, "Task")
    office.penny("mailbox", "rename", A, "Task", "Job")
    assert json.loads(office.penny("mailbox", "show", A, "Drafts", "--json").stdout)["use"] == "drafts"
    for words, code in ((("delete", A, "INBOX"), 77), (("show", A, "None"), 67), (("list", "nobody@example.org"), 67), (("create", A, "a//b"), 65),
                        (("create", A, "x", "--use", "spam"), 65), (("rename", A, "Job", "Job/x"), 69), (("undelete", A, "--since", "soon"), 65)):
        r = office.penny("mailbox", *words, check=False)
        assert r.returncode == code and r.stderr.startswith("penny mailbox: "), (words, r.stderr)


def make_mbox(path, n, first=0):
    box = mailbox.mbox(path)
    for i in range(first, first + n):
        m = mailbox.mboxMessage(post.letter(f"mbox-{i}", b"From here\r\n>From there\r\n\r\nFrom a b 01:30\r\n" + b"x\r\n" * i).replace(b"\r\n", b"\n"))
        m.set_flags("RF" if i % 2 else "O")
        m.set_from("carol@example.net", time.gmtime(1700000000 + i))
        if i == first:
            m["X-Keywords"] = "work $Junk a) {3}"
        box.add(m)
    box.flush()
    box.close()
    return path


@both
def test_there_and_back(office, tmp_path):
    """mbox to account to Maildir to account to mbox: nothing is lost, nothing is there twice."""
    source = make_mbox(tmp_path / "in", 30)
    assert counted(office.penny("import", A, source, "--dry-run", "--json")) == {"letters": 30, "there": 0, "too_large": 0, "mailboxes": 1}
    assert boxes(office)["INBOX"]["messages"] == 0
    assert "imported 30 letters" in office.penny("import", A, source, "--mailbox", "From/Mbox").stdout
    assert counted(office.penny("import", A, source, "--mailbox", "From/Mbox", "--json"))["there"] == 30
    assert boxes(office)["From/Mbox"]["messages"] == 30 and boxes(office)["From/Mbox"]["unseen"] == 15

    md = tmp_path / "maildir"
    assert "exported 30 letters" in office.penny("export", A, md).stdout
    assert "exported 0 letters" in office.penny("export", A, md).stdout
    out = mailbox.Maildir(md / ".From.Mbox", create=False)
    flags = {m["Subject"]: m.get_flags() for m in out}
    assert len(flags) == 30 and flags["mbox-1"] == "FS" and flags["mbox-2"] == ""
    wanted = {m["Subject"]: m.get_payload() for m in mailbox.mbox(source)}
    assert {m["Subject"]: m.get_payload().replace("\nFrom ", "\n>From ") for m in out}.keys() == wanted.keys()

    assert counted(office.penny("import", A, md, "--json"))["letters"] == 0
    assert counted(office.penny("import", A, md, "--mailbox", "Copy", "--json"))["letters"] == 30
    mb = tmp_path / "mbox"
    office.penny("export", A, mb, "--format", "mbox", "--mailbox", "From/Mbox")
    assert [f.name for f in mb.iterdir()] == ["From.Mbox.mbox"]
    again = {m["Subject"]: m for m in mailbox.mbox(mb / "From.Mbox.mbox")}
    assert len(again) == 30 and again["mbox-0"]["X-Keywords"].split() == ["$Junk", "work"] and "F" in again["mbox-1"].get_flags()
    assert again["mbox-7"].get_from().endswith(time.strftime("%H:%M:%S %Y", time.gmtime(1700000007)))
    assert counted(office.penny("import", A, mb, "--json")) == {"letters": 0, "there": 30, "too_large": 0, "mailboxes": 1}
    office.penny("verify", "--bodies")


@both
def test_maildir_of_others(office, tmp_path):
    md = tmp_path / "Maildir"
    for folder in ("", ".Work.Old", ".Gr&APwA3w-e"):
        for sub in ("cur", "new", "tmp"):
            (md / folder / sub).mkdir(parents=True)
    letters = [post.letter(f"md-{i}", b"hello\r\n" * (i + 1)).replace(b"\r\n", b"\n") for i in range(5)]
    (md / "cur" / "1700000000.M1P2.host,S=9:2,FSa").write_bytes(letters[0])
    (md / "new" / "1700000001.M1P2.host").write_bytes(letters[1])
    (md / "tmp" / "1700000001.half").write_bytes(letters[1])
    (md / ".Work.Old" / "cur" / "1700000002.x:2,RT").write_bytes(letters[2])
    (md / ".Gr&APwA3w-e" / "cur" / "odd name:2,DP").write_bytes(letters[3])
    (md / "dovecot-keywords").write_text("0 holiday\n")
    assert counted(office.penny("import", A, md, "--json"))["letters"] == 4
    found = boxes(office)
    assert (found["INBOX"]["messages"], found["INBOX"]["unseen"]) == (2, 1) and found["Work/Old"]["messages"] == 1 and found["Grüße"]["messages"] == 1
    (md / ".Work.Old" / "new" / "1700000003.x").write_bytes(letters[4])
    assert counted(office.penny("import", A, md, "--json")) == {"letters": 1, "there": 4, "too_large": 0, "mailboxes": 3}
    mb = tmp_path / "out"
    office.penny("export", A, mb, "--format", "mbox")
    inbox = {m["Subject"]: m for m in mailbox.mbox(mb / "INBOX.mbox")}
    assert inbox["md-0"]["X-Keywords"] == "holiday" and inbox["md-0"].get_from().endswith("2023")


@both
def test_what_cannot_be(office, tmp_path):
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.mkdir()
    text.write_text("no mbox\n")
    (tmp_path / "none.mbox").write_text("")
    for words, code in (((A, "/nowhere"), 67), ((A, text), 65), ((A, empty), 65), (("nobody@example.org", tmp_path / "none.mbox"), 67),
                        ((A, tmp_path / "none.mbox", "--mailbox", "a//b"), 65)):
        r = office.penny("import", *words, check=False)
        assert r.returncode == code and r.stderr.startswith("penny import: "), (words, r.returncode, r.stderr)
    assert counted(office.penny("import", A, tmp_path / "none.mbox", "--json"))["letters"] == 0
    for words, code in ((("nobody@example.org", tmp_path / "x"), 67), ((A, tmp_path / "x", "--mailbox", "None"), 67), ((A, "/dev/null/x"), 74),
                        ((A, tmp_path / "x", "--format", "tar"), 64)):
        r = office.penny("export", *words, check=False)
        assert r.returncode == code, (words, r.returncode, r.stderr)


@both
def test_more_keywords_than_there_is_room_for(office, tmp_path):
    """The letters come all the same, with as many as there is room for."""
    box = mailbox.mbox(tmp_path / "in")
    for i in range(3):
        m = mailbox.mboxMessage(post.letter(f"kw-{i}", b"x\r\n").replace(b"\r\n", b"\n"))
        m["X-Keywords"] = " ".join(f"word{n}" for n in range(10 * i, 10 * i + 10))
        box.add(m)
    box.flush()
    assert counted(office.penny("import", A, tmp_path / "in", "--json"))["letters"] == 3
    office.penny("export", A, tmp_path / "out", "--format", "mbox")
    words = [(m["X-Keywords"] or "").split() for m in mailbox.mbox(tmp_path / "out" / "INBOX.mbox")]
    assert [len(w) for w in words] == [10, 10, 2], words


@both
def test_over_quota(office, tmp_path):
    """It stops at the quota, keeps what came until then, and goes on when there is room."""
    box = mailbox.mbox(tmp_path / "in")
    for i in range(600):
        box.add(post.letter(f"big-{i}", b"y" * 70 + b"\r\n" + b"x" * 1000 + b"\r\n").replace(b"\r\n", b"\n"))
    box.flush()
    office.penny("account", "quota", A, "400K")
    r = office.penny("import", A, tmp_path / "in", check=False)
    assert r.returncode == 69 and "quota" in r.stderr
    n = boxes(office)["INBOX"]["messages"]
    assert 0 < n < 600
    office.penny("account", "quota", A, "none", "--letters", str(n + 100))
    r = office.penny("import", A, tmp_path / "in", check=False)
    assert r.returncode == 69 and "letters" in r.stderr
    n = boxes(office)["INBOX"]["messages"]
    assert n < 600
    office.penny("account", "quota", A, "--letters", "none")
    assert counted(office.penny("import", A, tmp_path / "in", "--json")) == {"letters": 600 - n, "there": n, "too_large": 0, "mailboxes": 1}


def test_interrupted(office, tmp_path):
    """Killed in the middle, begun again: each letter is there once."""
    source = make_mbox(tmp_path / "in", 900)
    p = subprocess.Popen([post.PENNY, "-c", office.config, "import", A, source], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.35)
    p.send_signal(signal.SIGKILL)
    p.wait()
    r = counted(office.penny("import", A, source, "--json"))
    assert r["letters"] + r["there"] == 900 and boxes(office)["INBOX"]["messages"] == 900
    office.penny("verify", "--bodies")


def test_what_was_expunged_comes_back(tmp_path):
    p = post.Penny(config='plaintext_auth = {"127.0.0.1"}', at={"imap": f"127.0.0.1:{post.free_port()}"})
    p.start()
    try:
        p.penny("import", A, make_mbox(tmp_path / "in", 10))
        with imaplib.IMAP4("127.0.0.1", p.ports["imap"], timeout=60) as c:
            c.login(A, post.PASSWORD)
            c.select()
            c.store("4", "FLAGS", "(\\Answered $Forwarded blue)")
            date, = c.fetch("4", "(INTERNALDATE)")[1]
            c.store("3:5", "+FLAGS", "(\\Deleted)")
            c.expunge()
            lost = json.loads(p.penny("mailbox", "lost", A, "--since", "1h", "--json").stdout)
            assert sorted(x["subject"] for x in lost) == ["mbox-2", "mbox-3", "mbox-4"]
            assert p.penny("mailbox", "undelete", A, "INBOX").stdout == "brought back 3 letters\n"
            c.noop()
            assert c.response("EXISTS")[1][-1] == b"10"
            flags = [line.split(b"FLAGS ")[1] for line in c.uid("fetch", "11:13", "(FLAGS)")[1]]
            assert sum(b"\\Answered $Forwarded blue)" in f for f in flags) == 1 and not any(b"Deleted" in f for f in flags), flags
            dates = [line[line.index(b"INTERNAL"):] for line in c.uid("fetch", "11:13", "(INTERNALDATE)")[1]]
            assert any(d.split(b'"')[1] == date.split(b'"')[1] for d in dates), dates
        p.penny("mailbox", "create", A, "Gone")
        p.penny("import", A, tmp_path / "in", "--mailbox", "Gone")
        assert p.penny("mailbox", "delete", A, "Gone").stdout == "deleted, with 10 letters\n"
        assert json.loads(p.penny("mailbox", "undelete", A, "--into", "Archive", "--json").stdout) == {"letters": 10}
        assert boxes(p)["Archive"]["messages"] == 10
    finally:
        p.stop()
        p.remove()


def test_expunged_letters_in_quota(tmp_path):
    """They count or not as configured, whenever that changes, and what is counted is right all along."""
    p = post.Penny(config='plaintext_auth = {"127.0.0.1"}', at={"imap": f"127.0.0.1:{post.free_port()}"})
    no, yes = p.config.read_text(), p.config.read_text() + "\nmailbox { counts_in_quota = yes }\n"

    def used():
        a = json.loads(p.penny("account", "show", A, "--json").stdout)
        p.penny("verify")
        return a["letters"], a["expunged_letters"]

    try:
        p.penny("import", A, make_mbox(tmp_path / "in", 10))
        p.penny("account", "quota", A, "--letters", "10")
        p.config.write_text(yes)
        p.start()
        with imaplib.IMAP4("127.0.0.1", p.ports["imap"], timeout=60) as c:
            c.login(A, post.PASSWORD)
            c.select()
            c.store("1:4", "+FLAGS", "(\\Deleted)")
            c.expunge()
            assert used() == (10, 4)
            assert c.getquota('""')[1] == [b'"" (MESSAGE 10 10)']
            assert b"OVERQUOTA" in c.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[1][0]
        p.stop()
        p.config.write_text(no)
        p.start()
        assert used() == (6, 4)
        with imaplib.IMAP4("127.0.0.1", p.ports["imap"], timeout=60) as c:
            c.login(A, post.PASSWORD)
            assert c.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
        p.stop()
        p.config.write_text(yes)
        assert used() == (11, 4)
        assert p.penny("mailbox", "undelete", A).stdout == "brought back 4 letters\n"
        assert used() == (11, 0)
    finally:
        if p.process and p.process.poll() is None:
            p.stop()
        p.remove()
