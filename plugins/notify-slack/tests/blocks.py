#!/usr/bin/env python3
"""Hold every message of notify-slack against the models of Slack's own library.

Run it from the repository, with nothing installed but Python 3 and cargo:

    python3 plugins/notify-slack/tests/blocks.py            # builds and asks the example for the messages
    python3 plugins/notify-slack/tests/blocks.py - < messages.json  # takes messages that are there already

The library goes into a virtual environment in a temporary directory, which is removed at the end.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import venv

SLACK_SDK = "slack-sdk==3.47.*"
REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def messages():
    if sys.argv[1:] == ["-"]:
        return sys.stdin.read()
    command = ["cargo", "run", "--quiet", "-p", "notify-slack", "--example", "messages"]
    return subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout


def in_environment_of_its_own(text):
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = pathlib.Path(directory) / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", SLACK_SDK], check=True)
        return subprocess.run([python, __file__, "--check"], input=text, text=True).returncode


def check(text):
    from slack_sdk.errors import SlackObjectFormationError
    from slack_sdk.models.blocks import Block

    problems = []

    def wrong(name, what):
        problems.append(f"{name}: {what}")

    everything = json.loads(text)
    blocks = 0
    for name, message in everything.items():
        # Limits of chat.postMessage that the models know nothing of.
        if not 0 < len(message["text"]) <= 4000:
            wrong(name, f"the text has {len(message['text'])} characters")
        if not 0 < len(message["blocks"]) <= 50:
            wrong(name, f"there are {len(message['blocks'])} blocks")
        for index, given in enumerate(message["blocks"]):
            blocks += 1
            where = f"{name}, block {index} ({given.get('type')})"
            parsed = Block.parse(given)
            if parsed is None:
                wrong(where, "the library knows no such block")
                continue
            try:
                parsed.validate_json()
            except SlackObjectFormationError as error:
                wrong(where, error)
                continue
            # A key that the model drops is one that Slack does not document.
            if parsed.to_dict() != given:
                wrong(where, f"changed by parsing: {json.dumps(parsed.to_dict())[:300]}")
            texts = given.get("fields", []) + given.get("elements", []) + [given[key] for key in ["text"] if key in given]
            limit = 150 if given["type"] == "header" else 2000 if "fields" in given else 3000
            if len(given.get("fields", [])) > 10 or len(given.get("elements", [])) > 10:
                wrong(where, "more than ten fields or elements")
            for part in texts:
                if not 0 < len(part["text"]) <= limit:
                    wrong(where, f"a text has {len(part['text'])} characters, and {limit} are allowed")
                if "<!channel>" in part["text"] and part["type"] == "mrkdwn":
                    wrong(where, "a value mentions the whole channel")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(everything)} messages, {blocks} blocks, {len(problems)} problems")
    return 1 if problems or blocks == 0 else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(check(sys.stdin.read()))
    sys.exit(in_environment_of_its_own(messages()))
