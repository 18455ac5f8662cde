"""How layers compute: the policies of `gpubp.config`. Source: https://keras.io/api/mixed_precision/policy"""

from gpubp.config import DTypePolicy as DTypePolicy
