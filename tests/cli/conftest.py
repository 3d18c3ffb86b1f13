import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import post  # noqa: E402


@pytest.fixture
def office(request):
    """A server that was set up; `@pytest.mark.parametrize("office", ["stopped", "running"], indirect=True)` starts it."""
    p = post.Penny(config='plaintext_auth = {"127.0.0.1"}')
    running = getattr(request, "param", "stopped") == "running"
    if running:
        p.start()
    yield p
    if running and p.process.poll() is None:
        p.stop()
    p.remove()


both = pytest.mark.parametrize("office", ["stopped", "running"], indirect=True)
