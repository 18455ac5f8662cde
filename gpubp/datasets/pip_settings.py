"""What pip is set to: its configuration files, then its environment variables."""

import ast
import os
import subprocess
import sys

_SECTIONS = ("global", "download")  # The later wins.


def pip_settings() -> dict[str, str]:
    """pip's settings by the names of its options, such as `index-url`. Several values are parted by white space.

    Without pip in this environment, its environment variables count alone.
    """
    # `-P`: the working folder, where another `pip` might lie, is not looked in.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    try:
        listed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        ).stdout
    except OSError:
        listed = ""
    variables = {k[4:].lower().replace("_", "-"): v for k, v in os.environ.items() if k.startswith("PIP_")}
    return settings_in(listed) | variables


def settings_in(listed: str) -> dict[str, str]:
    """The settings in the output of `pip config list`.

    >>> settings_in("global.index-url='https://pypi.example/simple'\\nfreeze.all='yes'\\n:env:.proxy='p'")
    {'index-url': 'https://pypi.example/simple'}
    """
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        if section in found:
            found[section][option] = ast.literal_eval(value)
    return {option: value for section in _SECTIONS for option, value in found[section].items()}
