"""An ERP's side of the queues, with kombu: submit, take replies, keep in step by events.

    python client.py send URL ACCOUNT FILE.xml ...     submit each file; ends when each message has come to its end
    python client.py listen URL ACCOUNT                keep in step with every document of the account

Stop either at any moment, also with the power plug, and begin it again: what was taken is in STATE (a small file here, a database in an ERP) before
it is acknowledged, and what comes twice is known by its id. Copy it, and put your own code into `Book`.
"""

import base64
import hashlib
import json
import os
import sys
import time
import uuid

from kombu import Connection, Exchange, Producer, Queue

STATE = os.environ.get("STATE", "client-state.json")
QUORUM = {"x-queue-type": "quorum"}
KINDS = {".json": "application/json", ".zip": "application/zip"}


class Book:
    """What this side knows: messages by their correlation id, documents by type and key. Written whole, before anything is acknowledged."""

    def __init__(self, path):
        self.path = path
        self.messages, self.documents, self.seen = {}, {}, {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.messages, self.documents, self.seen = json.load(file)

    def save(self):
        with open(f"{self.path}.tmp", "w", encoding="utf-8") as file:
            json.dump([self.messages, self.documents, dict(list(self.seen.items())[-10_000:])], file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{self.path}.tmp", self.path)

    def fresh(self, id_):
        """Is this the first time? Replies and events come at least once."""
        first = id_ not in self.seen
        self.seen[id_] = 1
        return first

    def replied(self, correlation_id, reply):
        if not self.fresh(reply["reply_id"]):
            return
        message = self.messages.setdefault(correlation_id, {"answers": []})
        message["status"] = reply["status"]
        if reply["content"]:
            message["answers"].append(reply["content"]["name"])
            if "body_base64" in reply["content"]:
                self.keep(reply["content"]["name"], base64.b64decode(reply["content"]["body_base64"]))

    def keep(self, name, content):
        """A receipt or a result: yours to store."""

    def happened(self, event):
        """Events of one document are numbered without gaps: a lower number was here before, one that is too high says what to ask for."""
        if not self.fresh(event["event_id"]):
            return
        key = f"{event['type']} {event['document'] or event['message_id']}"
        known = self.documents.setdefault(key, {"sequence": event["sequence"] - 1})
        if event["sequence"] > known["sequence"] + 1:
            print(f"missed something of {key}: tongguan events replay --since 1d --account {event['account']}", file=sys.stderr)
        if event["sequence"] > known["sequence"]:
            known["sequence"] = event["sequence"]
            if event["kind"] == "document":
                known["business_status"], known["numbers"] = event["business_status"], event["numbers"]
            else:
                known["state"] = event["state"]


def for_ever(work, url, done=lambda: False):
    """Do the work on a connection, on another one when that breaks, until it is done."""
    options = {"confirm_publish": True, "client_properties": {"connection_name": "erp"}}
    while not done():
        with Connection(url, heartbeat=10, transport_options=options) as connection:
            try:
                work(connection)
            except (*connection.connection_errors, *connection.channel_errors) as broken:
                print(f"again in two seconds: {broken}", file=sys.stderr)
                time.sleep(2)


def take(connection, queue, on_message, done):
    """Hand over what comes, one at a time, until it is done; acknowledged once `on_message` has returned."""

    def received(message):
        on_message(message)
        message.ack()

    with connection.Consumer([queue], on_message=received, accept=["json"], prefetch_count=50):
        while not done():
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                connection.heartbeat_check()


def send(url, account, files):
    book, replies = Book(STATE), Queue(f"tongguan.reply.{account}", queue_arguments=QUORUM, durable=True)
    for file in files:  # the id is written down first: sent twice under one id, a message does its work once
        if not mine(book, [file]):  # nor was it before: other bytes under the same name are another message
            book.messages[uuid.uuid4().hex] = {**content_of(file), "sent": False, "answers": []}
    book.save()
    names = {os.path.basename(file): file for file in files}

    def over():
        return all(m.get("status", {}).get("final") for m in mine(book, files).values())

    def work(connection):
        replies(connection.default_channel).declare()
        producer = Producer(connection.default_channel, on_return=refused)
        for id_, message in mine(book, files).items():
            if not message["sent"]:
                submit(producer, account, id_, names[message["file"]])
                message["sent"] = True  # confirmed: the broker has it for good
                book.save()

        def on_message(message):
            book.replied(message.properties["correlation_id"], json.loads(message.body))
            book.save()

        take(connection, replies, on_message, over)

    for_ever(work, url, over)
    return book


def content_of(file):
    with open(file, "rb") as content:
        return {"file": os.path.basename(file), "sha256": hashlib.sha256(content.read()).hexdigest()}


def mine(book, files):
    """The messages of these files as they are now; others are of earlier times, or of somebody who reads the same queue."""
    wanted = [content_of(file) for file in files]
    return {id_: m for id_, m in book.messages.items() if {"file": m.get("file"), "sha256": m.get("sha256")} in wanted}


def submit(producer, account, id_, file):
    with open(file, "rb") as content:
        body = content.read()
    kind = KINDS.get(os.path.splitext(file)[1].lower(), "application/xml")
    producer.publish(
        json.dumps({"name": os.path.basename(file), "content_type": kind, "body_base64": base64.b64encode(body).decode()}),
        exchange=f"tongguan.submit.{account}",
        routing_key=f"tongguan.submit.{account}",
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        message_id=id_,
        correlation_id=id_,
        reply_to=f"tongguan.reply.{account}",
        mandatory=True,
        confirm_timeout=30,
    )


def refused(exception, exchange, routing_key, message):
    raise SystemExit(f"there is no queue {routing_key}: is the gateway running, and the account right?")


def listen(url, account, done=lambda: False):
    book = Book(STATE)
    events = Exchange("tongguan.events", type="topic", no_declare=True)  # it is the gateway's
    mine = Queue(f"tongguan.reply.{account}.events", events, routing_key=f"{account}.#", queue_arguments=QUORUM, durable=True)

    def on_message(message):
        book.happened(json.loads(message.body))
        book.save()

    def work(connection):
        mine(connection.default_channel).declare()
        take(connection, mine, on_message, done)

    for_ever(work, url, done)


if __name__ == "__main__":
    doing, url, account, *files = sys.argv[1:]
    if doing == "send":
        for message in mine(send(url, account, files), files).values():
            print(message["file"], message["status"]["state"], *message["answers"])
    else:
        listen(url, account)
