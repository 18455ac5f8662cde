"""What training stands on here: versions, BLAS, threads, caches, GPUs; what is missing; and whether it works."""

from gpubp.doctor.facts import examine
from gpubp.doctor.on_gpu import trials
from gpubp.doctor.remedies import Advice, advice
from gpubp.doctor.report import line_of_trial, lines
from gpubp.doctor.training import trial
from gpubp.doctor.warming import warm

__all__ = ["Advice", "advice", "examine", "line_of_trial", "lines", "trial", "trials", "warm"]
