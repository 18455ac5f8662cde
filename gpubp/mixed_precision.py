"""The dtype policy under the names of Keras's `mixed_precision`. Source: https://keras.io/api/mixed_precision"""

from gpubp.config import DTypePolicy as DTypePolicy
from gpubp.config import dtype_policy as dtype_policy
from gpubp.config import set_dtype_policy as set_dtype_policy
from gpubp.optimizers import LossScaleOptimizer as LossScaleOptimizer

Policy, global_policy, set_global_policy = DTypePolicy, dtype_policy, set_dtype_policy
