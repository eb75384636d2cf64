"""The `demo` command: analyse a simulated Crab and compare the fit with the true parameters."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skyred.cli.commands import report_result
from skyred.cli.engine import make_engine
from skyred.cli.log_options import log_options
from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from skyred.result import Result

MAX_PULL = 3.0


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Run folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing run folder.")
@log_options()
def demo(output: Path, overwrite: bool) -> None:
    """Run a complete analysis of a simulated Crab, and compare the fit with the truth.

    The archive (four runs, 3 MB) is simulated on first use, without network access.
    """
    from skyred.pipeline import Pipeline
    from skyred.plugins import Plugins

    plugins = Plugins.load()
    config = files("skyred.cli").joinpath("demo.yaml").read_text(encoding="utf-8")
    pipeline = Pipeline.from_yaml(config, plugins=plugins)
    engine = make_engine(plugins, "serial", None)
    result = pipeline.run(output, engine=engine, overwrite=overwrite, plugins=plugins)
    report_result(result)
    archive = Path(plugins.open_archive("sim:crab").hdu_table.meta["BASE_DIR"])
    click.echo("\n".join(compare(result, archive / "models.yaml")))


@hookimpl
def skyred_commands(cli: click.Group) -> None:
    """Add the command demo.

    Parameters
    ----------
    cli : click.Group
        The group of commands.
    """
    cli.add_command(demo)


def compare(result: Result, truth: Path) -> list[str]:
    """Compare the fitted source with the simulated truth.

    Parameters
    ----------
    result : Result
        The result of the run.
    truth : Path
        The YAML file with the simulated models.

    Returns
    -------
    list of str
        A table with a line for each free parameter, and the verdict.
    """
    from gammapy.modeling.models import Models

    lines = [f"{'parameter':<10} {'fitted':>12} {'error':>10} {'truth':>12} {'pull':>6}  unit"]
    pulls = []
    assert result.models is not None
    for model in Models.read(truth):
        fitted_model = result.models[model.name]
        for parameter in fitted_model.parameters.free_parameters:
            truth_value = model.parameters[parameter.name].quantity.to_value(parameter.unit)
            pulls.append((parameter.value - truth_value) / parameter.error)
            lines.append(
                f"{parameter.name:<10} {parameter.value:12.5g} {parameter.error:10.2g} "
                f"{truth_value:12.5g} {pulls[-1]:+6.2f}  {parameter.unit}"
            )
    max_pull = max(abs(pull) for pull in pulls)
    verdict = "agrees with the truth" if max_pull < MAX_PULL else "does NOT agree with the truth"
    return [*lines, f"The fit {verdict}: the largest difference is {max_pull:.1f} sigma."]
