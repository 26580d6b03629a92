# bash completion for smoltalk(1)

_smoltalk() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $prev in
        --host)
            mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
            return
            ;;
        --color)
            mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur")
            return
            ;;
        -u | --username | --port | --timeout) return ;;
    esac
    local flags='-u --username --host --port --timeout --reconnect --stay --json
        --chat --color --no-bell --version -h --help'
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
}

complete -F _smoltalk smoltalk
