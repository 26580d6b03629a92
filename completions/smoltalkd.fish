# fish completion for smoltalkd(8)

complete -c smoltalkd -f
complete -c smoltalkd -l listen -x -d 'Where to listen: host:port, [v6]:port or unix:PATH'
complete -c smoltalkd -l max-connections -x -d 'Connections at once'
complete -c smoltalkd -l max-per-address -x -d 'Connections at once from one address'
complete -c smoltalkd -l presence-limit -x -d 'Members past which presence is not announced'
complete -c smoltalkd -l join-timeout -x -d 'How many seconds a guest may take to join'
complete -c smoltalkd -l stall-timeout -x -d 'How many seconds a member may lag behind'
complete -c smoltalkd -l outbox -x -d 'How many bytes may wait for one member'
complete -c smoltalkd -l history -x -d 'Messages that who joins can ask for'
complete -c smoltalkd -l history-bytes -x -d 'Bytes of such messages'
complete -c smoltalkd -l journal -r -F -d 'Where the log is kept'
complete -c smoltalkd -l journal-size -x -d 'Bytes past which a new journal begins'
complete -c smoltalkd -l memory -x -d 'How many bytes may wait for all together'
complete -c smoltalkd -l shutdown-timeout -x -d 'How many seconds the end may take'
complete -c smoltalkd -l quiet -d 'Do not log arrivals, departures and refusals'
complete -c smoltalkd -l version -d 'Print the version'
complete -c smoltalkd -s h -l help -d 'Print a summary'
