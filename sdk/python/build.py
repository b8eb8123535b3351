"""Builds the plugin: python windlass-sdk/python/build.py src/plugin.py build/NAME.wasm

`componentize-py` runs the plugin once while it builds it. What goes wrong then is the plugin's, and is all that is shown.
"""

import os
import subprocess
import sys
from pathlib import Path

source, output = (Path(argument) for argument in sys.argv[1:])
sdk = Path(__file__).resolve().parent.parent
# The tool as the project's own environment has it, wherever that lies, and without what the machine or its user has of Python.
tool = [sys.executable, "-I", "-c", "from componentize_py import script; script()"]
command = [*tool, "--quiet", "-d", sdk / "wit/v0.1.0", "-d", sdk / "wit/plugin.wit", "-w", "windlass:sdk/plugin@0.1.0"]
command += ["componentize", "-p", source.parent, "-p", sdk / "python", source.stem, "-o", output]
# With a backtrace, what the tool says would have its own stack in it. Packages come from `.venv` and from nowhere else: without its
# name, the tool asks the `python3` of the machine where packages are.
environment = {**os.environ, "RUST_BACKTRACE": "0", "VIRTUAL_ENV": sys.prefix}
done = subprocess.run(command, cwd=sdk.parent, env=environment, capture_output=True, text=True)
if done.returncode != 0:
    said = done.stdout + done.stderr
    said = said.split("AssertionError: ", 1)[-1].split("\n\nCaused by:")[0].strip()
    if "has no attribute 'Lifecycle'" in said:
        said = f"`{source.as_posix()}` has no `Lifecycle`: write `Lifecycle = step(…)` at its end"
    sys.exit(said)
