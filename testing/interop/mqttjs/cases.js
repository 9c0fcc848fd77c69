// Features of MQTT over TCP and WebSocket as mqtt.js uses them. Usage: cases.js CASE VERSION HOST PORT, where
// VERSION is one of MQTT's with `tcp` or `ws` before it, as in ws-5.0.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
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

// The client's side of SCRAM-SHA-256 (RFC 7677), for `handleAuth` and the properties of CONNECT.
const scram = (user, password) => {
  const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
  const nonce = crypto.randomBytes(18).toString('base64');
  const bare = `n=${user},r=${nonce}`;
  let signature;
  return {
    first: Buffer.from(`n,,${bare}`),
    // The answer to the server's first message.
    last(challenge) {
      const first = challenge.toString();
      const { r, s, i } = Object.fromEntries(first.split(',').map((part) => [part[0], part.slice(2)]));
      assert.ok(r.startsWith(nonce) && r.length > nonce.length, r);
      const salted = crypto.pbkdf2Sync(password, Buffer.from(s, 'base64'), Number(i), 32, 'sha256');
      const key = hmac(salted, 'Client Key');
      const unproven = `c=biws,r=${r}`;
      const signed = `${bare},${first},${unproven}`;
      const mask = hmac(crypto.createHash('sha256').update(key).digest(), signed);
      const proof = key.map((byte, at) => byte ^ mask[at]);
      signature = hmac(hmac(salted, 'Server Key'), signed).toString('base64');
      return Buffer.from(`${unproven},p=${Buffer.from(proof).toString('base64')}`);
    },
    // Whether the server knows the password, too.
    check(final) {
      assert.equal(final.toString(), `v=${signature}`);
    },
  };
};

const METHOD = 'SCRAM-SHA-256';

// A client that is to be authenticated by SCRAM.
const connectByScram = (user, password) => {
  const shown = scram(user, password);
  const client = mqtt.connect(url('/mqtt'), {
    protocolVersion: 5,
    reconnectPeriod: 0,
    properties: { authenticationMethod: METHOD, authenticationData: shown.first },
  });
  client.handleAuth = (packet, callback) => {
    assert.equal(packet.reasonCode, 0x18);
    assert.equal(packet.properties.authenticationMethod, METHOD);
    callback(undefined, {
      cmd: 'auth',
      reasonCode: 0x18,
      properties: {
        authenticationMethod: METHOD,
        authenticationData: shown.last(packet.properties.authenticationData),
      },
    });
  };
  return { client, shown };
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

  async aliases_are_used_to_who_takes_them() {
    const taker = await connect({ properties: { topicAliasMaximum: 2 } });
    await taker.subscribeAsync('alias/#', { qos: 1 });
    for (const [topic, alias] of [['alias/1', 1], ['alias/2', 2], ['alias/1', 1], ['alias/3', undefined]]) {
      await taker.publishAsync(topic, topic, { qos: 1 });
      const got = await taker.next();
      assert.equal(got.topic, topic);
      assert.equal(got.payload.toString(), topic);
      assert.equal(got.packet.properties?.topicAlias, alias);
    }
    await taker.endAsync();
  },

  // With a user `ada` whose password is `pencil`.
  async scram_shows_who_a_client_is() {
    const { client, shown } = connectByScram('ada', 'pencil');
    const [connack] = await once(client, 'connect');
    assert.equal(connack.properties.authenticationMethod, METHOD);
    shown.check(connack.properties.authenticationData);
    const come = once(client, 'message');
    await client.subscribeAsync('scram', { qos: 1 });
    await client.publishAsync('scram', 'x', { qos: 1 });
    assert.equal((await come)[1].toString(), 'x');
    // Again, while the connection is in use.
    const again = scram('ada', 'pencil');
    const answers = [];
    const told = new Promise((resolve) => {
      client.handleAuth = (packet, callback) => {
        answers.push(packet.reasonCode);
        const { authenticationData } = packet.properties;
        if (packet.reasonCode === 0) {
          again.check(authenticationData);
          callback();
          resolve();
          return;
        }
        callback(undefined, {
          cmd: 'auth',
          reasonCode: 0x18,
          properties: { authenticationMethod: METHOD, authenticationData: again.last(authenticationData) },
        });
      };
    });
    client._sendPacket({
      cmd: 'auth',
      reasonCode: 0x19,
      properties: { authenticationMethod: METHOD, authenticationData: again.first },
    });
    await told;
    assert.deepEqual(answers, [0x18, 0]);
    await client.publishAsync('scram', 'y', { qos: 1 });
    await client.endAsync();
  },

  async who_does_not_know_the_password_is_refused() {
    for (const [user, password] of [['ada', 'crayon'], ['bob', 'pencil']]) {
      const { client } = connectByScram(user, password);
      const [error] = await once(client, 'error');
      assert.equal(error.code, 0x87);
      client.end(true);
    }
    const client = mqtt.connect(url('/mqtt'), {
      protocolVersion: 5,
      reconnectPeriod: 0,
      properties: { authenticationMethod: 'GS2-KRB5' },
    });
    const [error] = await once(client, 'error');
    assert.equal(error.code, 0x8c);
    client.end(true);
  },

  // A name and a password in all versions, against the same users.
  async logins_are_those_of_users() {
    for (const attempt of [1, 2]) {
      const client = await connect({ username: 'ada', password: 'pencil' });
      assert.ok(client.connected, attempt);
      await client.endAsync();
    }
    for (const [username, password] of [['ada', 'crayon'], ['bob', 'pencil'], ['ada', '']]) {
      const client = mqtt.connect(url('/mqtt'), {
        protocolVersion: LEVELS[version],
        protocolId: version === '3.1' ? 'MQIsdp' : 'MQTT',
        reconnectPeriod: 0,
        username,
        password,
      });
      const [error] = await once(client, 'error');
      assert.equal(error.code, is5 ? 0x86 : 4);
      client.end(true);
    }
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
