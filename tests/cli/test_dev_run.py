"""./dev run's throwaway server: the first letter arrives, the lines it prints are right, nothing is left behind."""
import pathlib
import re
import signal
import subprocess

import post

DEV_RUN = pathlib.Path(__file__).parents[2] / "tools/dev-run"


def test_once():
    r = subprocess.run([DEV_RUN, post.PENNY, "--once"], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    assert "if you read this, the post is running." in r.stdout and "the record says: received, delivered, accepted" in r.stdout
    folder = re.search(r"serves in (\S+)", r.stdout).group(1)
    assert not pathlib.Path(folder).exists()


def test_its_lines_work(tmp_path):
    p = subprocess.Popen([DEV_RUN, post.PENNY], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = p.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        (tmp_path / "LETTER").write_text("From: bob@example.org\nSubject: by curl\n\nhello\n")
        commands = [line.strip() for line in lines if line.startswith(("  swaks", "  curl", "  echo", "  /"))]
        assert len(commands) == 11
        for command in (re.sub(r"/  +\(and.*", "/3", c) for c in commands):
            r = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
            assert r.returncode == 0, f"{command}\n{r.stdout}{r.stderr}"
        folder = re.search(r"serves in (\S+)", "".join(lines)).group(1)
        p.send_signal(signal.SIGINT)
        assert p.wait(30) == 0
        assert not pathlib.Path(folder).exists()
    finally:
        p.kill()
