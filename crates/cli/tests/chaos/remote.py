"""A worker elsewhere, of Python's standard library: it notes what it begins, what it did, and which ends were taken."""

import json, os, random, socket, sys, threading, time, http.client

SOCKET, NOTES, LEASE = sys.argv[1], sys.argv[2], int(sys.argv[3])
KIND = {"name": "chaos.count", "maxAttempts": 1000, "backoff": {"first": 0.1, "cap": 1}, "grace": 2}
stops = {}  # for each claim that runs, set when it must stop


class Refused(Exception):
    pass


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(SOCKET)


def call(path, body):
    """Answers, or tries again for as long as nobody does. An error of the server's is raised."""
    while True:
        try:
            connection = Connection("localhost")
            connection.request("POST", "/api/v1/workers" + path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status < 500:
                value = json.loads(text)
                if answer.status >= 400:
                    raise Refused(value["code"])
                return value
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.1)


def note(job, word, *more):
    # One write of a line: others write to the file too.
    line = " ".join([word, *map(str, more)]) + "\n"
    file = os.open(os.path.join(NOTES, job), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode())
    os.close(file)


def run(job):
    claim, name = job["claim"], job["jobId"]
    note(name, "begun", claim)
    say = lambda report: call(f"/{me}/jobs/{claim}/report", report)
    try:
        for item in range(job.get("checkpoint") or 0, job["args"]["items"]):
            if stops[claim].wait(random.random() / 4):
                say({"end": {"outcome": "released"}})
                return
            note(name, "effect", claim, item)
            say({"items": [{"name": str(item), "state": "completed"}], "checkpoint": item + 1})
        note(name, "ending", claim)
        say({"end": {"outcome": "completed", "result": {"claim": claim}}})
        note(name, "taken", claim)
    except Refused as refused:
        note(name, "refused", claim, refused)
    finally:
        stops.pop(claim, None)


def beat():
    while True:
        time.sleep(0.3)
        try:
            news = call("/" + me + "/heartbeat", {"claims": list(stops), "wait": 0})
        except Refused:
            # The lease has ended: what it runs is another's. The main thread joins again.
            for stop in list(stops.values()):
                stop.set()
            continue
        for claim in [order["claim"] for order in news["stop"]] + news["lost"]:
            if claim in stops:
                stops[claim].set()


def join():
    return call("", {"name": f"chaos-{os.getpid()}", "kinds": [KIND], "queues": {"default": 4}, "leaseSeconds": LEASE})["workerId"]


me = join()
threading.Thread(target=beat, daemon=True).start()
while True:
    try:
        given = call("/" + me + "/claim", {"wait": 0})["jobs"]
    except Refused:
        me = join()
        continue
    for job in given:
        stops[job["claim"]] = threading.Event()
        threading.Thread(target=run, args=(job,), daemon=True).start()
    if not given:
        time.sleep(0.1)
