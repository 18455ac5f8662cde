"""A contender's process: told what to do by a line of JSON, it answers each further line with one."""

import json
import sys
from functools import partial
from pathlib import Path

from .case import Case, Problem
from .contenders import UnableError, find
from .tasks import TASKS


def serve():
    """Answers on standard output; {"missing": why} if the contender can't take part."""
    settings = json.loads(sys.stdin.readline())
    case = settings["case"]
    case = Case(**case | {"widths": tuple(case["widths"])})
    task = TASKS[settings["task"]]
    problem = Problem.load(Path(settings["problem"]))
    answers = task(partial(find, settings["contender"]), case, problem, **settings["options"])
    answer_all(answers)


def answer_all(answers):
    try:
        for answer in answers:
            print(json.dumps(answer), flush=True)
            if not sys.stdin.readline():
                return
    except (ImportError, UnableError) as error:
        print(json.dumps({"missing": str(error)}), flush=True)
