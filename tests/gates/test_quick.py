"""What a person waits for: `account add` takes well under 0.2 s, process start and password hash included."""
import statistics
import time

import post
import pytest


@pytest.mark.parametrize("running", [True, False])
def test_account_add(running):
    p = post.Penny()
    try:
        if running:
            p.start()
        took = []
        for i in range(7):
            begun = time.monotonic()
            p.penny("account", "add", f"user{i}@example.org", "--password-stdin", input="pencil\n")
            took.append(time.monotonic() - begun)
        assert statistics.median(took) < 0.2, took
        print(f"account add: {statistics.median(took) * 1000:.0f} ms")
        if running:
            p.stop()
    finally:
        p.remove()
