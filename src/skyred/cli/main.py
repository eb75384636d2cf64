"""The program `skyred`: its commands, and what each kind of error exits with."""

from __future__ import annotations

import logging
import traceback

import click

from skyred import __version__
from skyred.cli.cache import cache
from skyred.cli.check import check
from skyred.cli.commands import plugins, run, show
from skyred.cli.demo import demo
from skyred.cli.export import export
from skyred.cli.new_plugin import new_plugin
from skyred.errors import ConfigError, SkyredError

INTERRUPTED = 130
BUG = 1


class Program(click.Group):
    """Turns errors into one clear message on standard error and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; errors of skyred are sentences, anything else is a bug of ours."""
        _log_to_console()
        try:
            return super().invoke(ctx)
        except SkyredError as error:
            click.echo(_message(error), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("skyred: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:
            click.echo(traceback.format_exc(), err=True)
            click.echo(
                "skyred: this is a bug, of skyred or of a plugin named above; please report it "
                "with the lines above and the run folder's report.json",
                err=True,
            )
            ctx.exit(BUG)


def _message(error: SkyredError) -> str:
    if not isinstance(error, ConfigError):
        return f"skyred: {error}"
    number = len(error.problems)
    return f"{error}\nskyred: {number} problem{'s' if number > 1 else ''}; nothing was read or run"


def _log_to_console() -> None:
    # the level is the handler's: a run sets its loggers lower, for the log in its folder
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler])


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all well, 1 a bug, 2 configuration, 3 runs failed, "
    "4 the fit did not converge, 130 interrupted.",
)
@click.version_option(__version__, prog_name="skyred")
def main() -> None:
    """Run analyses of gamma-ray telescope data: chains of plugins, on gammapy."""


for command in (run, check, export, plugins, show, demo, cache, new_plugin):
    main.add_command(command)
