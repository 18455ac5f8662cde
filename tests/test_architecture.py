"""The floors of the package: imports lead downwards only, and who may reach for what is a short list."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up; a module may import from its own floor and from those below.
FLOORS = [
    [
        "gpubp.ops",
        "gpubp.kernels",
        "gpubp.backend",
        "gpubp.names",
        "gpubp.config",
        "gpubp.dtype_policies",
        "gpubp.files",
    ],
    [
        *("gpubp.engine", "gpubp.losses", "gpubp.metrics", "gpubp.activations", "gpubp.initializers", "gpubp.utils"),
        *("gpubp.constraints", "gpubp.random", "gpubp.regularizers"),
    ],
    [
        *("gpubp.training", "gpubp.callbacks", "gpubp.layers", "gpubp.optimizers", "gpubp.datasets"),
        "gpubp.mixed_precision",
    ],
    ["gpubp.models", "gpubp.saving"],
    ["gpubp.cli", "gpubp.doctor", "gpubp.bench", "gpubp.sklearn", "gpubp.__main__"],
]


def modules():
    """Each module's name with the modules of the package that it imports."""
    files = [(p, p.relative_to(ROOT)) for p in (ROOT / "gpubp").rglob("*.py")]
    files += [(p, Path("gpubp") / p.relative_to(ROOT)) for p in (ROOT / "kernels").rglob("*.py")]
    for path, relative in files:
        name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        yield name, set(imports(ast.parse(path.read_text())))


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = dict(modules())


def within(name, package):
    return name == package or name.startswith(package + ".")


def floor(name):
    return next((k for k, packages in enumerate(FLOORS) if any(within(name, p) for p in packages)), None)


def test_every_module_has_a_floor():
    assert len(MODULES) > 40
    assert [name for name in MODULES if name != "gpubp" and floor(name) is None] == []


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"gpubp"}))
def test_imports_lead_downwards(name):
    upwards = [m for m in MODULES[name] if floor(m) is not None and floor(m) > floor(name)]
    assert upwards == []


def importers(package):
    return {name for name, used in MODULES.items() if any(within(m, package) for m in used)}


def test_only_executors_import_kernels():
    outside = {n for n in importers("gpubp.kernels") if not within(n, "gpubp.kernels")}
    assert {n for n in outside if not within(n, "gpubp.engine.executors")} == set()
    assert outside  # the test would pass on nothing


def test_only_the_cuda_backend_imports_cupy():
    assert importers("cupy") <= {"gpubp.backend.cuda", "gpubp.backend.cublaslt"}


def test_numba_is_imported_by_kernels_alone():
    assert {n for n in importers("numba") if not within(n, "gpubp.kernels")} <= {"gpubp.cli"}
    assert importers("numba")


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("gpubp.layers", {"gpubp.engine.trace", "gpubp.engine.variables", "gpubp.engine.trees", "gpubp.engine.plan"}),
        ("gpubp.optimizers", {"gpubp.engine.functions", "gpubp.engine.trees"}),
        ("gpubp.losses", set()),
        ("gpubp.metrics", set()),
    ],
)
def test_what_is_written_in_ops_sees_little_of_the_engine(package, allowed):
    used = {m for name, found in MODULES.items() if within(name, package) for m in found if within(m, "gpubp.engine")}
    assert {m for m in used if not any(within(m, a) for a in allowed)} <= {"gpubp.engine"}


def test_no_file_is_long():
    files = [*(ROOT / "gpubp").rglob("*.py"), *(ROOT / "kernels").rglob("*.*"), *(ROOT / "tests").rglob("*.py")]
    assert [str(p) for p in files if p.suffix in (".py", ".cu", ".cuh") and len(p.read_text().splitlines()) > 600] == []


def test_the_public_import_is_light():
    """Numba, SciPy, the command line and pictures are imported when they are used."""
    code = (
        "import sys, gpubp; print([m for m in ('numba', 'scipy', 'typer', 'rich', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
