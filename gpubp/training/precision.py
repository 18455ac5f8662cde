"""What becomes of policies of mixed precision on a device that does not have it."""

import logging

logger = logging.getLogger(__name__)
_told: set[str] = set()


def tell_once(layers, device):
    """Warns, once in a process, that layers of a mixed policy compute in float32 on the CPU."""
    if device.name != "cpu":
        return
    for layer in layers:
        policy = layer.dtype_policy
        if policy.compute_dtype != policy.variable_dtype and policy.name not in _told:
            _told.add(policy.name)
            logger.warning("the policy %r needs a GPU: on the CPU layers compute in float32", policy.name)
