"""Libraries that scripts are written with: Python's imaplib and Perl's Mail::IMAPClient."""
import imaplib
import re
import subprocess
import time

import post
import pytest
from conftest import ANY, digest, some


def test_imaplib(account, server):
    sent = some(4)
    c = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
    assert "STARTTLS" in c.capabilities
    c.starttls(ANY)
    with pytest.raises(imaplib.IMAP4.error):
        c.login(account.address, "wrong")
    c.authenticate("PLAIN", lambda _: f"\0{account.address}\0{account.password}".encode())
    assert c.create("Lists/Test")[0] == "OK"
    assert c.create("Lists/Test")[0] == "NO"
    for i, letter in enumerate(sent):
        typ, said = c.append("Lists/Test", "(\\Seen custom)" if i == 1 else None, time.time(), letter)
        assert typ == "OK" and b"APPENDUID" in said[0]
    assert c.status("Lists/Test", "(MESSAGES UIDNEXT UNSEEN)")[1] == [b'"Lists/Test" (MESSAGES 4 UIDNEXT 5 UNSEEN 3)'] \
        or b"MESSAGES 4 UIDNEXT 5 UNSEEN 3" in c.status("Lists/Test", "(MESSAGES UIDNEXT UNSEEN)")[1][0]
    assert c.select("Lists/Test") == ("OK", [b"4"])
    assert c.response("UIDNEXT")[1] == [b"5"]
    assert [r[1] for r in c.fetch("1:*", "(RFC822)")[1] if isinstance(r, tuple)] == sent
    assert c.search(None, "KEYWORD", "custom")[1] == [b"2"]
    assert c.search(None, "SUBJECT", "letter-3")[1] == [b"4"]
    assert c.search("UTF-8", "TEXT", '"letter 0."')[1] == [b"1"]
    assert c.uid("SEARCH", None, "UNSEEN")[1] == [b""], "FETCH RFC822 has seen them"
    assert c.sort("REVERSE SUBJECT", "UTF-8", "ALL")[1] == [b"4 3 2 1"]
    assert c.thread("REFERENCES", "UTF-8", "ALL")[0] == "OK"
    c.store("1", "+FLAGS.SILENT", "(\\Deleted)")
    assert c.copy("2:3", "Trash")[0] == "OK"
    assert c.uid("MOVE", "4", "Archive")[0] == "OK"
    assert sorted(c.expunge()[1]) in ([b"1"], [b"1", b"4"])
    assert c.rename("Lists/Test", "Lists/Other")[0] == "OK"
    assert c.unselect()[0] == "OK"
    assert c.delete("Lists/Other")[0] == "OK"
    assert c.getquotaroot("INBOX")[0] == "OK"
    assert c.namespace()[0] == "OK"
    assert c.logout()[0] == "BYE"
    assert set(account.letters("Trash")) == {"letter-1", "letter-2"} and account.flags("Trash")["letter-1"] == {"\\Seen", "custom"}
    assert set(account.letters("Archive")) == {"letter-3"}


PERL = r"""
use strict; use warnings; use Mail::IMAPClient; use IO::Socket::SSL;
my ($port, $user, $password, $file) = @ARGV;
my $c = Mail::IMAPClient->new(Server => '127.0.0.1', Port => $port, User => $user, Password => $password, Ssl => [SSL_verify_mode => SSL_VERIFY_NONE],
    Uid => 1, Peek => 1) or die "log-in: $@";
sub try { my ($what, $r) = @_; defined $r or die "$what: " . $c->LastError . "\n"; return $r }
print "folders ", join(' ', sort $c->folders), "\n";
try create => $c->create('Perl box');
my $uid = try append_file => $c->append_file('Perl box', $file, undef, '\Flagged');
my $second = try append_string => $c->append_string('Perl box', "Subject: second\r\n\r\nHello\r\n", '\Seen', '22-Nov-2026 01:30:00 +0000');
try select => $c->select('Perl box');
print "count ", $c->message_count, "\n";
print "subject ", $c->subject($uid), "\n";
print "size ", $c->size($uid), "\n";
print "flags ", join(' ', grep { $_ ne '\Recent' } $c->flags($second)), "\n";
print "body ", length($c->body_string($uid)), "\n";
print "seen ", join(' ', $c->seen), "; unseen ", join(' ', $c->unseen), "\n";
print "search ", join(' ', $c->search(SUBJECT => \'second')), "\n";
my $env = $c->get_envelope($uid) or die 'envelope';
print "envelope ", $env->subject, "\n";
my $bs = $c->get_bodystructure($uid) or die 'structure';
print "structure ", $bs->bodytype, "/", $bs->bodysubtype, "\n";
print "internaldate ", $c->internaldate($second), "\n";
try copy => $c->copy('Archive', $uid);
try move => $c->move('Trash', $second);
try see => $c->see($uid);
try delete_message => $c->delete_message($uid);
try expunge => $c->expunge;
print "left ", $c->message_count, "\n";
try close => $c->close;
try rename => $c->rename('Perl box', 'Renamed');
try delete => $c->delete('Renamed');
print "quota ", ($c->has_capability('QUOTA') ? 'yes' : 'no'), "\n";
my $idle = try idle => ($c->select('INBOX') && $c->idle);
print "idle ", ($idle ? 'begun' : 'refused'), "\n";
try done => $c->done($idle);
$c->logout or die 'logout';
"""


def test_mail_imapclient(account, server, tmp_path):
    script, file = tmp_path / "script.pl", tmp_path / "letter"
    script.write_text(PERL)
    letter = post.letter("from-perl", b"one\r\ntwo\r\n")
    file.write_bytes(letter)
    r = subprocess.run(["/usr/bin/perl", script, str(server.ports["imaps"]), account.address, account.password, file], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    said = dict(line.split(" ", 1) for line in r.stdout.splitlines())
    assert {"INBOX", "Trash", "Sent"} <= set(said["folders"].split())
    assert said["count"] == "2" and said["subject"] == "from-perl" and int(said["size"]) == len(letter) and said["flags"] == "\\Seen"
    assert int(said["body"]) == 10 and said["seen"] == "2; unseen 1" and said["search"] == "2" and said["envelope"] == "from-perl"
    assert said["structure"].lower() == "text/plain" and said["internaldate"].startswith("22-Nov-2026 01:30:00")
    assert said["left"] == "0" and said["idle"] == "begun", r.stderr
    assert account.letters("Archive") == {"from-perl": ({"\\Flagged"}, digest(letter))}
    assert account.flags("Trash") == {"second": {"\\Seen"}}
    assert "Renamed" not in account.mailboxes()


def test_many_at_once(account, server):
    """Two programs change the same mailbox; both end with the same picture of it."""
    account.fill("INBOX", some(30))
    a, b = account.login(), account.login()
    for c in (a, b):
        assert c.select("INBOX") == ("OK", [b"30"])
    for i in range(1, 30, 2):
        a.uid("STORE", str(i), "+FLAGS", "(\\Seen)")
        b.uid("STORE", str(i + 1), "+FLAGS", "(\\Deleted)")
    b.expunge()
    a.noop()
    said = [sorted(re.search(rb"UID (\d+)", r).group(1) for r in c.fetch("1:*", "(UID FLAGS)")[1] if b"\\Seen" in r) for c in (a, b)]
    assert said[0] == said[1] and len(said[0]) == 15
    assert [c.select("INBOX")[1] for c in (a, b)] == [[b"15"]] * 2
