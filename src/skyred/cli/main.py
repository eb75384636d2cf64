"""The program `skyred`, with its commands and exit codes."""

from __future__ import annotations

import traceback

import click

from skyred import __version__
from skyred.cli.cache import cache
from skyred.cli.check import check
from skyred.cli.commands import plugins, run, show
from skyred.cli.convert import convert
from skyred.cli.log_options import log_to_console
from skyred.cli.plugin_commands import plugin_commands
from skyred.cli.report import report
from skyred.errors import ConfigError, SkyredError

EXIT_INTERRUPTED = 130
EXIT_BUG = 1


class Program(click.Group):
    """The top-level command group: skyred's own commands and those of plugins.

    Errors are printed to standard error and set the exit code; a traceback is printed only for
    bugs. Plugins are loaded when commands are listed, and for commands that are not in the core.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted.

        Parameters
        ----------
        ctx : click.Context
            The context.

        Returns
        -------
        list of str
            The names.
        """
        return sorted([*self.commands, *plugin_commands(ctx).names()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command.

        Parameters
        ----------
        ctx : click.Context
            The context.
        cmd_name : str
            The name of the command.

        Returns
        -------
        click.Command or None
            The command; None if there is none with this name.
        """
        return self.commands.get(cmd_name) or plugin_commands(ctx).get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called.

        Parameters
        ----------
        ctx : click.Context
            The context.
        args : list of str
            The command line, starting with the name of the command.

        Returns
        -------
        name : str or None
            The name of the command.
        command : click.Command or None
            The command.
        args : list of str
            The other arguments.

        Raises
        ------
        PluginError
            If the plugin of the command is faulty.
        """
        name = args[0]
        if name not in self.commands and not ctx.resilient_parsing:  # not for completion
            commands = plugin_commands(ctx)
            commands.raise_if_faulty(name)
            if commands.get(name) is None:  # a faulty plugin may provide the command
                _print_faults(commands.faults())
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the errors of plugins below the list of commands.

        Parameters
        ----------
        ctx : click.Context
            The context.
        formatter : click.HelpFormatter
            The formatter to write to.
        """
        super().format_epilog(ctx, formatter)
        for fault in plugin_commands(ctx).faults():
            formatter.write(f"\n{fault}\n")  # not wrapped, so that commands can be copied

    def invoke(self, ctx: click.Context) -> object:
        """Run a command, and convert errors to messages and exit codes.

        Parameters
        ----------
        ctx : click.Context
            The context.

        Returns
        -------
        object
            The return value of the command.
        """
        try:
            with log_to_console():
                return super().invoke(ctx)
        except SkyredError as error:
            click.echo(_format_error(error), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("skyred: interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click exits without a message if a pipe is closed (`skyred plugins | head`)
        except Exception as error:
            click.echo(traceback.format_exc(), err=True)
            click.echo(_bug_report_request(ctx, error), err=True)
            ctx.exit(EXIT_BUG)


def _format_error(error: SkyredError) -> str:
    if not isinstance(error, ConfigError):
        return "\n".join([f"skyred: {error}", *getattr(error, "__notes__", ())])
    n_problems = len(error.problems)
    plural = "s" if n_problems > 1 else ""
    return f"{error}\nskyred: {n_problems} problem{plural} found"


def _bug_report_request(ctx: click.Context, error: Exception) -> str:
    """Return the message that asks the user to report a bug, printed below a traceback.

    Returns
    -------
    str
        The request, with the name of the package to report the bug to.
    """
    from skyred.plugins.component_errors import find_failed_component

    name = ctx.invoked_subcommand or ""
    owner = None if name in main.commands else plugin_commands(ctx).owner(name)
    failed = f"command {name!r} of {owner}" if owner else find_failed_component(error)
    if not failed or (owner and owner.distribution == "skyred"):
        return (
            "skyred: this is a bug in skyred; please report it with the lines above (and "
            "report.json, if a run folder was written)"
        )
    return (
        f"skyred: the {failed} failed; please report it to the authors of this plugin, with the "
        "lines above (and report.json, if a run folder was written)"
    )


def _print_faults(faults: list[str]) -> None:
    for fault in faults:
        click.echo(fault, err=True)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 bug, 2 error in the command, the configuration, a plugin, an "
    "input file, the models, the engine, the cache or the output folder, 3 failed runs, or runs "
    "with faults, 4 failed fit, 130 interrupted.",
)
@click.version_option(__version__, prog_name="skyred")
def main() -> None:
    """Run analyses of gamma-ray telescope data as pipelines of components, based on gammapy."""


for command in (run, check, plugins, show, report, cache, convert):
    main.add_command(command)
