# bash completion for smoltalkd(8)

_smoltalkd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $prev in
        --listen | --max-connections | --max-per-address | --presence-limit | --join-timeout | \
            --stall-timeout | --outbox | --pace | --history | --history-bytes | --journal-size | --redis | \
            --room | --memory | --shutdown-timeout | --drain | --control | --metrics | --health) return ;;
        --log)
            mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur")
            return
            ;;
        --journal | --key-file | --bans | --tls-cert | --tls-key | --tls-client-ca)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
    esac
    local flags='--listen --max-connections --max-per-address --presence-limit --join-timeout
        --stall-timeout --outbox --key-file --pace --bans --history --history-bytes --journal --journal-size
        --tls-cert --tls-key --tls-client-ca --redis --room --memory
        --shutdown-timeout --drain --control --metrics --health --log --quiet -V --version -h --help'
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
}

complete -F _smoltalkd smoltalkd
