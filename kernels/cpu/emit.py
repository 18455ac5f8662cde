"""Machine code from the text of a kernel, by Numba and LLVM."""

from llvmlite import binding
from numba import types
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock

from gpubp.kernels.cpu.flags import STEPS, for_kernels
from gpubp.kernels.cpu.machine_code import target_machine

NUMBAS = "NRT_", "numba_", "Py"  # how functions are named that are there only where Numba is imported


class Lowering(Compiler):
    """Numba's way from Python to LLVM's text, which ends there."""

    def define_pipelines(self):
        self.state.flags.no_compile = True
        return super().define_pipelines()


def machine_code(text: str, name: str) -> bytes:
    """The object file in which the function `kernel` of a module goes by `name`.

    It is a C function of as many int64 numbers, which returns nothing. Whatever else is in the file nobody else sees,
    so that files made by different processes, whose inner names may be equal, can be loaded side by side.

    Arguments:
        text: the source of the module.
        name: one that no other kernel has.
    """
    module = {"__name__": name}
    exec(compile(text, f"<{name}>", "exec"), module)
    kernel = for_kernels(pipeline_class=Lowering, **STEPS)(module["kernel"])
    numbers = kernel.py_func.__code__.co_argcount
    kernel.compile(types.void(*[types.int64] * numbers))
    (compiled,) = kernel.overloads.values()
    code = binding.parse_assembly(_optimised(compiled.library))
    code.link_in(binding.parse_assembly(_entry(name, compiled.fndesc.llvm_func_name, numbers)))
    for function in code.functions:
        if not function.is_declaration and function.name != name:
            function.linkage = "internal"
        assert not (function.is_declaration and function.name.startswith(NUMBAS)), function.name
    code.verify()
    return target_machine().emit_object(code)


def _optimised(library) -> str:
    """LLVM's text of a kernel with all that it calls, optimised."""
    library._finalize_final_module = lambda: None  # else Numba has machine code made as well, which nobody would run
    with global_compiler_lock:
        library.finalize()
    return library.get_llvm_str()


def _entry(name: str, function: str, numbers: int) -> str:
    """A C function that calls one by Numba's convention: with places for its result and for an exception, first.

    A kernel returns nothing, and raises nothing: it sets the status.
    """
    types = ["i64"] * numbers
    arguments = [f"i64 %{k}" for k in range(numbers)]
    return f"""
        declare i32 @"{function}"({", ".join(["ptr", "ptr", *types])})

        define void @{name}({", ".join(arguments)}) {{
            %result = alloca ptr
            %exception = alloca ptr
            call i32 @"{function}"({", ".join(["ptr %result", "ptr %exception", *arguments])})
            ret void
        }}
        """
