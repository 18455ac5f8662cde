"""Errors of users end in one line on standard error, without a traceback, and in an exit code."""

from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

FAILURES = (ValueError, TypeError, OSError, FloatingPointError, ImportError, MemoryError)
FAILED, WRONG_USAGE = 1, 2
ParserError: Any = typer.BadParameter.__mro__[1]  # of the parser of options: of what it raises the most general


class UsageError(Exception):
    """What was asked for can't be: an option's value is wrong."""


class Commands(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # somebody reads only the first lines of the output
            raise
        except ParserError as error:
            where = " ".join(filter(None, ["gpubp", ctx.invoked_subcommand, "--help"]))
            raise _ended(f"{error.format_message()} ({where})", WRONG_USAGE) from None
        except UsageError as error:
            raise _ended(error, WRONG_USAGE) from None
        except FAILURES as error:
            raise _ended(error, FAILED) from None


def _ended(error, code: int) -> typer.Exit:
    typer.echo(f"gpubp: {' '.join(str(error).split())}", err=True)
    return typer.Exit(code)


@contextmanager
def usage():
    """What fails in here fails because of an option's value."""
    try:
        yield
    except (*FAILURES, RuntimeError) as error:
        raise UsageError(str(error)) from error
