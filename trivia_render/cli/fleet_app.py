"""The commands of `trivia fleet`."""

from typing import Annotated

import typer

from trivia_render.cli.options import AsJson, Debug
from trivia_render.cli.outcome import reported

fleet_app = typer.Typer(help="The fleet's size: by hand, and to look at.", no_args_is_help=True)


@fleet_app.command()
def scale(
    machines: Annotated[str, typer.Argument(help="How many machines, or auto to leave it to the rules.")],
    *,
    lasting: Annotated[
        str | None, typer.Option("--for", help="For so long, such as 2h; default: until it is changed.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Set the number of machines by hand, over all rules but the bounds."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.fleet_size import run_scale

        run_scale(machines, lasting=lasting, as_json=as_json)


@fleet_app.command()
def drain(
    worker: Annotated[str, typer.Argument(help="The worker, as `trivia fleet status` names it.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Let it take work again.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Let a machine end what it has begun and take no more; then it is deleted."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.fleet_size import run_drain

        run_drain(worker, undo=undo, as_json=as_json)


@fleet_app.command()
def pause(*, as_json: AsJson = False, debug: Debug = False) -> None:
    """Let the autoscaler decide without acting."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.fleet_size import run_pause

        run_pause(as_json=as_json)


@fleet_app.command()
def resume(*, as_json: AsJson = False, debug: Debug = False) -> None:
    """Let the autoscaler act again."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.fleet_size import run_resume

        run_resume(as_json=as_json)


@fleet_app.command()
def status(*, as_json: AsJson = False, debug: Debug = False) -> None:
    """Tell how many jobs wait, what was decided, and what each worker does."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.fleet_size import run_status

        run_status(as_json=as_json)


@fleet_app.command()
def serve(*, debug: Debug = False) -> None:
    """Serve the dashboard, /status and /metrics of the fleet until told to stop."""
    with reported(as_json=False, debug=debug):
        from trivia_render.cli.serve import run_serve

        run_serve()
