"""A mail server (aiosmtpd) on a free port of the loopback interface; ends when its input does.

What it says to a recipient is in the address: `450@example.com` is put off, `550@example.com` is
refused, everybody else is taken. After the message of somebody called `451-data` it is put off, of
`554-data` refused. Each message that it takes is one line of JSON. Options: {"auth": {name: password}}.
"""

import asyncio
import json
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

OPTIONS = json.loads(sys.argv[1])
WORDS = {
    "450": "450 4.2.1 The mailbox is busy, try later",
    "451": "451 4.7.1 Greylisted, try later",
    "452": "452 4.2.2 The mailbox is full",
    "550": "550 5.1.1 There is no such mailbox",
    "552": "552 5.2.2 The mailbox is full for ever",
}


class Postbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = WORDS.get(address.split("@")[0])
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        sender = (envelope.mail_from or "").split("@")[0]
        if sender == "451-data":
            return "451 4.3.0 Cannot keep it now, try later"
        if sender == "554-data":
            return "554 5.6.0 This is not to be sent"
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "login": session.auth_data.login.decode() if session.auth_data else None,
            "text": envelope.content.decode("utf-8", "replace"),
        }
        print("taken " + json.dumps(taken), flush=True)
        return "250 2.0.0 Taken"


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and OPTIONS["auth"].get(data.login.decode())
    if known and known == data.password.decode():
        return AuthResult(success=True, auth_data=data)
    return AuthResult(success=False, handled=False)


async def serve():
    settings = {"enable_SMTPUTF8": True}
    if OPTIONS.get("auth"):
        # In plain text, on the loopback interface only.
        settings |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(Postbox(), **settings), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    print(json.dumps({"smtp": f"smtp://127.0.0.1:{port}"}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listening.close()


asyncio.run(serve())
