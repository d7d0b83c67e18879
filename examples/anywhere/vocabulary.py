"""Which words a text is made of, for 0.01 credits. Needs nothing but Python 3; it works for one job after another.

    arcp serve --pool 1 --agent 'vocabulary@1.0.0=python3 examples/anywhere/vocabulary.py'
    arcp invoke vocabulary --arg text='to be or not to be' --budget credits:1
"""

import json
import re
import sys
from collections import Counter

PRICE = 0.01


def say(job, kind, payload):
    print(json.dumps({"type": kind, "job_id": job["job_id"], "payload": payload}), flush=True)


def failed(job, code, message):
    say(job, "job.failed", {"code": code, "message": message})


def pay(job):
    """A charge is a metric; the runtime answers each with an ack, or with a nack where the budget does not cover it."""
    say(job, "metric", {"name": "cost.words", "value": PRICE, "unit": "credits"})
    for line in sys.stdin:
        answer = json.loads(line)
        if answer["type"] in ("ack", "nack"):
            return None if answer["type"] == "ack" else answer["payload"]
    raise SystemExit("the runtime is gone")


def work(job):
    text = job["payload"]["arguments"].get("text")
    if not isinstance(text, str):
        return failed(job, "INVALID_ARGUMENT", "expected text")
    refusal = pay(job)
    if refusal is not None:
        return failed(job, refusal["code"], refusal["message"])
    words = Counter(re.findall(r"[a-z]+", text.lower()))
    top = sorted(words.items(), key=lambda each: (-each[1], each[0]))[:3]
    value = {"words": sum(words.values()), "distinct": len(words), "top": [word for word, _ in top]}
    say(job, "job.completed", {"value": value})


for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "tool.invoke":
        work(message)
