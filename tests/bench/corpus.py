"""Generated MIME mail for the mailboxes that are measured: mean 9 KB; 35 % text, 50 % text and HTML, 15 % with a base64 attachment of up to 200 KB.

The same letters come out each time. A corpus file is letters one after the other, each behind a line with its length."""
import base64
import itertools
import os
import random

RARE = "zyxomma"  # a word of a few letters' text, and of no other
SUBJECT_WORD = "quarterly"  # in the subject of one in twenty
NAMES = ("Anna Lind", "Bob Marsh", "Chloé Dubois", "Dietmar Groß", "Elena Rossi", "Farid Khan", "Grace Hopper", "Hana Sato")


def pool_of_text(rng, size):
    """Lines of words as frequent as words are."""
    letters = "etaoinshrdlucmfwypvbgkqjx"
    words = ["".join(rng.choices(letters, weights=range(len(letters), 0, -1), k=rng.randint(2, 11))) for _ in range(20000)]
    weights = list(itertools.accumulate(1 / (i + 3) for i in range(len(words))))
    lines, have = [], 0
    while have < size:
        line = " ".join(rng.choices(words, cum_weights=weights, k=11))
        lines.append(line)
        have += len(line) + 2
    return lines, words


def encoded_word(text):
    return text if text.isascii() else f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


class Corpus:
    def __init__(self, seed=4):
        self.rng = random.Random(seed)
        self.lines, self.words = pool_of_text(self.rng, 4 << 20)
        binary = self.rng.randbytes(1 << 20)
        self.base64 = [base64.b64encode(binary[i:i + 57]).decode() for i in range(0, len(binary), 57)]

    def text(self, lines):
        at = self.rng.randrange(len(self.lines) - lines)
        return "\r\n".join(self.lines[at:at + lines]) + "\r\n"

    def html(self, lines):
        at = self.rng.randrange(len(self.lines) - lines)
        return ("<html><head><style>p { margin: 0 0 1em; font-family: sans-serif }</style></head><body>\r\n"
                + "\r\n".join(f"<p class=\"text\">{line}</p>" for line in self.lines[at:at + lines]) + "\r\n</body></html>\r\n")

    def attachment(self):
        size = int(1000 * 190 ** self.rng.random()) // 78 + 1  # lines: as many of 2 KB as of 100
        at = self.rng.randrange(len(self.base64) - size - 1)
        return "\r\n".join(self.base64[at:at + size]) + "\r\n"

    def header(self, i):
        rng = self.rng
        sender, to = rng.choice(NAMES), rng.choice(NAMES)
        subject = " ".join(rng.choices(self.words[:3000], k=rng.randint(2, 7)))
        if i % 20 == 7:
            subject = f"{SUBJECT_WORD} {subject}"
        answered = f"In-Reply-To: <{i - 3}.{i - 3:x}@sender.test>\r\nReferences: <{i - 9}.{i - 9:x}@sender.test> <{i - 3}.{i - 3:x}@sender.test>\r\n" if i % 3 == 0 else ""
        when = f"{1 + i % 28:02} {('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun')[i // 28 % 6]} 2026 {i % 24:02}:{i % 60:02}:{i * 7 % 60:02} +0000"
        mail = [f"{n.split()[0].lower().encode('ascii', 'ignore').decode()}@{d}.test" for n, d in ((sender, "sender"), (to, "sink"))]
        return (f"Return-Path: <{mail[0]}>\r\nReceived: from relay.sender.test (relay.sender.test [192.0.2.7])\r\n\tby mx.sink.test with ESMTPS id {i:08x}\r\n"
                f"\tfor <{mail[1]}>; {when}\r\nFrom: {encoded_word(sender)} <{mail[0]}>\r\nTo: {encoded_word(to)} <{mail[1]}>\r\nSubject: {subject}\r\n"
                f"Date: {when}\r\nMessage-ID: <{i}.{i:x}@sender.test>\r\n{answered}X-Mailer: Corpus 1\r\nMIME-Version: 1.0\r\n")

    def letter(self, i):
        kind, boundary = self.rng.random(), f"=_{i:x}_part"
        rare = f"{RARE} was here\r\n" if i % 20000 == 777 else ""
        plain = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{self.text(self.rng.randint(4, 34))}{rare}"
        if kind < 0.35:
            return self.header(i) + plain
        if kind < 0.85:
            kind, second = "alternative", f"Content-Type: text/html; charset=utf-8\r\n\r\n{self.html(self.rng.randint(4, 50))}"
        else:
            kind, second = "mixed", ("Content-Type: application/octet-stream; name=\"data.bin\"\r\nContent-Disposition: attachment; filename=\"data.bin\"\r\n"
                                     f"Content-Transfer-Encoding: base64\r\n\r\n{self.attachment()}")
        return (f"{self.header(i)}Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n{plain}\r\n--{boundary}\r\n{second}"
                f"\r\n--{boundary}--\r\n")


def write(path, letters):
    """Makes the file unless it is there; the bytes of all letters."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        corpus, half = Corpus(), path.with_suffix(".part")
        with half.open("wb") as f:
            for i in range(letters):
                letter = corpus.letter(i).encode()
                f.write(b"%d\n" % len(letter) + letter)
        half.rename(path)
    return path


def read(path):
    with path.open("rb") as f:
        while line := f.readline():
            yield f.read(int(line))


def write_maildir(path, letters, folder, owner):
    """The files that APPEND would have made, without its waiting for the disk."""
    for d in (folder.parent, folder, *(folder / name for name in ("cur", "new", "tmp"))):
        d.mkdir()
        os.chown(d, owner.st_uid, owner.st_gid)
    for i, letter in enumerate(itertools.islice(read(path), letters)):
        text = letter.replace(b"\r\n", b"\n")
        file = folder / "cur" / f"{1780000000 + i}.M1P{i}.bench,S={len(text)},W={len(letter)}:2,"
        file.write_bytes(text)
        os.chown(file, owner.st_uid, owner.st_gid)
