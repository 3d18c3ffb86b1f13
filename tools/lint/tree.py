"""What the checks share: the project's files, and the layer table of src/meson.build."""
import ast
import functools
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build-clang"                     # made by `./dev lint` before any check runs


@functools.cache
def files(*suffixes):
    """Every file of the project (tracked, or new and not ignored), as paths relative to the root."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split("\0")
    paths = sorted({pathlib.Path(n) for n in names if n})
    return [p for p in paths if (not suffixes or p.suffix in suffixes) and (ROOT / p).is_file()]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="surrogateescape")


@functools.cache
def layers():
    """{folder: (folders it may use, libraries it may use)}, in layer order."""
    table = re.search(r"^layers = (\[.*?^\])", text("src/meson.build"), re.M | re.S).group(1)
    return {folder: (uses, libraries) for folder, uses, libraries in ast.literal_eval(table)}


def listed(name):
    """The rows of a list file beside the checks: words up to the `#`, and the reason after it, which every row must give."""
    path = pathlib.Path("tools/lint") / name
    for number, line in enumerate(text(path).splitlines(), 1):
        words, _, reason = line.partition("#")
        if words.strip() and not reason.strip():
            complain(path, number, "a row needs its reason after a #")
        if words.strip():
            yield number, words.split(), path


complaints = 0


def complain(path, line, message):
    global complaints
    complaints += 1
    print(f"{path}:{line}: {message}")


def done():
    sys.exit(1 if complaints else 0)
