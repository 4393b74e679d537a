// An ERP's side of the queues, with amqplib: submit, take replies, keep in step by events.
//
//     node client.mjs send URL ACCOUNT FILE.xml ...     submit each file; ends when each message has come to its end
//     node client.mjs listen URL ACCOUNT                keep in step with every document of the account
//
// Stop either at any moment and begin it again: what was taken is in STATE (a small file here, a database in an ERP) before it is acknowledged,
// and what comes twice is known by its id. Copy it, and put your own code into `Book`.
import { createHash, randomUUID } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import amqp from "amqplib";

const STATE = process.env.STATE ?? "client-state.json";
const QUORUM = { durable: true, arguments: { "x-queue-type": "quorum" } };
const KINDS = { json: "application/json", zip: "application/zip" };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What this side knows: messages by their correlation id, documents by type and key. Written whole, before anything is acknowledged.
export class Book {
  constructor(path) {
    this.path = path;
    [this.messages, this.documents, this.seen] = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : [{}, {}, {}];
  }

  save() {
    const file = openSync(`${this.path}.tmp`, "w");
    const seen = Object.fromEntries(Object.entries(this.seen).slice(-10_000));
    writeSync(file, JSON.stringify([this.messages, this.documents, seen]));
    fsyncSync(file);
    closeSync(file);
    renameSync(`${this.path}.tmp`, this.path);
  }

  // Is this the first time? Replies and events come at least once.
  fresh(id) {
    const first = !(id in this.seen);
    this.seen[id] = 1;
    return first;
  }

  replied(correlationId, reply) {
    if (!this.fresh(reply.reply_id)) return;
    const message = (this.messages[correlationId] ??= { answers: [] });
    message.status = reply.status;
    if (reply.content) {
      message.answers.push(reply.content.name);
      if (reply.content.body_base64) this.keep(reply.content.name, Buffer.from(reply.content.body_base64, "base64"));
    }
  }

  // A receipt or a result: yours to store.
  keep(_name, _content) {}

  // Events of one document are numbered without gaps: a lower number was here before, one that is too high says what to ask for.
  happened(event) {
    if (!this.fresh(event.event_id)) return;
    const key = `${event.type} ${event.document ?? event.message_id}`;
    const known = (this.documents[key] ??= { sequence: event.sequence - 1 });
    if (event.sequence > known.sequence + 1) {
      console.error(`missed something of ${key}: tongguan events replay --since 1d --account ${event.account}`);
    }
    if (event.sequence > known.sequence) {
      known.sequence = event.sequence;
      if (event.kind === "document") Object.assign(known, { business_status: event.business_status, numbers: event.numbers });
      else known.state = event.state;
    }
  }
}

// Do the work on a connection, on another one when that breaks, until it is done.
async function forEver(work, url, done) {
  while (!done()) {
    let connection;
    try {
      connection = await amqp.connect(url, { heartbeat: 10, clientProperties: { connection_name: "erp" } });
      const broken = new Promise((_, reject) => {
        connection.on("error", reject);
        connection.on("close", () => reject(new Error("the connection is gone")));
      });
      broken.catch(() => {});
      await Promise.race([work(connection, broken), broken]);
    } catch (error) {
      if (error.final) throw error;
      if (done()) break;
      console.error(`again in two seconds: ${error.message}`);
      await pause(2000);
    } finally {
      await connection?.close().catch(() => {});
    }
  }
}

// What goes wrong on a channel is told by whatever was asked of it; without a listener it would end the process.
function heard(channel) {
  channel.on("error", () => {});
  return channel;
}

// Hand over what comes, one at a time, until it is done; acknowledged once `onMessage` has returned.
async function take(connection, queue, onMessage, done) {
  const channel = heard(await connection.createChannel());
  await channel.prefetch(50);
  let gone = false;
  channel.on("close", () => (gone = true));
  await channel.consume(queue, (message) => {
    if (message === null) {
      gone = true; // the queue was deleted
      return;
    }
    onMessage(message);
    channel.ack(message);
  });
  while (!done()) {
    if (gone) throw new Error(`the queue ${queue} is gone`);
    await pause(50);
  }
  channel.removeAllListeners("close");
  await channel.close();
}

export async function send(url, account, files) {
  const book = new Book(STATE);
  const names = Object.fromEntries(files.map((file) => [basename(file), file]));
  for (const file of files) {
    // The id is written down first: sent twice under one id, a message does its work once. Other bytes under the same name are another message.
    if (mine(book, [file]).length === 0) book.messages[randomUUID()] = { ...contentOf(file), sent: false, answers: [] };
  }
  book.save();
  const over = () => mine(book, files).every(([, message]) => message.status?.final);
  await forEver(
    async (connection) => {
      const channel = heard(await connection.createConfirmChannel());
      const replies = `tongguan.reply.${account}`;
      await channel.assertQueue(replies, QUORUM);
      channel.on("return", (message) => {
        console.error(`there is no queue ${message.fields.routingKey}: is the gateway running, and the account right?`);
        process.exit(1);
      });
      for (const [id, message] of mine(book, files)) {
        if (message.sent) continue;
        await submit(channel, account, id, names[message.file]);
        message.sent = true; // confirmed: the broker has it for good
        book.save();
      }
      await take(
        connection,
        replies,
        (message) => {
          book.replied(message.properties.correlationId, JSON.parse(message.content.toString()));
          book.save();
        },
        over,
      );
    },
    url,
    over,
  );
  return book;
}

function contentOf(file) {
  return { file: basename(file), sha256: createHash("sha256").update(readFileSync(file)).digest("hex") };
}

// The messages of these files as they are now; others are of earlier times, or of somebody who reads the same queue.
function mine(book, files) {
  const wanted = files.map(contentOf);
  return Object.entries(book.messages).filter(([, one]) => wanted.some((w) => w.file === one.file && w.sha256 === one.sha256));
}

async function submit(channel, account, id, file) {
  const envelope = {
    name: basename(file),
    content_type: KINDS[file.split(".").at(-1).toLowerCase()] ?? "application/xml",
    body_base64: readFileSync(file).toString("base64"),
  };
  channel.publish(`tongguan.submit.${account}`, `tongguan.submit.${account}`, Buffer.from(JSON.stringify(envelope)), {
    contentType: "application/json",
    contentEncoding: "utf-8",
    deliveryMode: 2,
    messageId: id,
    correlationId: id,
    replyTo: `tongguan.reply.${account}`,
    mandatory: true,
  });
  await channel.waitForConfirms();
}

export async function listen(url, account, done = () => false) {
  const book = new Book(STATE);
  const queue = `tongguan.reply.${account}.events`;
  await forEver(
    async (connection) => {
      const channel = heard(await connection.createChannel());
      await channel.assertQueue(queue, QUORUM);
      await channel.bindQueue(queue, "tongguan.events", `${account}.#`); // the exchange is the gateway's
      await take(
        connection,
        queue,
        (message) => {
          book.happened(JSON.parse(message.content.toString()));
          book.save();
        },
        done,
      );
    },
    url,
    done,
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [doing, url, account, ...files] = process.argv.slice(2);
  if (doing === "send") {
    for (const [, message] of mine(await send(url, account, files), files)) console.log(message.file, message.status.state, ...message.answers);
  } else {
    await listen(url, account);
  }
}
