#!/usr/bin/env python3
"""Plays a conversation of three people in tmux, one of them on nc: the demonstration of the README.

    docs/demo.py live             in this terminal, as it happens
    docs/demo.py record FILE.svg  out of sight, and draws it as an animated picture

The server and the clients are those on the PATH. Needs tmux, and nc from netcat-openbsd.
"""
import html
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

SESSION = f"smoltalk-demo-{os.getpid()}"
COLUMNS, ROWS = 132, 14  # Three panes of 43 columns, with a line between them.

# Who does what: (pane, keys typed, what then appears in that pane). Enter follows the keys.
ADA, BOB, EVE = 0, 1, 2
SCRIPT = [
    (ADA, "smoltalk -u ada", "ada>"),
    (BOB, "smoltalk -u bob", "bob>"),
    (EVE, "nc 127.0.0.1 $SMOLTALK_PORT", "HELLO"),
    (EVE, "JOIN eve", "OK eve 3"),
    (ADA, "send hello, everybody", "hello, everybody"),
    (EVE, "MSG hi, I am on plain netcat", "hi, I am"),
    (BOB, "tell ada lunch?", "lunch?"),
    (ADA, "who", "eve"),
    (ADA, "tell bob at noon!", "at noon!"),
    (EVE, "LEAVE", "BYE"),
    (BOB, "leave", "$ "),
]


def tmux(*args):
    run = subprocess.run(["tmux", "-L", SESSION, *args], check=True, capture_output=True)
    return run.stdout.decode(errors="replace")


def start_server(log):
    server = subprocess.Popen(["smoltalkd", "--listen", "127.0.0.1:0"], stderr=open(log, "w"))
    for _ in range(100):
        found = re.search(r"listening on \S+:(\d+)", open(log).read())
        if found:
            return server, found[1]
        time.sleep(0.05)
    sys.exit("demo: the server does not start: " + open(log).read())


def open_panes(port, home):
    shell = f"env -i PATH={shlex.quote(os.environ['PATH'])} TERM=$TERM HOME={shlex.quote(home)} " \
            f"LANG=C.UTF-8 TZ=UTC SMOLTALK_PORT={port} PS1='$ ' sh"
    tmux("-f", "/dev/null", "-u", "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS + 1),
         "-s", "demo", shell)
    tmux("set", "-g", "status", "off")
    for _ in (BOB, EVE):
        tmux("split-window", "-h", shell)
    tmux("select-layout", "even-horizontal")


def pane(index):
    return f"demo:0.{index}"


def play(shoot):
    """Types the script; calls `shoot` whenever the picture may have changed."""
    for where, keys, awaited in SCRIPT:
        tmux("select-pane", "-t", pane(where))
        before = tmux("capture-pane", "-p", "-t", pane(where)).count(awaited)
        for key in keys:
            tmux("send-keys", "-t", pane(where), "-l", key)
            shoot(0.045)
        before = max(before, tmux("capture-pane", "-p", "-t", pane(where)).count(awaited)
                     if awaited in keys else before)
        tmux("send-keys", "-t", pane(where), "Enter")
        deadline = time.time() + 10
        # What was typed may stay, may move, or be replaced: something new has to appear.
        while tmux("capture-pane", "-p", "-t", pane(where)).count(awaited) < max(before, 1):
            if time.time() > deadline:
                sys.exit(f"demo: after “{keys}”, “{awaited}” does not appear")
            time.sleep(0.02)
        for _ in range(6):
            shoot(0.2)
    shoot(2.5)


def live():
    with tempfile.TemporaryDirectory() as folder:
        server, port = start_server(os.path.join(folder, "log"))
        try:
            open_panes(port, folder)
            if os.fork() == 0:
                time.sleep(1)
                play(time.sleep)
                tmux("kill-server")
                os._exit(0)
            subprocess.run(["tmux", "-L", SESSION, "attach"])
        finally:
            server.terminate()


def record(path):
    frames = []  # (seconds shown, the lines of the screen)

    def shoot(seconds):
        time.sleep(min(seconds, 0.2))
        screen = [self_contained(tmux("capture-pane", "-e", "-p", "-t", pane(p)).split("\n")[:ROWS])
                  for p in (ADA, BOB, EVE)]
        if frames and frames[-1][1] == screen:
            frames[-1][0] += seconds
        else:
            frames.append([seconds, screen])

    with tempfile.TemporaryDirectory() as folder:
        server, port = start_server(os.path.join(folder, "log"))
        try:
            open_panes(port, folder)
            time.sleep(0.5)
            play(shoot)
        finally:
            server.terminate()
            subprocess.run(["tmux", "-L", SESSION, "kill-server"], capture_output=True)
    with open(path, "w") as file:
        file.write(draw(frames))
    print(f"{path}: {os.path.getsize(path) // 1024} KiB, {sum(f[0] for f in frames):.0f} s")


def self_contained(lines):
    """tmux lets a style go on from one line to the next: repeats it where a line begins."""
    style, found = "", []
    for line in lines:
        found.append(style + line)
        for codes in re.findall(r"\x1b\[([\d;]*)m", line):
            style = "" if codes.split(";")[0] in ("", "0") else style
            style += f"\x1b[{codes}m"
    return found


# Drawing. Each line of a pane is drawn once for every stretch of time in which it does not change.

CELL, LINE, PAD, TOP = 7.2, 18, 14, 44
WIDTH = 43 * CELL + 2 * PAD
INK, DIM, PAPER, BAR = "#d8dee9", "#7b8798", "#1d232e", "#2b3342"
COLOURS = ["#4c566a", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9"]
TITLES = ["ada, on smoltalk", "bob, on smoltalk", "eve, on nc"]


def draw(frames):
    total = sum(seconds for seconds, _ in frames)
    height = TOP + ROWS * LINE + PAD
    css, body = [], []
    for p in (ADA, BOB, EVE):
        left = p * (WIDTH + 8)
        body.append(f'<rect x="{left:.0f}" width="{WIDTH:.0f}" height="{height}" rx="8" fill="{PAPER}"/>'
                    f'<path d="M{left:.0f} 30v-22a8 8 0 0 1 8-8h{WIDTH - 16:.0f}a8 8 0 0 1 8 8v22z" fill="{BAR}"/>'
                    f'<text x="{left + PAD:.0f}" y="20" fill="{DIM}">{TITLES[p]}</text>')
        for row in range(ROWS):
            for begin, end, line in stretches(frames, p, row):
                if not re.sub(r"\x1b\[[\d;]*m", "", line).strip():
                    continue
                name = f"k{len(css)}"
                css.append(keyframes(name, begin / total, end / total))
                # Where nothing moves, the end is what is seen.
                still = "" if end >= total - 0.001 else ' visibility="hidden"'
                body.append(f'<text class="{name}"{still} x="{left + PAD:.0f}" y="{TOP + row * LINE + 10}">'
                            f"{spans(line)}</text>")
    width = 3 * WIDTH + 16
    each = "".join(f".k{n}{{animation-name:k{n}}}" for n in range(len(css)))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">\n'
            f"<title>Three people talk: two on the client, one on nc</title>\n<style>"
            f"text{{font:12px ui-monospace,Menlo,Consolas,monospace;fill:{INK};white-space:pre}}"
            f"@media (prefers-reduced-motion:no-preference){{"
            f"[class]{{animation:{total:.1f}s step-end infinite}}{each}}}{''.join(css)}</style>\n"
            + "\n".join(body) + "\n</svg>\n")


def stretches(frames, p, row):
    """(begin, end, line) for each stretch of time in which a line of a pane stays the same."""
    clock, found = 0.0, []
    for seconds, screen in frames:
        line = screen[p][row] if row < len(screen[p]) else ""
        if found and found[-1][2] == line:
            found[-1][1] = clock + seconds
        else:
            found.append([clock, clock + seconds, line])
        clock += seconds
    return found


def keyframes(name, begin, end):
    off = "" if end >= 0.9999 else f"{end * 100:.2f}%{{visibility:hidden}}"
    before = "" if begin == 0 else "0%{visibility:hidden}"
    on = f"{begin * 100:.2f}%{{visibility:visible}}"
    return f"@keyframes {name}{{{before}{on}{off}}}"


def spans(line):
    """A line with its colours, as tspans."""
    out, style = [], {}
    for part in re.split(r"(\x1b\[[\d;]*m)", line.rstrip()):
        if part.startswith("\x1b["):
            style = restyle(style, [int(code or 0) for code in part[2:-1].split(";")])
        elif part:
            attributes = "".join(f' {key}="{value}"' for key, value in style.items())
            text = html.escape(part, quote=False)
            out.append(f"<tspan{attributes}>{text}</tspan>" if attributes else text)
    return "".join(out)


def restyle(style, codes):
    style = dict(style)
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = {}
        elif code == 1:
            style["font-weight"] = "bold"
        elif code == 2:
            style["opacity"] = "0.6"
        elif code == 22:
            style.pop("font-weight", None), style.pop("opacity", None)
        elif code == 39:
            style.pop("style", None)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style["style"] = f"fill:{COLOURS[code % 10]}"
        elif code == 38 and codes[:1] == [5]:
            style["style"] = f"fill:{xterm(codes[1])}"
            codes = codes[2:]
        elif code == 38 and codes[:1] == [2]:
            style["style"] = "fill:#%02x%02x%02x" % tuple(codes[1:4])
            codes = codes[4:]
    return style


def xterm(index):
    if index < 16:
        return COLOURS[index % 8]
    if index >= 232:
        return "#" + f"{8 + (index - 232) * 10:02x}" * 3
    levels = [0, 95, 135, 175, 215, 255]
    index -= 16
    return "#%02x%02x%02x" % (levels[index // 36], levels[index // 6 % 6], levels[index % 6])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["live"]:
            live()
        case ["record", path]:
            record(path)
        case _:
            sys.exit(__doc__)
