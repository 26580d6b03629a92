# shellcheck shell=bash
# For conversation.sh and e2e.sh: real programs, started, spoken to, watched, and always cleaned up.
# Nothing here sleeps and hopes: every wait is for something seen, and gives up after $patience seconds.

set -u
bin=${1:-${CARGO_TARGET_DIR:-target}/debug} # where the two programs are
patience=15
passed=0 failed=0
tmp=$(mktemp -d)
declare -A pid=() holder=()
unset SMOLTALK_LISTEN SMOLTALK_HOST SMOLTALK_PORT SMOLTALK_USERNAME

cleanup() {
    # A child killed before it became its program is still this script, trap and all.
    [ "$BASHPID" = $$ ] || return
    exec 2>/dev/null # the shell would tell of each one killed
    kill -KILL "${pid[@]}" "${holder[@]}"
    rm -rf "$tmp"
}
trap cleanup EXIT

# start NAME COMMAND...: runs it as NAME. What `say NAME` says is its standard input; its output is
# in $tmp/NAME.out and $tmp/NAME.err.
start() {
    local name=$1 in=$tmp/$1.in
    shift
    hangup "$name"
    rm -f "$in" && mkfifo "$in" && : >"$tmp/$name.out" && : >"$tmp/$name.err"
    exec 3<>"$in"
    sleep 1000 <&3 3<&- >/dev/null & # holds the pipe open until `hangup`
    holder[$name]=$!
    disown
    "$@" <"$in" >"$tmp/$name.out" 2>"$tmp/$name.err" 3<&- &
    pid[$name]=$!
    exec 3<&-
}

# say NAME LINE...: types lines into it.
say() {
    local name=$1
    shift
    printf '%s\n' "$@" 1<>"$tmp/$name.in"
}

# hangup NAME: ends its standard input, if it has any.
hangup() {
    [ -z "${holder[$1]-}" ] || kill -KILL "${holder[$1]}"
    unset "holder[$1]"
}

# soon COMMAND...: whether it succeeds in time.
soon() {
    local deadline=$((SECONDS + patience))
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# sees NAME LINE, sees_like NAME REGEX: whether exactly that line comes out of it in time.
sees() { soon grep -qxF -e "$2" "$tmp/$1.out"; }
sees_like() { soon grep -qxE -e "$2" "$tmp/$1.out"; }
# complains NAME REGEX: whether such a line comes out of its standard error in time.
complains() { soon grep -qE -e "$2" "$tmp/$1.err"; }
# silent_about NAME REGEX: whether no such line has come. Ask when something later has been seen.
silent_about() { ! grep -qE -e "$2" "$tmp/$1.out"; }
# said NAME LINE...: whether its output is these lines, and no other.
said() {
    local name=$1
    shift
    printf '%s\n' "$@" | cmp -s - "$tmp/$name.out"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# ends NAME STATUS: whether it ends by itself, in time, and so.
ends() {
    soon gone "${pid[$1]}" || return 1
    wait "${pid[$1]}" 2>/dev/null
    local status=$?
    unset "pid[$1]"
    ((status == $2)) || ! echo "# $1 ended with $status, not $2"
}

# kill_9 NAME: it has no say in it.
kill_9() {
    { kill -KILL "${pid[$1]}" && wait "${pid[$1]}"; } 2>/dev/null # the shell would tell
    unset "pid[$1]"
}

# serve NAME [FLAG...]: a server on a port of its own, once it listens; $port is that port.
serve() {
    local name=$1
    shift
    start "$name" "$bin/smoltalkd" --listen 127.0.0.1:0 "$@"
    complains "$name" '^listening on 127\.0\.0\.1:' || return 1
    port=$(sed -n 's/^listening on 127\.0\.0\.1://p' "$tmp/$name.err")
}

# stop NAME: asks it to end, and it ends well.
stop() {
    kill -TERM "${pid[$1]}" && ends "$1" 0
}

# client NAME [FLAG...]: our client as a member called NAME.
client() {
    local name=$1
    shift
    start "$name" "$bin/smoltalk" --port "$port" --username "$name" "$@"
}

# check 'what is promised' COMMAND...: a line for a person, and the evidence if it does not hold.
check() {
    local what=$1 file
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok - $what"
        return
    fi
    failed=$((failed + 1))
    echo "not ok - $what"
    for file in "$tmp"/*.out "$tmp"/*.err; do
        tail -n 6 "$file" | cut -c -160 | sed "s|^|# ${file##*/}: |"
    done
    return 1
}

# skip 'what is promised' 'why it cannot be asked here': said aloud, counted as neither.
skip() { echo "ok - $1 # SKIP $2"; }

# finish: the last line and the exit code.
finish() {
    echo "$passed passed, $failed failed"
    ((failed == 0))
    exit
}
