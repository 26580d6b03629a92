#!/usr/bin/env python3
"""Greets everybody who comes: a bot around `smoltalk --json`, which does the talking.

Start a server with `cargo run`, then:

    cargo build --bins
    examples/greeter.py target/debug/smoltalk

What follows the program's path is passed on to it, as in `--host chat.example.org --reconnect`.
Events come as lines of JSON (docs/json.md); what is written back are the words a person types.
"""

import json
import subprocess
import sys

program = sys.argv[1] if len(sys.argv) > 1 else "smoltalk"
talk = subprocess.Popen(
    [program, "--username", "greeter", "--json", *sys.argv[2:]],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
    encoding="utf-8",
)


def type_line(line):
    print(line, file=talk.stdin, flush=True)


def report(line):
    print(line, flush=True)


newcomer = None
for line in talk.stdout:
    match json.loads(line):
        case {"type": "ok", "count": count}:
            report(f"greeting {count - 1} others")
        case {"type": "joined", "name": name}:
            newcomer = name
            type_line(f"tell {name} welcome, {name}")
            type_line("who")
        case {"type": "who", "members": members}:
            type_line(f"send {newcomer} is here: we are {len(members)}")
            report(f"{newcomer} came")
        case {"type": "err", "code": code, "text": text}:
            report(f"refused: {text} ({code})")
        case {"type": "bye", "reason": reason}:
            report(f"the room closed: {reason}")

# The same exit codes, so that whoever started this one knows.
sys.exit(talk.wait())
