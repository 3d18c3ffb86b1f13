"""Peers that say next to nothing must not keep the others out."""
import socket
import ssl
import time

import post


def greeting(port):
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain) as s:
        return s.recv(200)


def test_stalled_handshakes(server):
    """More handshakes than may run at once, each begun with one byte and left alone: others get in soon all the same."""
    stalled = [socket.create_connection(("127.0.0.1", server.ports["pop3s"]), timeout=20) for _ in range(80)]
    try:
        for s in stalled:
            s.sendall(b"\x16")
        time.sleep(0.3)
        begun = time.monotonic()
        assert greeting(server.ports["submissions"]).startswith(b"220 ")
        assert time.monotonic() - begun < 10
    finally:
        for s in stalled:
            s.close()


def test_the_owner_gets_in(dns):
    """When no more connections are taken, those of the administration still are."""
    p = post.Penny(dns=dns, config="limits { connections = 10 }").start()
    crowd = []
    try:
        for _ in range(10):
            crowd.append(socket.create_connection(("127.0.0.1", p.ports["smtp"]), timeout=20))
            assert crowd[-1].recv(200).startswith(b"220 ")
        with socket.create_connection(("127.0.0.1", p.ports["smtp"]), timeout=20) as one_more:
            assert one_more.recv(200) == b"421 4.7.0 too many connections\r\n"
        assert p.status()["connections"] == 10
        p.penny("account", "add", "dora@example.org", "--password-stdin", input=post.PASSWORD + "\n")
    finally:
        for s in crowd:
            s.close()
    p.stop()
    p.remove()
