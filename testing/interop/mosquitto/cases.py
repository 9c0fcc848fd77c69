"""Features of MQTT as Mosquitto's own clients use them. Usage: cases.py CASE VERSION HOST PORT"""

import subprocess
import sys

# Never waited out when all is well.
WAIT_S = 60

PROTOCOLS = {"3.1": "mqttv31", "3.1.1": "mqttv311", "5.0": "mqttv5"}
VERSION, HOST, PORT = sys.argv[2], sys.argv[3], sys.argv[4]
COMMON = ["-V", PROTOCOLS[VERSION], "-h", HOST, "-p", PORT]


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


class Subscriber:
    """Subscribed once it is made."""

    def __init__(self, count, *args):
        command = ["mosquitto_sub", *COMMON, "-d", "-C", str(count), "-W", str(WAIT_S), *args]
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", *command], stdout=subprocess.PIPE, text=True
        )
        self.skip_until("Subscribed")

    def skip_until(self, start):
        for line in self.process.stdout:
            if line.startswith(start):
                return
        raise AssertionError(f"no line that starts with {start}")

    def lines(self):
        # It ends by itself; what has come with the first lines is read with them.
        output = self.process.stdout.read()
        same(self.process.wait(timeout=WAIT_S), 0)
        return [line for line in output.splitlines() if not line.startswith(("Client", "Sub"))]


def publish(*args, **options):
    subprocess.run(["mosquitto_pub", *COMMON, *args], check=True, timeout=WAIT_S, **options)


def each_quality_goes_both_ways():
    for wanted in ("0", "1", "2"):
        subscriber = Subscriber(3, "-t", "plant/+/temp", "-q", wanted, "-F", "%t %q %p")
        for qos in ("0", "1", "2"):
            publish("-t", "plant/7/temp", "-q", qos, "-m", f"warm {qos}")
        expected = [f"plant/7/temp {min(wanted, qos)} warm {qos}" for qos in ("0", "1", "2")]
        same(subscriber.lines(), expected)


def lines_keep_their_order():
    bodies = [str(number) for number in range(500)]
    for qos in ("0", "1", "2"):
        subscriber = Subscriber(len(bodies), "-t", "lines", "-q", qos)
        publish("-t", "lines", "-q", qos, "-l", input="\n".join(bodies) + "\n", text=True)
        same(subscriber.lines(), bodies)


def wills_are_published():
    watcher = Subscriber(1, "-t", "will")
    victim = Subscriber(1, "-t", "x", "--will-topic", "will", "--will-payload", "gone", "-i", "v")
    victim.process.kill()
    same(watcher.lines(), ["gone"])


def retained_messages_are_shown():
    for qos in ("0", "1", "2"):
        publish("-t", f"kept/{qos}/a", "-q", qos, "-r", "-m", "older")
        publish("-t", f"kept/{qos}/a", "-q", qos, "-r", "-m", "last")
        publish("-t", f"kept/{qos}/b", "-q", qos, "-r", "-m", "gone")
        publish("-t", f"kept/{qos}/b", "-q", qos, "-r", "-n")
        subscriber = Subscriber(2, "-t", f"kept/{qos}/#", "-q", qos, "-F", "%t %p %r")
        publish("-t", f"kept/{qos}/b", "-q", qos, "-m", "live")
        same(subscriber.lines(), [f"kept/{qos}/a last 1", f"kept/{qos}/b live 0"])


def publishes_what_outlives_a_kill():
    publish("-t", "mosquitto/kept", "-q", "2", "-r", "-m", "still here")


def finds_what_has_outlived_it():
    subscriber = Subscriber(1, "-t", "mosquitto/+", "-F", "%p %r")
    same(subscriber.lines(), ["still here 1"])


# With an interval of one second.
def the_broker_tells_of_itself():
    # What a wildcard at the front matches, topics of the broker are not.
    others = Subscriber(1, "-t", "#", "-t", "+/broker/uptime", "-F", "%t %p")
    told = Subscriber(50, "-t", "$SYS/#", "-F", "%t=%p")
    told.lines()
    # All of it is there for who comes later; what has not changed does not come again.
    later = Subscriber(41, "-t", "$SYS/#", "-F", "%r %t=%p")
    later = [line.split(" ", 1) for line in later.lines()]
    same([retained for retained, _ in later], ["1"] * 41)
    told = dict(line.split("=", 1) for _, line in later)
    same(len(told), 41)
    start = "$SYS/broker/"
    same(told[start + "version"].split()[0], "barid")
    same(told[start + "uptime"].split()[1], "seconds")
    # The one that has read all may have gone by then.
    same(told[start + "clients/connected"] in ("1", "2"), True)
    same(told[start + "clients/total"], told[start + "clients/connected"])
    same(int(told[start + "clients/maximum"]) >= 2, True)
    same(told[start + "subscriptions/count"] in ("2", "3"), True)
    same(told[start + "retained messages/count"], "41")
    same(told[start + "publish/messages/dropped"], "0")
    for name in ("bytes/received", "bytes/sent", "messages/sent", "publish/messages/sent"):
        same(int(told[start + name]) > 0, True)
    for name in ("messages/received", "messages/stored", "publish/messages/received"):
        same(told[start + name].isdigit(), True)
    for name in ("store/messages/count", "store/messages/bytes"):
        same(told[start + name], "0")
    for span in ("1min", "5min", "15min"):
        for name in ("bytes/sent", "messages/sent", "publish/sent", "sockets"):
            same(float(told[f"{start}load/{name}/{span}"]) > 0, True)
        same(told[f"{start}load/publish/dropped/{span}"], "0.00")
    publish("-t", "x", "-m", "y")
    same(others.lines(), ["x y"])
    # One topic alone.
    same(Subscriber(1, "-t", start + "version").lines(), [told[start + "version"]])


def nobody_else_tells():
    for qos in ("0", "1", "2"):
        # Nothing comes of it; what comes is from elsewhere.
        subscriber = Subscriber(1, "-t", "$SYS/mine", "-t", "end", "-F", "%t %p")
        command = ["mosquitto_pub", *COMMON, "-d", "-t", "$SYS/mine", "-m", "x", "-q", qos]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
        if qos == "0":
            same(done.returncode, 0)
        elif VERSION == "5.0" and qos == "1":
            same("received PUBACK (Mid: 1, RC:135)" in done.stdout, True)
        elif VERSION != "5.0":
            same("received PUB" in done.stdout, False)
        publish("-t", "end", "-m", "y")
        same(subscriber.lines(), ["end y"])
    command = ["mosquitto_sub", *COMMON, "-t", "x", "-i", "v", "-W", "5"]
    will = ["--will-topic", "$SYS/mine", "--will-payload", "x"]
    done = subprocess.run([*command, *will], capture_output=True, text=True, timeout=WAIT_S)
    same("not authori" in (done.stdout + done.stderr).lower(), True)


def sessions_are_kept():
    kept = ["-c", "-i", f"keeper-{VERSION}", "-q", "2", "-t", "kept/#"]
    kept += ["-x", "1000"] if VERSION == "5.0" else []
    # It leaves once it has subscribed.
    command = ["mosquitto_sub", *COMMON, *kept, "-E", "-W", str(WAIT_S)]
    subprocess.run(command, check=True, timeout=WAIT_S)
    for qos in ("1", "2"):
        publish("-t", f"kept/{qos}", "-q", qos, "-m", qos)
    command = ["mosquitto_sub", *COMMON, *kept, "-C", "2", "-W", str(WAIT_S), "-F", "%t %q %p"]
    found = subprocess.run(command, check=True, timeout=WAIT_S, capture_output=True, text=True)
    same(found.stdout.splitlines(), ["kept/1 1 1", "kept/2 2 2"])


globals()[sys.argv[1]]()
