"""Nested dicts, lists and tuples of arrays as flat lists, and back."""

from collections.abc import Callable
from typing import Any


def flatten(tree) -> list[Any]:
    """The leaves, in order; dicts by sorted keys."""
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in flatten(tree[key])]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in flatten(branch)]
    return [tree]


def like(tree, leaves):
    """A tree of the same structure with these leaves."""
    rest = iter(leaves)

    def build(branch):
        if isinstance(branch, dict):
            made = {key: build(branch[key]) for key in sorted(branch)}
            return {key: made[key] for key in branch}
        if isinstance(branch, list | tuple):
            return type(branch)([build(b) for b in branch])
        return next(rest)

    return build(tree)


def tree_map(function: Callable, tree, *others):
    """Applies a function to corresponding leaves."""
    return like(tree, [function(*leaves) for leaves in zip(flatten(tree), *map(flatten, others), strict=True)])


def named(tree, path: str = "") -> list[tuple[str, Any]]:
    """The leaves with their paths, keys and positions joined by "/", in the order of `flatten`."""
    if not isinstance(tree, dict | list | tuple):
        return [(path, tree)]
    branches = sorted(tree.items()) if isinstance(tree, dict) else enumerate(tree)
    return [leaf for key, branch in branches for leaf in named(branch, f"{path}/{key}" if path else str(key))]
