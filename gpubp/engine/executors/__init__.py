"""Who runs a program: the reference, op by op in NumPy; the CPU, many steps in one compiled call; a GPU, in graphs."""


def executor_class(name: str, device):
    """The class of executors: "reference", or "auto" for that of a device. Raises ValueError for others."""
    if name == "reference":
        from gpubp.engine.executors.reference import Reference

        return Reference
    if name == "auto" and hasattr(device, "launch"):
        from gpubp.engine.executors.cuda import CUDA

        return CUDA
    if name == "auto":
        from gpubp.engine.executors.cpu import CPU  # imports LLVM, which takes time

        return CPU
    raise ValueError(f"there is no executor {name!r}; the executors are 'auto' and 'reference'")
