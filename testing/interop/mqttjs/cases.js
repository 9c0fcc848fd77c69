// Features of MQTT over TCP and WebSocket as mqtt.js uses them. Usage: cases.js CASE VERSION HOST PORT, where
// VERSION is one of MQTT's with `tcp` or `ws` before it, as in ws-5.0.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const mqtt = require('mqtt');
const WebSocket = require('ws');

const [, , name, wanted] = process.argv;
const [transport, version] = wanted.split('-');
const listeners = JSON.parse(process.env.LISTENERS);
const LEVELS = { '3.1': 3, '3.1.1': 4, '5.0': 5 };
const is5 = version === '5.0';

// Never waited out when all is well.
setTimeout(() => {
  console.error('nothing happens any more');
  process.exit(1);
}, 60_000).unref();

const url = (path) => (transport === 'ws' ? `ws://${listeners.ws[0]}${path}` : `mqtt://${listeners.mqtt[0]}`);
let made = 0;

// A connected client, with what comes in an inbox.
const connect = async (options = {}, path = '/mqtt') => {
  made += 1;
  const client = mqtt.connect(url(path), {
    protocolVersion: LEVELS[version],
    protocolId: version === '3.1' ? 'MQIsdp' : 'MQTT',
    clientId: `mqttjs-${process.pid}-${made}`,
    reconnectPeriod: 0,
    ...options,
  });
  const come = [];
  const asked = [];
  client.on('message', (topic, payload, packet) => {
    come.push({ topic, payload, packet });
    while (come.length && asked.length) asked.shift()(come.shift());
  });
  client.next = () => new Promise((resolve) => {
    asked.push(resolve);
    while (come.length && asked.length) asked.shift()(come.shift());
  });
  await once(client, 'connect');
  return client;
};

const cases = {
  async each_quality_goes_both_ways() {
    const [subscriber, publisher] = [await connect(), await connect()];
    for (const granted of [0, 1, 2]) {
      const [answer] = await subscriber.subscribeAsync(`q/${granted}`, { qos: granted });
      assert.equal(answer.qos, granted);
      for (const qos of [0, 1, 2]) {
        await publisher.publishAsync(`q/${granted}`, `${granted} ${qos}`, { qos });
        const { topic, payload, packet } = await subscriber.next();
        assert.equal(topic, `q/${granted}`);
        assert.equal(payload.toString(), `${granted} ${qos}`);
        assert.equal(packet.qos, Math.min(granted, qos));
      }
    }
    await subscriber.endAsync();
    await publisher.endAsync();
  },

  async many_messages_keep_their_order() {
    const [subscriber, publisher] = [await connect(), await connect()];
    for (const qos of [0, 1, 2]) {
      await subscriber.subscribeAsync(`many/${qos}`, { qos });
      const sent = [];
      for (let number = 0; number < 1000; number += 1) {
        sent.push(publisher.publishAsync(`many/${qos}`, String(number), { qos }));
      }
      for (let number = 0; number < 1000; number += 1) {
        assert.equal((await subscriber.next()).payload.toString(), String(number));
      }
      await Promise.all(sent);
    }
    await subscriber.endAsync();
    await publisher.endAsync();
  },

  async large_payloads_stay() {
    const client = await connect();
    await client.subscribeAsync('large', { qos: 2 });
    for (const size of [0, 1, 127, 128, 16_384, 70_000, 3_000_000]) {
      const body = Buffer.alloc(size, size % 251);
      for (const qos of [0, 1, 2]) {
        await client.publishAsync('large', body, { qos });
        assert.ok((await client.next()).payload.equals(body), `${size} bytes`);
      }
    }
    await client.endAsync();
  },

  async wills_are_published() {
    const watcher = await connect();
    await watcher.subscribeAsync('will/#', { qos: 1 });
    const victim = await connect({ will: { topic: 'will/js', payload: Buffer.from('gone'), qos: 1 } });
    victim.on('error', () => {});
    victim.stream.destroy();
    assert.equal((await watcher.next()).payload.toString(), 'gone');
    await watcher.endAsync();
  },

  async properties_stay() {
    if (!is5) return;
    const client = await connect();
    await client.subscribeAsync('props', { qos: 1, properties: { subscriptionIdentifier: 5 } });
    const properties = {
      contentType: 'text/plain',
      responseTopic: 'answers',
      correlationData: Buffer.from([0, 1]),
      userProperties: { a: ['1', '2'], b: 'ü' },
    };
    await client.publishAsync('props', 'x', { qos: 1, properties });
    const got = (await client.next()).packet.properties;
    assert.equal(got.contentType, 'text/plain');
    assert.equal(got.responseTopic, 'answers');
    assert.deepEqual([...got.correlationData], [0, 1]);
    assert.deepEqual({ ...got.userProperties }, properties.userProperties);
    assert.equal(got.subscriptionIdentifier, 5);
    await client.endAsync();
  },

  async subprotocols_and_paths() {
    if (transport !== 'ws') return;
    for (const path of ['/', '/ws', '/mqtt']) {
      const client = await connect({}, path);
      await client.endAsync();
    }
    for (const [path, subprotocols, chosen] of [
      ['/', ['mqtt'], 'mqtt'],
      ['/mqtt', ['mqttv3.1'], 'mqttv3.1'],
      ['/', ['v12.stomp', 'mqtt'], 'v12.stomp'],
      ['/mqtt', ['v12.stomp', 'mqtt'], 'mqtt'],
    ]) {
      const socket = new WebSocket(url(path), subprotocols);
      await once(socket, 'open');
      assert.equal(socket.protocol, chosen);
      socket.terminate();
    }
  },

  // Packets go in binary messages, one for each, and text is refused.
  async messages_are_binary() {
    if (transport !== 'ws') return;
    const connectPacket = Buffer.from([0x10, 0x0d, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 1, 97]);
    const socket = new WebSocket(url('/mqtt'), ['mqtt']);
    const got = [];
    const whole = new Promise((resolve) => {
      socket.on('message', (data, isBinary) => {
        got.push(isBinary ? [...data] : 'text');
        if (got.length === 3) resolve();
      });
    });
    await once(socket, 'open');
    // A packet may come in pieces, and several in one message.
    socket.send(connectPacket.subarray(0, 5));
    socket.send(Buffer.concat([connectPacket.subarray(5), Buffer.from([0xc0, 0, 0xc0, 0])]));
    await whole;
    assert.deepEqual(got, [[0x20, 2, 0, 0], [0xd0, 0], [0xd0, 0]]);
    socket.send('text');
    const [code] = await once(socket, 'close');
    assert.equal(code, 1003);
  },
};

cases[name]().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
