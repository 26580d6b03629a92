#!/usr/bin/env bash
# What smoltalk promises, asked of the real programs: both of ours, netcat (OpenBSD's) and telnet.
#   tests/e2e.sh [DIRECTORY OF THE PROGRAMS]
# shellcheck source=tests/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

# joins NAME COMMAND...: a member by plain lines, through whatever program carries them.
joins() {
    local name=$1
    start "$@"
    sees_like "$name" 'HELLO smoltalk/1 .*' && say "$name" "JOIN $name" &&
        sees_like "$name" "OK $name [0-9]+"
}
# member NAME: netcat, joined.
member() { joins "$1" nc -N 127.0.0.1 "$port"; }
# sent: what comes in on standard input goes to the server in one go; the answers come out.
sent() { timeout "$patience" nc -N 127.0.0.1 "$port"; }

# ---- The room: ada has our client, bob and eve have netcat.

nc_and_the_client_see_each_other() {
    client ada && say ada who && sees ada '* 1 here: ada' &&
        member bob && say bob 'MSG hi' 'TELL ada hi' && sees ada '<bob> [to you] hi' &&
        member eve && sees bob 'JOINED eve' && say ada 'send hello both' who 'tell eve lunch?' &&
        sees bob 'MSG ada hello both' && sees eve 'MSG ada hello both' &&
        sees eve 'TELL ada lunch?' && say bob LEAVE && sees bob BYE && sees ada '* bob left' &&
        sees eve 'LEFT bob'
}
the_client_prints_exactly_these_lines() {
    said ada '* 1 here: ada' '* bob joined' '<bob> hi' '<bob> [to you] hi' '* eve joined' \
        '* 3 here: ada bob eve' '* bob left'
}
netcat_shows_exactly_these_lines() {
    sed -i 's/^HELLO smoltalk.1 .*/HELLO/' "$tmp/bob.out"
    said bob HELLO 'OK bob 2' 'JOINED eve' 'MSG ada hello both' BYE
}
nobody_hears_himself() {
    say eve 'MSG echo?' 'PING fence' && sees eve 'PONG fence' && sees ada '<eve> echo?' &&
        silent_about eve '^MSG eve'
}
leave_me_alone_is_not_leave() {
    say ada 'leave me alone' 'hello?' help 'send still here' && sees eve 'MSG ada still here' &&
        complains ada send && silent_about eve 'alone|hello[?]' && silent_about ada 'tell <'
}
a_pipe_without_a_last_newline_delivers() {
    printf 'JOIN bot\nMSG hi' | sent >"$tmp/bot.out" && sees ada '<bot> hi' &&
        sees eve 'MSG bot hi' && sees eve 'LEFT bot' && sees_like bot 'OK bot 3' &&
        silent_about bot BYE
}
the_clients_input_ends_and_all_was_said() {
    seq -f 'send line %.0f' 500 | "$bin/smoltalk" --port "$port" -u pipe &&
        sees eve 'LEFT pipe' &&
        sed -n 's/^MSG pipe line //p' "$tmp/eve.out" | cmp - <(seq 500)
}
an_escape_is_a_picture() {
    printf 'JOIN esc\nMSG \033[31mred\a\n' | sent >"$tmp/esc.out" &&
        sees eve 'MSG esc ␛[31mred␇' && sees ada '<esc> ␛[31mred␇'
}
telnet_speaks() {
    # The minus asks for a full negotiation, as on port 23.
    joins tel telnet -- 127.0.0.1 "-$port" && say tel 'MSG by telnet' && sees eve 'MSG tel by telnet' &&
        say eve 'MSG to telnet' && sees_like tel $'MSG eve to telnet\r?' &&
        say tel LEAVE && sees eve 'LEFT tel'
}
negotiation_does_not_leak() {
    printf '\377\373\037\377\372\037\0\120\0\030\377\360JOIN raw\r\nMSG w\377\375\001hole\r\n' |
        sent >"$tmp/raw.out" && sees eve 'MSG raw whole' && sees ada '<raw> whole'
}
a_long_line_costs_only_itself() {
    printf 'JOIN long\nMSG %05000d\nMSG short\n' 0 | sent >"$tmp/long.out" &&
        sees eve 'MSG long short' && sees_like long 'ERR too-long .*' && silent_about eve 0000
}
http_is_told_off() {
    printf 'POST / HTTP/1.1\r\nHost: x\r\n\r\nJOIN web\r\nMSG gotcha\r\n' | sent >"$tmp/web.out"
    sees_like web 'ERR not-smoltalk .*' && say eve 'PING web' && sees eve 'PONG web' &&
        silent_about eve 'web .|gotcha'
}
head_ends_quietly() {
    # </dev/null and --stay: it only listens, so it is the closed output that ends it.
    {
        "$bin/smoltalk" --port "$port" -u quiet --stay </dev/null 2>"$tmp/quiet.err"
        echo "$?" >"$tmp/quiet.status"
    } | head -n 1 >"$tmp/quiet.out" &
    sees eve 'JOINED quiet' && say eve 'MSG one' && sees quiet '<eve> one' && sees eve 'LEFT quiet' &&
        soon test -s "$tmp/quiet.status" && ! grep . "$tmp/quiet.err" &&
        [ "$(cat "$tmp/quiet.status")" = 0 ]
}
kill_9_frees_the_name() {
    client kay && sees eve 'JOINED kay' && kill_9 kay && sees_like eve 'LEFT kay( lost)?' &&
        member KAY && sees eve 'JOINED KAY' && say KAY LEAVE && sees eve 'LEFT KAY'
}

check 'a server listens on a port of its own' serve server || finish
check 'netcat and the client see each other' nc_and_the_client_see_each_other
check 'in a pipe the client prints exactly its five forms' the_client_prints_exactly_these_lines
check 'netcat shows exactly the protocol' netcat_shows_exactly_these_lines
check 'nobody hears himself' nobody_hears_himself
check 'what is no command is not sent' leave_me_alone_is_not_leave
check "printf 'JOIN bot\\nMSG hi' | nc -N delivers" a_pipe_without_a_last_newline_delivers
check "the client's input ends: all of it was said, and it ends with 0" the_clients_input_ends_and_all_was_said
check 'an escape sequence is shown as ␛' an_escape_is_a_picture
check 'telnet speaks and is spoken to' telnet_speaks
check 'telnet negotiation does not leak' negotiation_does_not_leak
check 'a line too long costs only itself' a_long_line_costs_only_itself
check 'a web page cannot talk to the room' http_is_told_off
check 'smoltalk | head -1 ends quietly' head_ends_quietly
check 'kill -9 of a client: LEFT, and the name is free' kill_9_frees_the_name

# ---- How the client ends.

ends_with() { # STATUS REGEX FLAG...: the client ends so, and says why on standard error alone
    local status=$1 reason=$2
    shift 2
    start fails "$bin/smoltalk" "$@"
    ends fails "$status" && complains fails "$reason" && ! grep . "$tmp/fails.out"
}

not_said() { # STATUS LINE: a script whose line was not said ends so
    echo "$2" | "$bin/smoltalk" --port "$port" -u script 2>"$tmp/script.err"
    [ "$?" = "$1" ] && [ "$(wc -l <"$tmp/script.err")" = 1 ]
}

check 'a taken name: 3, in any case of letters' ends_with 3 . --port "$port" -u ADA
check 'a bad name: 3' ends_with 3 . --port "$port" -u 'ada!'
check 'no name and no terminal: 2' ends_with 2 . --port "$port"
check 'no such port: 2' ends_with 2 port --port many -u zed
check 'a line that is no command: 1' not_said 1 'hi there'
check 'a line that the server refuses: 3' not_said 3 'tell nobody hi'
check 'nobody listens: 1' ends_with 1 . --port 1 -u zed

# ---- Environment and flags.

the_environment_will_do() {
    start ivy env SMOLTALK_HOST=127.0.0.1 SMOLTALK_PORT="$port" SMOLTALK_USERNAME=ivy "$bin/smoltalk"
    sees eve 'JOINED ivy' && say ivy leave && ends ivy 0
}
a_flag_wins() {
    start flag env SMOLTALK_HOST=192.0.2.1 SMOLTALK_PORT=1 SMOLTALK_USERNAME=env \
        "$bin/smoltalk" --host 127.0.0.1 --port "$port" --username flag
    sees eve 'JOINED flag' && say flag leave && ends flag 0
}
the_servers_environment_will_do() {
    start two env SMOLTALK_LISTEN="127.0.0.1:0,unix:$tmp/env.sock" "$bin/smoltalkd"
    complains two '^listening on 127\.0\.0\.1:[1-9]' &&
        complains two "^listening on unix:$tmp/env.sock" && stop two
}
the_servers_flag_wins() {
    start one env SMOLTALK_LISTEN="unix:$tmp/unused.sock" "$bin/smoltalkd" --listen 127.0.0.1:0
    complains one '^listening on 127\.0\.0\.1:[1-9]' && stop one && ! [ -e "$tmp/unused.sock" ] &&
        [ "$(grep -c '^listening' "$tmp/one.err")" = 1 ]
}
a_bad_flag_ends_with_2() {
    start bad "$bin/smoltalkd" --listen 127.0.0.1:0 --outbox plenty
    ends bad 2 && complains bad outbox && [ "$(wc -l <"$tmp/bad.err")" = 1 ]
}
an_address_in_use_ends_with_1() {
    start late "$bin/smoltalkd" --listen "127.0.0.1:$port"
    ends late 1 && complains late "127\.0\.0\.1:$port"
}

check 'the client takes host, port and name from the environment' the_environment_will_do
check "the client's flags win" a_flag_wins
check 'the server takes its addresses from the environment' the_servers_environment_will_do
check "the server's flags win" the_servers_flag_wins
check 'a bad flag: one line that names it, and 2' a_bad_flag_ends_with_2
check 'an address in use: a line that names it, and 1' an_address_in_use_ends_with_1

# ---- How the server ends.

goodbye_to_all() { # SIGNAL
    kill "-$1" "${pid[server]}" && ends server 0 && sees eve 'BYE shutdown' &&
        [ "$(tail -n 1 "$tmp/eve.out")" = 'BYE shutdown' ] && ends ada 1
}
a_killed_server_is_noticed() {
    serve server && client ada && say ada who && sees ada '* 1 here: ada' &&
        kill_9 server && ends ada 1 && complains ada .
}

check 'SIGTERM: BYE shutdown for all, and 0' goodbye_to_all TERM
serve server && member eve && client ada && sees eve 'JOINED ada'
check 'SIGINT: the same' goodbye_to_all INT
check 'a killed server: the client ends with 1' a_killed_server_is_noticed

# ---- A member that stops reading, under a flood.

flood=30000 # lines of 1 KB: far more than the kernel and the server keep for anybody
a_stalled_member_goes() {
    serve server --quiet && member eve && client ada && sees eve 'JOINED ada' &&
        member stuck && sees eve 'JOINED stuck' && kill -STOP "${pid[stuck]}" &&
        { echo JOIN flood && seq -f "MSG %.0f $(printf %01000d 0)" "$flood" && echo 'PING done'; } |
        sent >"$tmp/flood.out" && sees flood 'PONG done' &&
        sees eve 'LEFT stuck stalled' && sees ada '* stuck left (stalled)'
}
the_others_lost_nothing() {
    sees eve 'LEFT flood' && sees ada '* flood left' &&
        grep '^MSG flood ' "$tmp/eve.out" | cut -d ' ' -f 3 | cmp - <(seq "$flood") &&
        grep '^<flood> ' "$tmp/ada.out" | cut -d ' ' -f 2 | cmp - <(seq "$flood")
}

check 'a member that stops reading under a flood goes: LEFT stuck stalled' a_stalled_member_goes
check 'and the others lost nothing, in order' the_others_lost_nothing
check 'the server ends well after it' stop server

# ---- Other addresses.

netcat_enters_by_the_file() {
    serve server --listen "unix:$tmp/room.sock" --max-connections 2 &&
        joins una nc -N -U "$tmp/room.sock" && member eve && sees una 'JOINED eve' &&
        say eve 'MSG to the file' && sees una 'MSG eve to the file'
}
past_max_connections_is_full() {
    sent </dev/null >"$tmp/third.out"
    sees_like third 'ERR full .*' && ends_with 3 . --port "$port" -u zed
}
the_file_goes_with_the_server() {
    [ -S "$tmp/room.sock" ] && stop server && ! [ -e "$tmp/room.sock" ]
}
a_stale_file_is_taken_over() {
    start server "$bin/smoltalkd" --listen "unix:$tmp/room.sock"
    complains server '^listening on' && kill_9 server && [ -S "$tmp/room.sock" ] &&
        start server "$bin/smoltalkd" --listen "unix:$tmp/room.sock" &&
        complains server '^listening on' && joins una nc -N -U "$tmp/room.sock"
}
the_client_enters_by_the_file() {
    client ada --host "unix:$tmp/room.sock" && sees una 'JOINED ada' &&
        say ada 'send by the file' && sees una 'MSG ada by the file' && say ada leave && ends ada 0 &&
        stop server
}
members_enter_by_ipv6() {
    start server "$bin/smoltalkd" --listen '[::1]:0'
    complains server '^listening on \[::1\]:[1-9]' &&
        port=$(sed -n 's/^listening on \[::1\]://p' "$tmp/server.err") &&
        joins eve nc -N ::1 "$port" && client ada --host ::1 && sees eve 'JOINED ada' && stop server
}

check 'a Unix socket: nc -U meets nc' netcat_enters_by_the_file
check 'past --max-connections: ERR full, and the client ends with 3' past_max_connections_is_full
check "the socket's file goes with the server" the_file_goes_with_the_server
check "a dead server's file is taken over" a_stale_file_is_taken_over
check 'our client enters by it' the_client_enters_by_the_file
if grep -qs '^0*1 ' /proc/net/if_inet6; then
    check 'members enter by IPv6' members_enter_by_ipv6
else
    skip 'members enter by IPv6' 'this machine has no ::1'
fi

# ---- The operator.

# asks ORDER...: what the control socket answers to it.
asks() { echo "$*" | timeout "$patience" nc -N -U "$tmp/control.sock" >"$tmp/operator.out"; }
the_operator_sees_who_is_in() {
    serve server --control "unix:$tmp/control.sock" --metrics 127.0.0.1:0 &&
        complains server '^control on ' && [ "$(stat -c %a "$tmp/control.sock")" = 600 ] &&
        client ada && member bob && sees ada '* bob joined' && asks STATUS &&
        sees operator 'STATUS members 2' && sees operator OK && asks WHO &&
        sees_like operator 'WHO ada 127.0.0.1:[0-9]+ [0-9]+ 0'
}
the_operator_shows_somebody_the_door() {
    asks NOTE back soon && sees ada '* note: back soon' && sees bob 'NOTE back soon' &&
        asks KICK bob enough && sees bob 'BYE kicked enough' && sees ada '* bob left (kicked)' &&
        complains server '^operator: KICK bob enough$'
}
a_scraper_reads_it() {
    metrics=$(sed -n 's/^metrics on //p' "$tmp/server.err") &&
        curl -sf "http://$metrics/healthz" | grep -qx ok &&
        curl -sf "http://$metrics/metrics" >"$tmp/metrics" &&
        grep -qx 'smoltalk_members 1' "$tmp/metrics" &&
        grep -qx 'smoltalk_left_total{reason="kicked"} 1' "$tmp/metrics"
}
promtool_is_content() {
    promtool check metrics <"$tmp/metrics" &&
        promtool check rules "$(dirname "$0")/../deploy/alerts.yaml" >/dev/null
}
the_operator_ends_it() {
    asks DRAIN && sees operator OK && ends server 0 && ! [ -e "$tmp/control.sock" ]
}

check 'nc -U sees who is in' the_operator_sees_who_is_in
check 'and shows somebody the door' the_operator_shows_somebody_the_door
if command -v curl >/dev/null; then
    check 'curl reads the metrics' a_scraper_reads_it
else
    skip 'curl reads the metrics' 'there is no curl'
fi
if [ -s "$tmp/metrics" ] && command -v promtool >/dev/null; then
    check 'promtool finds nothing to say of the metrics and the alerts' promtool_is_content
else
    skip 'promtool finds nothing to say of the metrics and the alerts' 'there is no promtool, or no curl'
fi
check 'the operator ends it' the_operator_ends_it

finish
