import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Features of AMQP 0-9-1 as RabbitMQ's client for Java uses them. Usage: Cases CASE VERSION HOST PORT */
public class Cases {
  /** Never waited out when all is well. */
  static final int WAIT_S = 60;

  static final ConnectionFactory FACTORY = new ConnectionFactory();

  public static void main(String[] args) throws Exception {
    FACTORY.setHost(args[2]);
    FACTORY.setPort(Integer.parseInt(args[3]));
    FACTORY.setNetworkRecoveryInterval(100);
    Cases.class.getDeclaredMethod(args[0]).invoke(null);
    System.exit(0);
  }

  static void same(Object found, Object expected) {
    if (!found.equals(expected)) {
      throw new AssertionError(found + " is not " + expected);
    }
  }

  static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
    T found = queue.poll(WAIT_S, TimeUnit.SECONDS);
    if (found == null) {
      throw new AssertionError("nothing came");
    }
    return found;
  }

  static byte[] bytes(String text) throws IOException {
    return text.getBytes("UTF-8");
  }

  static String text(byte[] bytes) throws IOException {
    return new String(bytes, "UTF-8");
  }

  /** What came to a consumer: deliveries and the tag of a cancellation. */
  static class Came extends DefaultConsumer {
    final BlockingQueue<String> bodies = new LinkedBlockingQueue<>();
    final BlockingQueue<Envelope> envelopes = new LinkedBlockingQueue<>();
    final BlockingQueue<String> canceled = new LinkedBlockingQueue<>();

    Came(Channel channel) {
      super(channel);
    }

    @Override
    public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
        throws IOException {
      envelopes.add(envelope);
      bodies.add(text(body));
    }

    @Override
    public void handleCancel(String tag) {
      canceled.add(tag);
    }
  }

  static void publishes_are_confirmed() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      channel.queueDeclare("q", true, false, false, null);
      channel.confirmSelect();
      for (int number = 0; number < 1000; number++) {
        channel.basicPublish("", "q", MessageProperties.PERSISTENT_TEXT_PLAIN, bytes("" + number));
      }
      channel.waitForConfirmsOrDie(WAIT_S * 1000);
      same(channel.messageCount("q"), 1000L);
      // A queue that is full.
      Map<String, Object> arguments = new HashMap<>();
      arguments.put("x-max-length", 1);
      arguments.put("x-overflow", "reject-publish");
      channel.queueDeclare("full", false, false, false, arguments);
      channel.basicPublish("", "full", null, bytes("1"));
      same(channel.waitForConfirms(WAIT_S * 1000), true);
      channel.basicPublish("", "full", null, bytes("2"));
      same(channel.waitForConfirms(WAIT_S * 1000), false);
    }
  }

  static void what_goes_nowhere_is_returned() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      BlockingQueue<String> returned = new LinkedBlockingQueue<>();
      channel.addReturnListener((code, reason, exchange, key, properties, body) -> returned.add(
          code + " " + reason + " " + exchange + " " + key + " " + properties.getType() + " " + text(body)));
      AMQP.BasicProperties said = new AMQP.BasicProperties.Builder().type("t").build();
      channel.basicPublish("amq.direct", "nobody", true, said, bytes("body"));
      same(next(returned), "312 NO_ROUTE amq.direct nobody t body");
    }
  }

  static void properties_stay() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      Map<String, Object> inner = new HashMap<>();
      inner.put("nothing", null);
      Map<String, Object> headers = new HashMap<>();
      headers.put("int", 5);
      headers.put("long", 1L << 40);
      headers.put("short", (short) -7);
      headers.put("byte", (byte) -1);
      headers.put("yes", true);
      headers.put("double", 0.5);
      headers.put("float", 0.25f);
      headers.put("decimal", new BigDecimal("-12.34"));
      headers.put("at", new Date(1_700_000_000_000L));
      headers.put("list", Arrays.asList(1, 2L, true));
      headers.put("table", inner);
      AMQP.BasicProperties said = new AMQP.BasicProperties.Builder()
          .contentType("text/plain").contentEncoding("gzip").headers(headers).deliveryMode(2).priority(7)
          .correlationId("c").replyTo("answers").expiration("60000").messageId("m")
          .timestamp(new Date(1_700_000_000_000L)).type("t").userId("guest").appId("a").clusterId("x").build();
      channel.queueDeclare("q", false, true, false, null);
      channel.basicPublish("", "q", said, new byte[] {0, -1, 65});
      GetResponse found = channel.basicGet("q", true);
      same(Arrays.equals(found.getBody(), new byte[] {0, -1, 65}), true);
      same(found.getProps().getHeaders(), headers);
      same(found.getProps().toString(), said.toString());
    }
  }

  static void deliveries_are_settled() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      channel.queueDeclare("q", false, false, false, null);
      for (int number = 0; number < 4; number++) {
        channel.basicPublish("", "q", null, bytes("" + number));
      }
      channel.basicQos(3);
      Came came = new Came(channel);
      String tag = channel.basicConsume("q", false, came);
      for (int number = 0; number < 3; number++) {
        same(next(came.bodies), "" + number);
      }
      same(channel.messageCount("q"), 1L);
      channel.basicAck(1, false);
      same(next(came.bodies), "3");
      channel.basicReject(2, false);
      channel.basicNack(4, true, true);
      same(next(came.bodies), "2");
      same(next(came.bodies), "3");
      List<Boolean> redelivered = new ArrayList<>();
      for (int number = 0; number < 6; number++) {
        redelivered.add(next(came.envelopes).isRedeliver());
      }
      same(redelivered, Arrays.asList(false, false, false, false, true, true));
      channel.basicAck(6, true);
      channel.basicCancel(tag);
      same(channel.messageCount("q"), 0L);
      // A tag that is not to be settled.
      Channel other = connection.createChannel();
      other.basicAck(99, false);
      try {
        other.messageCount("q");
        throw new AssertionError("it is settled");
      } catch (IOException | AlreadyClosedException error) {
        Throwable cause = error instanceof IOException ? error.getCause() : error;
        AMQP.Channel.Close close = (AMQP.Channel.Close) ((ShutdownSignalException) cause).getReason();
        same(close.getReplyCode(), 406);
      }
    }
  }

  static void consumers_end_with_their_queue() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      channel.queueDeclare("q", false, false, false, null);
      Came came = new Came(channel);
      String tag = channel.basicConsume("q", true, came);
      connection.createChannel().queueDelete("q");
      same(next(came.canceled), tag);
      same(channel.isOpen(), true);
      same(channel.queueDeclare("q", false, false, false, null).getConsumerCount(), 0);
    }
  }

  static void exchanges_route() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      channel.exchangeDeclare("from", BuiltinExchangeType.TOPIC, false, true, null);
      channel.exchangeDeclare("to", BuiltinExchangeType.HEADERS);
      channel.exchangeBind("to", "from", "a.#");
      String queue = channel.queueDeclare().getQueue();
      same(queue.startsWith("amq.gen-"), true);
      Map<String, Object> wanted = new HashMap<>();
      wanted.put("x-match", "all");
      wanted.put("k", "v");
      channel.queueBind(queue, "to", "", wanted);
      Map<String, Object> headers = new HashMap<>();
      headers.put("k", "v");
      AMQP.BasicProperties with = new AMQP.BasicProperties.Builder().headers(headers).build();
      channel.basicPublish("from", "a.b", with, bytes("1"));
      channel.basicPublish("from", "a.b", null, bytes("2"));
      channel.basicPublish("from", "b", with, bytes("3"));
      same(text(channel.basicGet(queue, true).getBody()), "1");
      same(channel.messageCount(queue), 0L);
    }
  }

  static void transactions_take_effect_together() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      channel.queueDeclare("q", false, false, false, null);
      channel.txSelect();
      channel.basicPublish("", "q", null, bytes("1"));
      same(channel.messageCount("q"), 0L);
      channel.txCommit();
      same(channel.messageCount("q"), 1L);
      channel.basicPublish("", "q", null, bytes("2"));
      channel.txRollback();
      same(channel.messageCount("q"), 1L);
    }
  }

  /** For a broker whose disk is full. */
  static void publishers_are_told_to_wait() throws Exception {
    try (Connection connection = FACTORY.newConnection(); Channel channel = connection.createChannel()) {
      BlockingQueue<String> blocked = new LinkedBlockingQueue<>();
      connection.addBlockedListener(blocked::add, () -> blocked.add("unblocked"));
      channel.queueDeclare("q", true, false, false, null);
      channel.basicPublish("", "q", null, bytes("x"));
      same(next(blocked).equals("unblocked"), false);
    }
  }

  /** What the client declared and whom it consumes for is there again, by itself. */
  static void a_connection_is_recovered_after_a_kill() throws Exception {
    Connection connection = FACTORY.newConnection();
    BlockingQueue<String> recovered = new LinkedBlockingQueue<>();
    ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
      @Override
      public void handleRecovery(Recoverable of) {
        recovered.add("recovered");
      }

      @Override
      public void handleRecoveryStarted(Recoverable of) {
        recovered.add("started");
      }
    });
    Channel channel = connection.createChannel();
    channel.queueDeclare("kept", true, false, false, null);
    channel.confirmSelect();
    for (int number = 0; number < 10; number++) {
      channel.basicPublish("", "kept", MessageProperties.PERSISTENT_BASIC, bytes("" + number));
    }
    channel.waitForConfirmsOrDie(WAIT_S * 1000);
    String own = channel.queueDeclare().getQueue();
    channel.exchangeDeclare("x", "fanout");
    channel.queueBind(own, "x", "");
    Came came = new Came(channel);
    channel.basicConsume(own, true, came);
    System.out.println("restart");
    same(new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
    same(next(recovered), "started");
    same(next(recovered), "recovered");
    // The queue has another name now, and its binding and its consumer.
    channel.basicPublish("x", "", null, bytes("again"));
    same(next(came.bodies), "again");
    for (int number = 0; number < 10; number++) {
      same(text(channel.basicGet("kept", true).getBody()), "" + number);
    }
  }
}
