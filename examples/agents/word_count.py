"""Counts the words of a text, or of a file that the job's lease lets it read. Needs nothing but Python 3.

    arcp serve --agent 'word-count@1.0.0=python3 examples/agents/word_count.py'
    arcp invoke word-count --arg text='to be or not to be'
"""

import json
import sys


def say(job_id, kind, payload):
    print(json.dumps({"type": kind, "job_id": job_id, "payload": payload}), flush=True)


def count(job_id, text):
    words = {}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for word in line.lower().split():
            words[word] = words.get(word, 0) + 1
        if number % 10_000 == 0:
            say(job_id, "job.progress", {"current": number, "total": len(lines), "units": "lines"})
    top = sorted(words, key=lambda word: (-words[word], word))[:10]
    return {"words": sum(words.values()), "lines": len(lines), "top": {word: words[word] for word in top}}


for line in sys.stdin:
    message = json.loads(line)
    if message["type"] != "tool.invoke":
        continue
    job_id, given = message["job_id"], message["payload"]["arguments"]
    try:
        text = open(given["path"], encoding="utf-8").read() if "path" in given else given["text"]
        say(job_id, "job.completed", {"value": count(job_id, text)})
    except KeyError:
        say(job_id, "job.failed", {"code": "INVALID_ARGUMENT", "message": "expected text, or a path"})
    except OSError as error:
        say(job_id, "job.failed", {"code": "NOT_FOUND", "message": f"{error.filename}: {error.strerror}"})
