// Features of STOMP as stompit uses them. Usage: cases.js CASE VERSION HOST PORT
'use strict';

const assert = require('node:assert/strict');
const stompit = require('stompit');

const [, , name, version, host, port] = process.argv;
const place = (word) => `/queue/stompit.${word}.${version}`;

// Never waited out when all is well.
setTimeout(() => {
  console.error('nothing happens any more');
  process.exit(1);
}, 60_000).unref();

const connect = (beats = '0,0') =>
  new Promise((resolve, reject) => {
    const connectHeaders = { host: '/', 'accept-version': version, 'heart-beat': beats };
    stompit.connect({ host, port, connectHeaders }, (error, client) =>
      error ? reject(error) : resolve(client),
    );
  });

// Resolves when the broker has the message.
const send = (client, headers, body) =>
  new Promise((resolve) => {
    const frame = client.send({ 'content-length': Buffer.byteLength(body), ...headers }, { onReceipt: resolve });
    frame.end(body);
  });

// Messages of a subscription, one by one as they are asked for.
const subscribe = (client, headers) => {
  const come = [];
  const asked = [];
  const pass = () => {
    while (come.length && asked.length) asked.shift()(come.shift());
  };
  client.subscribe(headers, (error, message) => {
    if (error) throw error;
    const chunks = [];
    message.on('data', (chunk) => chunks.push(chunk));
    message.on('end', () => {
      come.push({ message, headers: message.headers, body: Buffer.concat(chunks) });
      pass();
    });
  });
  return () => new Promise((resolve) => {
    asked.push(resolve);
    pass();
  });
};

const disconnect = (client) =>
  new Promise((resolve, reject) => client.disconnect((error) => (error ? reject(error) : resolve())));

const cases = {
  async sends_through_a_queue_and_a_topic(client) {
    for (const destination of [place('both'), `/topic/stompit.both.${version}`]) {
      const next = subscribe(client, { destination, ack: 'auto' });
      // The SUBSCRIBE goes out before, on the same connection.
      for (let index = 0; index < 20; index += 1) await send(client, { destination }, `${index}`);
      for (let index = 0; index < 20; index += 1) assert.equal(`${(await next()).body}`, `${index}`);
    }
  },

  async binary_bodies_stay(client) {
    const destination = place('binary');
    const next = subscribe(client, { destination, ack: 'auto' });
    for (const body of [Buffer.from([0, 10, 0, 255, 254]), Buffer.alloc(100_000, 0), Buffer.alloc(0)]) {
      await send(client, { destination }, body);
      assert.deepEqual((await next()).body, body);
    }
  },

  async headers_stay(client) {
    const destination = place('headers');
    const next = subscribe(client, { destination, ack: 'auto' });
    const headers = { größe: '日本語 ✓', 'correlation-id': 'c 1', 'x_y.z': '1=2;3,4' };
    if (version !== '1.0') headers['colon:name'] = 'a:b\\c\nd';
    await send(client, { destination, ...headers }, 'text');
    const got = await next();
    for (const key of Object.keys(headers)) assert.equal(got.headers[key], headers[key], key);
  },

  async receipts_come(client) {
    const destination = place('receipts');
    const all = [];
    for (let index = 0; index < 200; index += 1) {
      all.push(send(client, { destination, persistent: `${index % 2 === 0}` }, 'x'));
    }
    await Promise.all(all);
  },

  async acks_settle(client) {
    const destination = place('acks');
    for (const body of ['0', '1', '2']) await send(client, { destination }, body);
    const other = await connect();
    const next = subscribe(other, { destination, ack: 'client' });
    for (const body of ['0', '1', '2']) {
      const got = await next();
      assert.equal(`${got.body}`, body);
      if (body === '1') other.ack(got.message);
    }
    await disconnect(other);
    const left = subscribe(client, { destination, ack: 'auto' });
    const got = await left();
    assert.equal(`${got.body}`, '2');
    assert.equal(got.headers.redelivered, 'true');
  },

  async nack_brings_it_back(client) {
    const destination = place('nack');
    await send(client, { destination }, 'once');
    const next = subscribe(client, { destination, ack: 'client-individual' });
    const first = await next();
    assert.notEqual(first.headers.redelivered, 'true');
    client.nack(first.message);
    const again = await next();
    assert.equal(`${again.body}`, 'once');
    assert.equal(again.headers.redelivered, 'true');
    client.ack(again.message);
  },

  async heart_beats_keep_it_up() {
    const client = await connect('200,200');
    let failure = null;
    client.on('error', (error) => { failure = error; });
    let beats = 0;
    // What the library reads between frames are beats.
    await new Promise((resolve) => {
      client.getTransportSocket().on('data', (chunk) => {
        beats += chunk.filter((byte) => byte === 10).length === chunk.length ? 1 : 0;
        if (beats === 5) resolve();
      });
    });
    assert.equal(failure, null);
    await send(client, { destination: place('beats') }, 'still there');
    await disconnect(client);
  },

  async finds_persistent_messages(client) {
    const next = subscribe(client, { destination: '/queue/kept', ack: 'auto' });
    for (let index = 0; index < 100; index += 1) {
      const got = await next();
      assert.equal(`${got.body}`, `${index}`);
      assert.equal(got.headers.number, `${index}`);
    }
  },
};

(async () => {
  const client = await connect();
  assert.equal(client.headers?.version ?? version, version);
  await cases[name](client);
  await disconnect(client);
})().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
