"""Runs the caretaker for tests in a Python of Automation's: an order a line of JSON, and so the answers.

Run as: python3.10 tests/processes/caretaker.py infra/runbooks/care.py

An order has `place`, the fields of Place, and `words`; or `account`, the variables of an Automation account,
with `words`, and then the file is run as Automation runs it. It is written for the oldest Python that there
may be.
"""

import importlib.util
import io
import json
import runpy
import sys
import types
from contextlib import redirect_stdout


def load_care(path):
    """Return the module that a file is."""
    spec = importlib.util.spec_from_file_location("care", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["care"] = module
    spec.loader.exec_module(module)
    return module


def care_for(care, order):
    """Do what an order says; return the exit status, what was said, and how long it wanted to wait."""
    lines, pauses = [], []
    place = care.Place(pause=pauses.append, say=lines.append, **order["place"])
    return [care.care(place, order["words"]), lines, pauses]


def run_as_automation(path, order):
    """Run the file with an account's variables and its words; return the exit status and what was said."""
    assets = types.ModuleType("automationassets")
    assets.get_automation_variable = order["account"].__getitem__
    sys.modules["automationassets"] = assets
    sys.argv = [path, *order["words"]]
    said, status = io.StringIO(), 0
    with redirect_stdout(said):
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as end:
            status = end.code
    return [status, said.getvalue().splitlines(), []]


def main(path):
    """Answer orders until there are no more."""
    sys.stdout.write(json.dumps(sys.version_info[:2]) + "\n")
    sys.stdout.flush()
    care = load_care(path)
    for line in sys.stdin:
        order = json.loads(line)
        answer = run_as_automation(path, order) if "account" in order else care_for(care, order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
