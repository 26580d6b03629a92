# fish completion for smoltalk(1)

complete -c smoltalk -f
complete -c smoltalk -n __fish_is_first_token -a direct -d 'Talk to one other program, without a server'
complete -c smoltalk -l stay -d 'Keep listening after standard input has ended'
complete -c smoltalk -l version -d 'Print the version'
complete -c smoltalk -s h -l help -d 'Print a summary'

complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -s u -l username -x -d 'Your name in the room'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l host -x -a '(__fish_print_hostnames)' -d 'The server'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l port -x -d 'The port of the server'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l timeout -x -d 'How many seconds it may take to get in'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l last -x -d 'How many of the last messages to show'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l reconnect -d 'Come back when the connection is lost'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l no-reconnect -d 'Do not come back'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l resume -r -F -d 'Go on where the last run with this file ended'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l whole -d 'Send all of standard input as one message'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l output -x -a 'text raw' -d 'What to print of messages that are bytes'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l json -d 'Print each event as a line of JSON'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l chat -d 'A bare line is a message, commands begin with /'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l color -x -a 'auto always never' -d 'When to use colour'
complete -c smoltalk -n 'not __fish_seen_subcommand_from direct' -l no-bell -d 'Do not ring for a mention or a private message'

complete -c smoltalk -n '__fish_seen_subcommand_from direct' -a '(__fish_print_hostnames)'
complete -c smoltalk -n '__fish_seen_subcommand_from direct' -s u -l username -x -d 'What the other side is told to call you'
complete -c smoltalk -n '__fish_seen_subcommand_from direct' -l listen -x -d 'Wait for peers'
complete -c smoltalk -n '__fish_seen_subcommand_from direct' -l whole -d 'All of standard input is one message'
