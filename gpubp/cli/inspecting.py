"""The commands that look into things: explain into a model's programs, doctor into the machine."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from gpubp.cli.errors import FAILED
from gpubp.cli.options import AsJson, Device, ModelFile, choose
from gpubp.cli.output import emit


class Mode(StrEnum):
    """What a model's program does."""

    train = "train"
    predict = "predict"


def explain(
    model: ModelFile,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 32,
    mode: Annotated[Mode, typer.Option(help="Which program.")] = Mode.train,
    analyze: Annotated[bool, typer.Option("--analyze", help="Time each instruction, on random data.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
):
    """Shows the program of a step: what its instructions cost, the least they could cost here, and its memory."""
    from gpubp.saving import load_model

    choose(device)
    explanation = load_model(model).explain(batch_size, mode.value, analyze)
    if as_json:
        emit({"model": model, "mode": mode.value, **explanation.to_dict()})
    else:
        typer.echo(str(explanation))


def doctor(
    warm: Annotated[bool, typer.Option("--warm", help="Compile the kernels that usual nets need.")] = False,
    as_json: AsJson = False,
):
    """Shows what gpubp finds on this machine, what is missing, and whether training works.

    Where there is a GPU and CuPy, what training there stands on is tried one thing after the other. Exit code 0 if
    all that is tried works, 1 if it does not.
    """
    from gpubp import doctor

    facts = doctor.examine()
    if not as_json:
        typer.echo("\n".join(doctor.lines(facts)))
    on_gpu = []
    expected = facts["cupy"] and (facts["gpus"] or len(facts["devices"]) > 1)
    for made in doctor.trials() if expected else ():
        on_gpu.append(made)
        if not as_json:
            typer.echo(doctor.line_of_trial(made))
    tried = doctor.trial()
    warmed = doctor.warm() if warm and tried["works"] else None
    found = doctor.advice(facts)
    if as_json:
        emit({**facts, "on_gpu": on_gpu, "training": tried, "warm": warmed, "advice": [asdict(one) for one in found]})
    else:
        typer.echo(f"{'training':15}{'works' if tried['works'] else 'fails'}: {tried['message']}")
        if warmed:
            typer.echo(f"{'kernels':15}{warmed['compiled']} compiled, {warmed['seconds']:.1f} s")
        for one in found:
            typer.echo(f"{one.problem}:\n  {one.command}")
    healthy = all(made["works"] for made in (*on_gpu, tried)) and not any(one.needed for one in found)
    raise typer.Exit(0 if healthy else FAILED)
