"""kill -9 under load, ten times: every letter that was answered 250 is there afterwards, once; what was not is there at most once."""
import collections
import poplib
import random
import re
import subprocess
import time

import post

ROUNDS = 10


def load(server, tag, log):
    return subprocess.Popen([post.BUILD / "tests/smtp_load", "-s", "20", "-m", "1000000", "-l", "6000", "-f", "s@example.org", "--tag", tag, "--log", log,
                             "-t", "alice@example.org,bob@example.org", "--until-failure", f"127.0.0.1:{server.ports['smtp']}"],
                            stdout=subprocess.DEVNULL)


def letters(server, account):
    """X-Load marks in the mailbox; the mailbox is emptied."""
    pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
    pop.user(account)
    pop.pass_(post.PASSWORD)
    marks = []
    for i in range(1, pop.stat()[0] + 1):
        text = b"\n".join(pop.retr(i)[1])
        marks.append(re.search(rb"^X-Load: (\S+)", text, re.M).group(1).decode())
        assert len(text) > 5500, "whole letters only"
        pop.dele(i)
    pop.quit()
    return marks


def test_every_250_is_found_once(tmp_path):
    server = post.Penny(config='trusted = {"127.0.0.0/8"}\nplaintext_auth = {"127.0.0.1"}')
    try:
        server.start()
        for n in range(ROUNDS):
            log = tmp_path / f"accepted-{n}"
            generator = load(server, f"round{n}", log)
            time.sleep(random.uniform(0.2, 1.2))
            server.kill()
            generator.wait(60)
            promised = log.read_text().split() if log.exists() else []
            server.start()
            found = collections.Counter(letters(server, "alice@example.org") + letters(server, "bob@example.org"))
            assert promised, "the load was under way when the server died"
            assert not [m for m in promised if found[m] != 1], f"round {n}: of {len(promised)} promised letters some are missing or doubled"
            assert not [m for m, times in found.items() if times > 1]
        assert "all is well" in server.penny("verify", "--bodies").stdout
        server.stop()
    finally:
        server.remove()
