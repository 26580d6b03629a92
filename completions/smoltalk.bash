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
        --output)
            mapfile -t COMPREPLY < <(compgen -W 'text raw' -- "$cur")
            return
            ;;
        --resume | --key-file | --tls-ca | --tls-cert | --tls-key)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        -u | --username | -p | --port | --timeout | --last) return ;;
    esac
    if [ "${COMP_WORDS[1]}" = direct ] && [ "$COMP_CWORD" -gt 1 ]; then
        local direct='--listen --once -u --username --whole --stay -V --version -h --help'
        mapfile -t COMPREPLY < <(compgen -W "$direct" -- "$cur")
        return
    fi
    local flags='-u --username --host -p --port --key-file --tls --tls-ca --tls-cert --tls-key
        --timeout --last --reconnect
        --no-reconnect --resume --stay --whole --json --output --chat --lines --time --color --no-bell
        -V --version -h --help'
    [ "$COMP_CWORD" -gt 1 ] || flags+=' direct'
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
}

complete -F _smoltalk smoltalk
