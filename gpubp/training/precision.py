"""What becomes of a policy whose products a device does not have."""

import logging

logger = logging.getLogger(__name__)
_told: set[tuple[str, str]] = set()


def tell_once(layers, device):
    """Warns, once in a process for a policy and a device, that products of such layers are computed in float32."""
    for policy in dict.fromkeys(layer.dtype_policy for layer in layers):
        about = device.name, policy.name
        if policy.compute_dtype not in device.precisions and about not in _told:
            _told.add(about)
            logger.warning("%s has no products for the policy %r: it computes them in float32", *about)
