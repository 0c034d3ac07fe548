"""What the commands of the command line share: what completes a name, how a person is asked, and how a command that failed ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.processes.interrupts import Interrupted, exit_code
from gaucho_pipeline.processes.launch import PARENT_VARIABLE


def complete_concept(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The concepts of the file that begin so, for a shell's completion."""
    from gaucho_pipeline.concepts.file import load_concepts

    try:
        return [slug for slug in load_concepts(context.find_root().params["concepts"]).concepts if slug.startswith(incomplete)]
    except GauchoError:
        return []


def complete_subject(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The concepts and collections of the file that begin so."""
    from gaucho_pipeline.concepts.file import load_concepts

    try:
        collections = load_concepts(context.find_root().params["concepts"]).collections
    except GauchoError:
        return []
    return complete_concept(context, parameter, incomplete) + [slug for slug in collections if slug.startswith(incomplete)]


def read_help(command: click.Command, read: Callable[[str], str]) -> None:
    """Has a command, its options and the commands below it say what they are for in another language. `read`: reads a paragraph in it."""
    if command.help:
        command.help = "\n\n".join(read(" ".join(paragraph.split())) for paragraph in command.help.split("\n\n"))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = read(parameter.help)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        read_help(below, read)


YES, NO = ("y", "yes", "s", "sim"), ("n", "no", "não", "nao", "")


def confirm(question: str) -> bool:
    """Whether a person says yes, in either language; no where nobody answers. Asked again after any other word."""
    while True:
        click.echo(_("{question} [y/N]", question=question), nl=False, err=True)
        click.echo(" ", nl=False, err=True)
        line = sys.stdin.readline()
        if (answer := line.strip().casefold()) in YES:
            return True
        if not line or answer in NO:
            return False


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Ends a command that failed with one line and the right exit status."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except GauchoError as error:
            if not isinstance(error, Interrupted):
                click.echo(_("error: {error}", error=error), err=True)
            elif PARENT_VARIABLE not in os.environ:  # who runs several at once says it once
                click.echo(str(error), err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo(_("stopped by Ctrl-C"), err=True)
            sys.exit(exit_code(signal.SIGINT))
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever reads has read enough, as `head` does
            sys.exit(exit_code(signal.SIGPIPE))
        except OSError as error:
            from gaucho_pipeline.stage.failures import explain

            click.echo(_("error: {explain}", explain=explain(error)), err=True)
            sys.exit(1)

    return wrapped
