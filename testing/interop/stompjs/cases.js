// Features of STOMP over WebSocket as @stomp/stompjs uses them. Usage: cases.js CASE VERSION HOST PORT
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { Client, Versions } = require('@stomp/stompjs');
const WebSocket = require('ws');

const [, , name, version, host, port] = process.argv;
const url = (path) => `ws://${host}:${port}${path}`;
const place = (word) => `/queue/stompjs.${word}.${version}`;
const SUBPROTOCOLS = ['v10.stomp', 'v11.stomp', 'v12.stomp'];

// Never waited out when all is well.
setTimeout(() => {
  console.error('nothing happens any more');
  process.exit(1);
}, 60_000).unref();

// What comes, one by one as it is asked for.
const inbox = () => {
  const come = [];
  const asked = [];
  const pass = () => {
    while (come.length && asked.length) asked.shift()(come.shift());
  };
  return {
    put(one) {
      come.push(one);
      pass();
    },
    next: () => new Promise((resolve) => {
      asked.push(resolve);
      pass();
    }),
  };
};

// A connected client. `messages` is all that came over its WebSocket, as it came.
const connect = async (options = {}) => {
  const messages = [];
  const connected = inbox();
  const closed = inbox();
  const client = new Client({
    stompVersions: new Versions([version]),
    webSocketFactory: () => {
      const socket = new WebSocket(url('/ws'), SUBPROTOCOLS);
      socket.on('message', (data, isBinary) => messages.push({ data: Buffer.from(data), isBinary }));
      return socket;
    },
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    reconnectDelay: 0,
    onConnect: (frame) => connected.put(frame),
    onStompError: (frame) => {
      throw new Error(`${frame.headers.message}: ${frame.body}`);
    },
    onWebSocketClose: (event) => closed.put(event),
    ...options,
  });
  client.activate();
  const frame = await connected.next();
  assert.equal(frame.headers.version ?? '1.0', version);
  return { client, messages, closed };
};

let receipts = 0;
const receipt = (client, act) =>
  new Promise((resolve) => {
    receipts += 1;
    client.watchForReceipt(`r-${receipts}`, resolve);
    act({ receipt: `r-${receipts}` });
  });

// Resolves when the broker has the message.
const send = (client, destination, body, headers = {}) =>
  receipt(client, (asked) => {
    const what = typeof body === 'string' ? { body } : { binaryBody: new Uint8Array(body) };
    client.publish({ destination, headers: { ...headers, ...asked }, ...what });
  });

// Messages of a subscription.
const subscribe = (client, destination, ack = 'auto') => {
  const box = inbox();
  client.subscribe(destination, (message) => box.put(message), { ack });
  return box.next;
};

const cases = {
  async connects_and_disconnects() {
    const { client, closed } = await connect();
    await client.deactivate();
    const event = await closed.next();
    assert.equal(event.code, 1000);
    assert.equal(event.wasClean, true);
  },

  async sends_through_a_queue_and_a_topic() {
    const { client } = await connect();
    for (const destination of [place('both'), `/topic/stompjs.both.${version}`]) {
      const next = subscribe(client, destination);
      for (let index = 0; index < 20; index += 1) await send(client, destination, `${index}`);
      for (let index = 0; index < 20; index += 1) {
        const got = await next();
        assert.equal(got.body, `${index}`);
        assert.equal(got.headers.destination, destination);
      }
    }
    await client.deactivate();
  },

  async unicode_stays() {
    const { client, messages } = await connect();
    const next = subscribe(client, place('unicode'));
    for (const body of ['früh ☀', '𝄞'.repeat(50_000), '', 'a\0b\n\0\n']) {
      await send(client, place('unicode'), body);
      assert.equal((await next()).body, body);
    }
    assert.ok(messages.every(({ isBinary }) => !isBinary));
    await client.deactivate();
  },

  async binary_bodies_stay() {
    const { client, messages } = await connect();
    const next = subscribe(client, place('binary'));
    for (const body of [Buffer.from([0, 10, 0, 255, 254]), Buffer.alloc(3_000_000, 0xfe)]) {
      await send(client, place('binary'), body);
      const got = await next();
      assert.ok(Buffer.from(got.binaryBody).equals(body));
      const message = messages.findLast(({ data }) => data.subarray(0, 7).toString() === 'MESSAGE');
      assert.equal(message.isBinary, true);
    }
    await client.deactivate();
  },

  async headers_stay() {
    const { client } = await connect();
    const next = subscribe(client, place('headers'));
    const headers = { größe: '日本語 ✓', 'correlation-id': 'c 1', 'x_y.z': '1=2;3,4' };
    // It escapes values, not names, and takes a backslash before a c for a colon.
    if (version !== '1.0') headers.escaped = 'a:b\\ \nd';
    await send(client, place('headers'), 'text', headers);
    const got = await next();
    for (const key of Object.keys(headers)) assert.equal(got.headers[key], headers[key], key);
    await client.deactivate();
  },

  async receipts_come() {
    const { client } = await connect();
    const all = [];
    for (let index = 0; index < 200; index += 1) {
      all.push(send(client, place('receipts'), 'x', { persistent: `${index % 2 === 0}` }));
    }
    await Promise.all(all);
    await client.deactivate();
  },

  async acks_settle() {
    const { client } = await connect();
    for (const body of ['0', '1', '2']) await send(client, place('acks'), body);
    const other = await connect();
    const next = subscribe(other.client, place('acks'), 'client');
    for (const body of ['0', '1', '2']) {
      const got = await next();
      assert.equal(got.body, body);
      if (body === '1') got.ack();
    }
    await other.client.deactivate();
    const got = await subscribe(client, place('acks'))();
    assert.equal(got.body, '2');
    assert.equal(got.headers.redelivered, 'true');
    await client.deactivate();
  },

  async client_individual_acks_are_single() {
    const { client } = await connect();
    for (const body of ['0', '1', '2']) await send(client, place('single'), body);
    const other = await connect();
    const next = subscribe(other.client, place('single'), 'client-individual');
    for (const body of ['0', '1', '2']) {
      const got = await next();
      assert.equal(got.body, body);
      if (body === '1') got.ack();
    }
    await other.client.deactivate();
    const left = subscribe(client, place('single'));
    for (const body of ['0', '2']) assert.equal((await left()).body, body);
    await client.deactivate();
  },

  async nack_brings_it_back() {
    const { client } = await connect();
    await send(client, place('nack'), 'once');
    const next = subscribe(client, place('nack'), 'client-individual');
    const first = await next();
    assert.notEqual(first.headers.redelivered, 'true');
    first.nack();
    const again = await next();
    assert.equal(again.body, 'once');
    assert.equal(again.headers.redelivered, 'true');
    again.ack();
    await client.deactivate();
  },

  async heart_beats_go_both_ways() {
    const beats = inbox();
    const { client, messages } = await connect({
      heartbeatIncoming: 500,
      heartbeatOutgoing: 500,
      onHeartbeatReceived: () => beats.put(null),
      onHeartbeatLost: () => {
        throw new Error('a heart-beat is missing');
      },
    });
    for (let index = 0; index < 5; index += 1) await beats.next();
    assert.ok(messages.some(({ data, isBinary }) => data.equals(Buffer.from('\n')) && !isBinary));
    await send(client, place('beats'), 'still there');
    await client.deactivate();
  },

  // As a client may that has a limit on its messages.
  async frames_may_be_split() {
    const options = { splitLargeFrames: true, maxWebSocketChunkSize: 100 };
    const { client } = await connect(options);
    const next = subscribe(client, place('split'));
    const body = 'früh ☀ '.repeat(5_000);
    await send(client, place('split'), body);
    assert.equal((await next()).body, body);
    await client.deactivate();
    // As React Native may have to.
    const other = await connect({ appendMissingNULLonIncoming: true, forceBinaryWSFrames: true });
    const got = subscribe(other.client, place('split'));
    await send(other.client, place('split'), body);
    assert.equal((await got()).body, body);
    await other.client.deactivate();
  },

  // Some clients see only the first of several.
  async each_frame_is_a_message() {
    const { client, messages } = await connect();
    const sends = [];
    for (let index = 0; index < 1000; index += 1) {
      const body = index % 100 === 0 ? Buffer.alloc(20_000, 0xff) : `${index}`;
      sends.push(send(client, place('many'), body));
    }
    await Promise.all(sends);
    const next = subscribe(client, place('many'));
    for (let index = 0; index < 1000; index += 1) await next();
    const found = messages.filter(({ data }) => data.subarray(0, 7).toString() === 'MESSAGE');
    assert.equal(found.length, 1000);
    found.forEach(({ data, isBinary }, index) => {
      assert.equal(isBinary, index % 100 === 0);
      assert.equal(data.at(-1), 0);
      if (!isBinary) assert.equal(data.indexOf(0), data.length - 1);
    });
    await client.deactivate();
  },

  async subprotocols_and_paths() {
    const rows = [
      ['/ws', SUBPROTOCOLS, 'v12.stomp'],
      ['/', ['v11.stomp', 'v10.stomp'], 'v11.stomp'],
      ['/stomp?a=b', [], ''],
    ];
    for (const [path, offered, chosen] of rows) {
      const socket = new WebSocket(url(path), offered);
      const messages = inbox();
      socket.on('message', (data) => messages.put(`${data}`));
      await once(socket, 'open');
      assert.equal(socket.protocol, chosen);
      assert.equal(socket.extensions, '');
      socket.ping('are you there');
      const [pong] = await once(socket, 'pong');
      assert.equal(`${pong}`, 'are you there');
      // Several frames in one message.
      socket.send(`CONNECT\naccept-version:${version}\nhost:/\n\n\0SEND\ndestination:${place('raw')}\nreceipt:1\n\n\0\n`);
      assert.match(await messages.next(), /^CONNECTED\n/);
      assert.match(await messages.next(), /^RECEIPT\nreceipt-id:1\n/);
      socket.close(3000, 'enough');
      const [code] = await once(socket, 'close');
      assert.equal(code, 3000);
    }
    const response = await fetch(`http://${host}:${port}/nowhere`);
    assert.equal(response.status, 404);
    assert.match(await response.text(), /nothing at this path/);
  },

  async errors_come_before_the_close() {
    const socket = new WebSocket(url('/ws'), SUBPROTOCOLS);
    const messages = [];
    socket.on('message', (data) => messages.push(`${data}`));
    await once(socket, 'open');
    socket.send('GARBAGE\nnot a header\n\n\0');
    const [code] = await once(socket, 'close');
    assert.equal(code, 1000);
    assert.equal(messages.length, 1);
    assert.match(messages[0], /^ERROR\n/);
    // What is too long is refused before it has come.
    const other = new WebSocket(url('/ws'), SUBPROTOCOLS);
    await once(other, 'open');
    other.on('error', () => {});
    other.send(Buffer.alloc(17 * 1024 * 1024));
    const [reason] = await once(other, 'close');
    assert.equal(reason, 1009);
  },

  async sends_persistent_messages() {
    const { client } = await connect();
    for (let index = 0; index < 100; index += 1) {
      await send(client, '/queue/kept', `${index}`, { persistent: 'true', number: `${index}` });
    }
    await client.deactivate();
  },

  async finds_persistent_messages() {
    const { client } = await connect();
    const next = subscribe(client, '/queue/kept');
    for (let index = 0; index < 100; index += 1) {
      const got = await next();
      assert.equal(got.body, `${index}`);
      assert.equal(got.headers.number, `${index}`);
    }
    await client.deactivate();
  },
};

cases[name]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
