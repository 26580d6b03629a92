#!/usr/bin/env bash
# A server, two clients, one message: and none of the three ends badly.
#   tests/conversation.sh [DIRECTORY OF THE PROGRAMS]
# shellcheck source=tests/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

two_clients_join() {
    client ada && say ada who && sees ada '* 1 here: ada' &&
        client bob && sees ada '* bob joined'
}
ada_hears_bob() { say bob 'send hello ada' && sees ada '<bob> hello ada'; }
both_leave() {
    say bob leave && ends bob 0 && sees ada '* bob left' && say ada leave && ends ada 0
}

check 'the server listens' serve server || finish
check 'two clients join' two_clients_join
check 'what one says, the other sees' ada_hears_bob
check 'both clients leave, and end well' both_leave
check 'the server stops, and ends well' stop server
finish
