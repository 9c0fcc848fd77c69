// Features of AMQP 0-9-1 as amqplib uses them. Usage: cases.js CASE VERSION HOST PORT
'use strict';

const assert = require('node:assert/strict');
const amqp = require('amqplib');

const [, , name, , host, port] = process.argv;

// Never waited out when all is well.
setTimeout(() => {
  console.error('nothing happens any more');
  process.exit(1);
}, 60_000).unref();

const connect = () => amqp.connect(`amqp://guest:guest@${host}:${port}`);

// The next messages of a queue.
const consume = (channel, queue, count, options = {}) =>
  new Promise((resolve, reject) => {
    const found = [];
    channel
      .consume(
        queue,
        (message) => {
          found.push(message);
          if (found.length === count) resolve(found);
        },
        options,
      )
      .catch(reject);
  });

const cases = {
  async many_publishes_are_confirmed() {
    const connection = await connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('many', { durable: true });
    for (let number = 0; number < 20_000; number += 1) {
      channel.sendToQueue('many', Buffer.from(String(number)), { persistent: number % 2 === 0 });
    }
    await channel.waitForConfirms();
    const found = await consume(channel, 'many', 20_000, { noAck: true });
    found.forEach((message, number) => assert.equal(message.content.toString(), String(number)));
    await connection.close();
  },

  async what_goes_nowhere_is_returned() {
    const connection = await connect();
    const channel = await connection.createConfirmChannel();
    const returned = [];
    channel.on('return', (message) => returned.push(message));
    channel.publish('amq.topic', 'nobody', Buffer.from('x'), { mandatory: true, headers: { a: 1 } });
    await channel.waitForConfirms();
    assert.equal(returned.length, 1);
    assert.equal(returned[0].fields.replyCode, 312);
    assert.deepEqual(returned[0].properties.headers, { a: 1 });
    await connection.close();
  },

  async deliveries_are_settled() {
    const connection = await connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('settled');
    await channel.prefetch(2);
    for (const body of ['1', '2', '3']) channel.sendToQueue('settled', Buffer.from(body));
    const [one, two] = await consume(channel, 'settled', 2);
    channel.ack(one);
    channel.nack(two, false, true);
    await channel.close();
    const again = await connection.createChannel();
    const found = await consume(again, 'settled', 2, { noAck: true });
    assert.deepEqual(found.map((message) => message.content.toString()), ['2', '3']);
    await connection.close();
  },

  async topics_reach_who_is_bound() {
    const connection = await connect();
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'amq.topic', 'plant.#');
    channel.publish('amq.topic', 'other', Buffer.from('not this'));
    channel.publish('amq.topic', 'plant.7.temp', Buffer.alloc(1_000_000, 'x'));
    const [message] = await consume(channel, queue, 1, { noAck: true });
    assert.equal(message.fields.routingKey, 'plant.7.temp');
    assert.equal(message.content.length, 1_000_000);
    await connection.close();
  },

  async a_wrong_exchange_closes_the_channel() {
    const connection = await connect();
    const channel = await connection.createChannel();
    const closed = new Promise((resolve) => channel.on('error', resolve));
    channel.publish('nowhere', '', Buffer.from('x'));
    const error = await closed;
    assert.equal(error.code, 404);
    await connection.createChannel();
    await connection.close();
  },
};

cases[name]().catch((error) => {
  console.error(error);
  process.exit(1);
});
