"""``async-tasks completion``: the scripts by which shells complete the command, and the protocol behind them."""

from __future__ import annotations

import os
import re
from typing import Final

import click
from click import shell_completion
from click.shell_completion import CompletionItem

from async_tasks.cli.base import main
from async_tasks.cli.output import write

PROGRAM: Final = "async-tasks"
#: What click's protocol asks by.
VARIABLE: Final = "_ASYNC_TASKS_COMPLETE"

_INSTALL: Final = {
    "bash": """\
# For good:      mkdir -p ~/.local/share/bash-completion/completions
#                async-tasks completion bash > ~/.local/share/bash-completion/completions/async-tasks
# without the package bash-completion, in ~/.bashrc:  eval "$(async-tasks completion bash)"
""",
    "zsh": """\
# For good, in ~/.zshrc after compinit:  eval "$(async-tasks completion zsh)"
# or, faster:  async-tasks completion zsh > a folder of $fpath/_async-tasks
""",
    "fish": """\
# For good:  async-tasks completion fish > ~/.config/fish/completions/async-tasks.fish
""",
}


@main.command()
@click.argument("shell", type=click.Choice(list(_INSTALL)))
def completion(shell: str) -> None:
    """Print the script by which SHELL completes this command; its head says how to install it."""
    cls = shell_completion.get_completion_class(shell)
    assert cls is not None, "each shell of the choice has its class"  # noqa: S101
    script = cls(main, {}, PROGRAM, VARIABLE).source()
    # The first line of a script for zsh says what it is.
    first, rest = script.split("\n", 1) if script.startswith("#compdef") else ("", script)
    write(f"{first}\n{_INSTALL[shell]}{rest}".lstrip("\n"), newline=False)


class _WholeWords(shell_completion.ShellComplete):
    """Proposes whole words: click leaves ``--option=`` out of those for its value."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        option, equals, _ = incomplete.partition("=")
        items = super().get_completions(args, incomplete)
        if equals and option.startswith("-"):
            for item in items:
                item.value = f"{option}={item.value}"
        return items


class _Bash(_WholeWords, shell_completion.BashComplete):
    """Bash splits words at ``=``, ``@`` and ``:`` as well: what it gets is what follows the last of them."""

    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' response type value path
    response=$(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file)
                if [[ $2 != @* ]]; then
                    compopt -o default
                else
                    # To readline the sign is a part of the name, which it therefore cannot complete itself.
                    for path in $(compgen -f -- "${2#@}"); do
                        [[ -d $path ]] && path+=/ && compopt -o nospace
                        COMPREPLY+=("@$path")
                    done
                fi ;;
            open) COMPREPLY+=("$value"); compopt -o nospace ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def source(self) -> str:
        # Without click's look at the version of whichever bash is on PATH, which need not be the one that asks.
        return shell_completion.ShellComplete.source(self)

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = shell_completion.split_arg_string(line)[1:]
        # A space that is part of a word (quoted, or behind a backslash) does not end it.
        ended = line[-1:].isspace() and (not words or not words[-1].endswith(line[-1]))
        return (words, "") if ended or not words else (words[:-1], words[-1])

    def complete(self) -> str:
        args, incomplete = self.get_completion_args()
        breaks = os.environ.get("COMP_BREAKS", "\"'@><=;|&(: ")
        typed = re.split(f"[{re.escape(breaks)}]", incomplete)[-1]
        already = len(incomplete) - len(typed)
        items = self.get_completions(args, incomplete)
        return "\n".join(f"{_kind(item)},{item.value[already:]}" for item in items)


class _Zsh(_WholeWords, shell_completion.ZshComplete):
    source_template = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a response plain open
    local type value descr
    (( $+commands[%(prog_name)s] )) || return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for type value descr in ${response}; do
        [[ "$descr" == "_" ]] && descr=""
        case $type in
            plain) plain+=("${value//:/\\\\:}${descr:+:$descr}") ;;
            open) open+=("${value//:/\\\\:}${descr:+:$descr}") ;;
            dir) _path_files -/ ;;
            file) compset -P '--[^=]#=' || compset -P '[^=@]#@'; _path_files ;;
        esac
    done
    (( $#plain )) && _describe -V unsorted plain -U
    (( $#open )) && _describe -V unsorted open -U -S ''
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

    def format_completion(self, item: CompletionItem) -> str:
        return f"{_kind(item)}\n{item.value}\n{_one_line(item.help) or '_'}"


class _Fish(_WholeWords, shell_completion.FishComplete):
    source_template = """\
function %(complete_func)s
    for line in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \\
            COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null)
        set -l parts (string split --max 1 "," -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                set -l key (string replace --regex '^(--[^=]*=|[^@=]*@|).*$' '$1' -- $parts[2])
                for path in (__fish_complete_path (string replace --regex '^(--[^=]*=|[^@=]*@)' '' -- $parts[2]))
                    echo $key$path
                end
            case plain open
                echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""

    def format_completion(self, item: CompletionItem) -> str:
        words = _one_line(item.help)
        return f"{_kind(item)},{item.value}" + (f"\t{words}" if words else "")


def _kind(item: CompletionItem) -> str:
    """``open`` for what goes on behind it, so that no space is to be added."""
    return "open" if item.nospace else item.type


def _one_line(words: str | None) -> str:
    return " ".join((words or "").split())


for _class in (_Bash, _Zsh, _Fish):
    shell_completion.add_completion_class(_class)
