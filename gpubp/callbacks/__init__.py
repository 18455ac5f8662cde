"""Callbacks: what happens between the epochs and batches of a training."""

from gpubp.callbacks.backup_and_restore import BackupAndRestore
from gpubp.callbacks.csv_logger import CSVLogger
from gpubp.callbacks.early_stopping import EarlyStopping
from gpubp.callbacks.history import History
from gpubp.callbacks.lambda_callback import LambdaCallback
from gpubp.callbacks.learning_rate_scheduler import LearningRateScheduler
from gpubp.callbacks.model_checkpoint import ModelCheckpoint
from gpubp.callbacks.rate_finder import RateSweep, find_learning_rate
from gpubp.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from gpubp.callbacks.tensor_board import TensorBoard
from gpubp.callbacks.terminate_on_nan import TerminateOnNaN
from gpubp.training.callbacks import Callback

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "RateSweep",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "find_learning_rate",
]
