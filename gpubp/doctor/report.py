"""The facts for a person."""

from typing import Any


def lines(facts: dict[str, Any]) -> list[str]:
    """A line for each fact."""
    python, packages = facts["python"], facts["packages"]
    rows = [
        ("gpubp", facts["gpubp"]),
        ("Python", f"{python['version']} ({python['executable']})"),
        ("platform", facts["platform"]["name"]),
        ("packages", ", ".join(f"{name} {number or 'missing'}" for name, number in packages.items())),
        ("processors", _processors(facts["processors"])),
        *(("BLAS", _library(one)) for one in facts["blas"]["libraries"]),
        ("environment", ", ".join(f"{name}={value}" for name, value in facts["environment"].items()) or "no settings"),
        ("kernel cache", _cache(facts["cache"])),
        *(("GPU", _gpu(one)) for one in facts["gpus"] or []),
        *([] if facts["gpus"] else [("GPU", "no NVIDIA driver that answers")]),
        ("CuPy", facts["cupy"] or "not installed"),
        ("devices", ", ".join(facts["devices"])),
    ]
    return [f"{name:15}{value}" for name, value in rows]


def line_of_trial(one: dict[str, Any]) -> str:
    """What was tried on the GPU, and what came of it."""
    took = "" if one["seconds"] is None else f", {one['seconds']:.2f} s"
    said = " ".join(one["message"].split())
    return f"{'on the GPU':15}{one['name']} {'works' if one['works'] else 'FAILS'}{took}: {said}"


def _processors(facts: dict[str, Any]) -> str:
    quota = "" if facts["quota"] is None else f", a quota of {facts['quota']:.3g}"
    return f"{facts['there']}, of which this process may use {facts['usable']}{quota}"


def _library(one: dict[str, Any]) -> str:
    kind = f" for {one['architecture']}" if one["architecture"] else ""
    role = "trains: " if one["trains"] else "idle: "
    return f"{role}{one['internal_api']} {one['version']}{kind}, {one['num_threads']} threads, {one['filepath']}"


def _cache(facts: dict[str, Any]) -> str:
    temporary = ", temporary since no other folder can be written" if facts["temporary"] else ""
    return f"{facts['folder']}{temporary}, {facts['files']} files, {facts['bytes'] / 1e6:.1f} MB"


def _gpu(one: dict[str, Any]) -> str:
    memory = "" if one["memory"] is None else f", {one['memory'] / 1e9:.0f} GB"
    capability = "" if one["compute_capability"] is None else f", compute capability {one['compute_capability']}"
    return f"{one['name']}{memory}{capability}, driver {one['driver']}"
