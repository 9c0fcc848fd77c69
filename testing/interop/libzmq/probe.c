/* What libzmq's interface does, as lines: the same program runs on libzmq and on what takes its place, and says the same.
 * What differs by design, or by the system, is not asked. */

#include "say.h"

static void basics (void)
{
    int major, minor, patch;
    SECTION ("basics");
    zmq_version (&major, &minor, &patch);
    printf ("version %d.%d\n", major, minor);
    printf ("%s; %s; %s\n", zmq_strerror (EFSM), zmq_strerror (ETERM), zmq_strerror (EINVAL));
    SAY (zmq_has ("ipc"));
    SAY (zmq_has ("curve"));
    SAY (zmq_has ("nothing"));
    SAY (zmq_ctx_get (context, ZMQ_IO_THREADS));
    SAY (zmq_ctx_get (context, ZMQ_MAX_SOCKETS));
    SAY (zmq_ctx_get (context, ZMQ_MSG_T_SIZE));
    SAY (zmq_ctx_get (context, ZMQ_IPV6));
    SAY (zmq_ctx_get (context, ZMQ_BLOCKY));
    SAY (zmq_ctx_get (context, 12345));
    SAY (zmq_ctx_set (context, ZMQ_IO_THREADS, -1));
    SAY (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 0));
    SAY (zmq_ctx_term (NULL));
    SAY (zmq_socket (context, 77) == NULL);
    say ("a type that there is not", -1);
    SAY (zmq_socket (NULL, ZMQ_REP) == NULL);
    say ("no context", -1);
    SAY (zmq_close (NULL));
    SAY (zmq_bind (NULL, "tcp://127.0.0.1:*"));
    char memory[256] = {0};
    SAY (zmq_send (memory, "x", 1, 0));
    SAY (zmq_setsockopt (memory, ZMQ_LINGER, memory, 4));
}

static void options_of_types (void)
{
    static const int options[] = {
        ZMQ_SNDBUF, ZMQ_RCVBUF, ZMQ_RCVMORE, ZMQ_TYPE, ZMQ_RECONNECT_IVL, ZMQ_BACKLOG, ZMQ_RECONNECT_IVL_MAX,
        ZMQ_SNDHWM, ZMQ_RCVHWM, ZMQ_TCP_KEEPALIVE, ZMQ_TCP_KEEPALIVE_CNT, ZMQ_TCP_KEEPALIVE_IDLE,
        ZMQ_TCP_KEEPALIVE_INTVL, ZMQ_IMMEDIATE, ZMQ_IPV6, ZMQ_MECHANISM, ZMQ_PLAIN_SERVER, ZMQ_CURVE_SERVER,
        ZMQ_CONFLATE, ZMQ_HANDSHAKE_IVL, ZMQ_HEARTBEAT_IVL, ZMQ_HEARTBEAT_TTL, ZMQ_HEARTBEAT_TIMEOUT,
        ZMQ_CONNECT_TIMEOUT, ZMQ_THREAD_SAFE, ZMQ_RATE, ZMQ_RECOVERY_IVL, ZMQ_MULTICAST_HOPS, ZMQ_TOS, ZMQ_TCP_MAXRT,
        ZMQ_USE_FD, ZMQ_SUBSCRIBE, 9999};
    SECTION ("options");
    for (int type = ZMQ_PAIR; type <= ZMQ_XSUB; type++) {
        void *socket = zmq_socket (context, type);
        printf ("type %d:", type);
        for (size_t index = 0; index < sizeof options / sizeof *options; index++)
            printf (" %d=%d", options[index], get_int (socket, options[index]));
        printf (" linger=%d rcvtimeo=%d sndtimeo=%d", get_int (socket, ZMQ_LINGER), get_int (socket, ZMQ_RCVTIMEO),
                get_int (socket, ZMQ_SNDTIMEO));
        int64_t large = 0;
        size_t size = sizeof large;
        zmq_getsockopt (socket, ZMQ_MAXMSGSIZE, &large, &size);
        printf (" maxmsgsize=%ld", (long) large);
        zmq_getsockopt (socket, ZMQ_AFFINITY, &large, &size);
        printf (" affinity=%ld events=%d\n", (long) large, get_int (socket, ZMQ_EVENTS));
        zmq_setsockopt (socket, ZMQ_LINGER, &(int){0}, sizeof (int));
        zmq_close (socket);
    }
    void *socket = open_socket (ZMQ_DEALER);
    static const int invalid[][2] = {
        {ZMQ_SNDHWM, -1}, {ZMQ_RCVHWM, -1}, {ZMQ_LINGER, -2}, {ZMQ_RECONNECT_IVL, -2}, {ZMQ_RECONNECT_IVL_MAX, -1},
        {ZMQ_RCVTIMEO, -2}, {ZMQ_IMMEDIATE, 2}, {ZMQ_IPV6, 2}, {ZMQ_TYPE, 1}, {ZMQ_FD, 1}, {ZMQ_EVENTS, 1},
        {ZMQ_TCP_KEEPALIVE, 2}, {ZMQ_HANDSHAKE_IVL, -1}, {ZMQ_ROUTER_MANDATORY, 1}, {ZMQ_XPUB_VERBOSE, 1},
        {ZMQ_SUBSCRIBE, 1}, {ZMQ_REQ_RELAXED, 1}, {9999, 1}};
    for (size_t index = 0; index < sizeof invalid / sizeof *invalid; index++) {
        printf ("%d=%d ", invalid[index][0], invalid[index][1]);
        SAY (set_int (socket, invalid[index][0], invalid[index][1]));
    }
    SAY (zmq_setsockopt (socket, ZMQ_SNDHWM, "x", 1));
    SAY (zmq_setsockopt (socket, ZMQ_ROUTING_ID, "", 0));
    SAY (zmq_setsockopt (socket, ZMQ_ROUTING_ID, "me", 2));
    char id[256];
    size_t size = 1;
    SAY (zmq_getsockopt (socket, ZMQ_ROUTING_ID, id, &size));
    size = sizeof id;
    SAY (zmq_getsockopt (socket, ZMQ_ROUTING_ID, id, &size));
    printf ("%.*s\n", (int) size, id);
    size = 1;
    SAY (zmq_getsockopt (socket, ZMQ_LINGER, id, &size));
    SAY (set_int (socket, ZMQ_LINGER, 5));
    SAY (get_int (socket, ZMQ_LINGER));
    SAY (set_int (socket, ZMQ_RECONNECT_IVL, -1));
    SAY (get_int (socket, ZMQ_RECONNECT_IVL));
    SAY (zmq_setsockopt (socket, ZMQ_PLAIN_USERNAME, "anna", 4));
    SAY (get_int (socket, ZMQ_MECHANISM));
    size = sizeof id;
    SAY (zmq_getsockopt (socket, ZMQ_PLAIN_USERNAME, id, &size));
    printf ("%s %zu\n", id, size);
    SAY (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", 40));
    SAY (get_int (socket, ZMQ_MECHANISM));
    size = 41;
    SAY (zmq_getsockopt (socket, ZMQ_CURVE_SERVERKEY, id, &size));
    printf ("%s %zu\n", id, size);
    size = 32;
    SAY (zmq_getsockopt (socket, ZMQ_CURVE_SERVERKEY, id, &size));
    size = 33;
    SAY (zmq_getsockopt (socket, ZMQ_CURVE_SERVERKEY, id, &size));
    SAY (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, "short", 5));
    close_all (1, socket);
    SAY (zmq_send (socket, "x", 1, 0));
}

static void endpoints (void)
{
    SECTION ("endpoints");
    void *pull = open_socket (ZMQ_PULL), *other = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
    static const char *wrong[] = {"", "tcp", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "nothing://here",
                                  "inproc://"};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        printf ("%s ", wrong[index]);
        SAY (zmq_bind (pull, wrong[index]));
    }
    SAY (zmq_connect (push, "tcp"));
    SAY (zmq_connect (push, "nothing://here"));
    SAY (zmq_connect (push, "tcp://127.0.0.1:*"));
    SAY (zmq_bind (pull, "inproc://here"));
    printf ("%s\n", endpoint_of (pull));
    SAY (zmq_bind (other, "inproc://here"));
    SAY (zmq_bind (pull, "tcp://127.0.0.1:*"));
    SAY (zmq_bind (other, endpoint_of (pull)));
    SAY (zmq_unbind (pull, "tcp://127.0.0.1:1"));
    SAY (zmq_unbind (pull, endpoint_of (pull)));
    SAY (zmq_disconnect (push, "tcp://127.0.0.1:1"));
    SAY (zmq_disconnect (push, "inproc://nowhere"));
    SAY (zmq_connect (push, "inproc://here"));
    SAY (zmq_disconnect (push, "inproc://here"));
    SAY (zmq_unbind (pull, "inproc://here"));
    char path[300] = "ipc://";
    memset (path + 6, 'a', 200);
    SAY (zmq_bind (pull, path));
    close_all (3, pull, other, push);
}

static void turns (const char *endpoint)
{
    SECTION ("turns");
    void *rep = open_socket (ZMQ_REP), *req = open_socket (ZMQ_REQ);
    join (rep, req, endpoint);
    SAY (zmq_recv (req, NULL, 0, 0));
    SAY (zmq_send (rep, "x", 1, 0));
    SAY (zmq_recv (rep, NULL, 0, ZMQ_DONTWAIT));
    SAY (zmq_send (req, "a", 1, ZMQ_SNDMORE));
    SAY (zmq_send (req, "bc", 2, 0));
    SAY (zmq_send (req, "again", 5, 0));
    SAY (zmq_send (req, "again", 5, ZMQ_DONTWAIT));
    say_received (rep);
    SAY (zmq_send (rep, "too early", 9, 0));
    say_received (rep);
    SAY (zmq_recv (rep, NULL, 0, 0));
    SAY (zmq_send (rep, "an answer that is longer than its room", 38, 0));
    char room[4];
    SAY (zmq_recv (req, room, sizeof room, 0));
    printf ("%.4s\n", room);
    SAY (get_int (req, ZMQ_EVENTS));
    SAY (get_int (rep, ZMQ_EVENTS));
    close_all (2, req, rep);
}

static void one_way (void)
{
    SECTION ("one way");
    void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH), *sub = open_socket (ZMQ_SUB);
    SAY (zmq_send (pull, "x", 1, 0));
    SAY (zmq_recv (push, NULL, 0, 0));
    SAY (zmq_send (sub, "x", 1, 0));
    SAY (zmq_send (push, "x", 1, ZMQ_DONTWAIT));
    SAY (zmq_send (push, "x", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE));
    SAY (set_int (push, ZMQ_SNDTIMEO, 20));
    SAY (zmq_send (push, "x", 1, 0));
    SAY (set_int (pull, ZMQ_RCVTIMEO, 20));
    SAY (zmq_recv (pull, NULL, 0, 0));
    SAY (set_int (push, ZMQ_SNDHWM, 3));
    SAY (set_int (pull, ZMQ_RCVHWM, 2));
    join (pull, push, "inproc://full");
    int sent = 0;
    while (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        sent++;
    printf ("%d are sent, then %s\n", sent, name_of (zmq_errno ()));
    SAY (get_int (push, ZMQ_EVENTS));
    SAY (get_int (pull, ZMQ_EVENTS));
    int received = 0;
    while (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT) == 1)
        received++;
    printf ("%d are received\n", received);
    SAY (get_int (push, ZMQ_EVENTS));
    SAY (zmq_unbind (pull, "tcp://127.0.0.1:1"));
    SAY (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "never", 5));
    close_all (3, pull, push, sub);
}

static void unroutable (void)
{
    SECTION ("unroutable");
    void *router = open_socket (ZMQ_ROUTER), *dealer = open_socket (ZMQ_DEALER);
    SAY (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "me", 2));
    join (router, dealer, "tcp://127.0.0.1:*");
    SAY (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    SAY (zmq_send (router, "x", 1, 0));
    SAY (set_int (router, ZMQ_ROUTER_MANDATORY, 1));
    SAY (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    SAY (zmq_send (dealer, "hello", 5, 0));
    say_received (router);
    say_received (router);
    SAY (zmq_send (router, "me", 2, ZMQ_SNDMORE));
    SAY (zmq_send (router, "", 0, ZMQ_SNDMORE));
    SAY (zmq_send (router, "back", 4, 0));
    say_received (dealer);
    say_received (dealer);
    close_all (2, router, dealer);
}

static void freed (void *data, void *hint)
{
    ++*(int *) hint;
    free (data);
}

static void messages (void)
{
    SECTION ("messages");
    zmq_msg_t first, second;
    int count = 0;
    SAY (zmq_msg_init (&first));
    SAY (zmq_msg_size (&first));
    SAY (zmq_msg_more (&first));
    SAY (zmq_msg_close (&first));
    SAY (zmq_msg_close (&first));
    SAY (zmq_msg_init_size (&first, 100));
    memset (zmq_msg_data (&first), 'x', 100);
    SAY (zmq_msg_init (&second));
    SAY (zmq_msg_copy (&second, &first));
    SAY (zmq_msg_size (&second));
    SAY (zmq_msg_data (&first) == zmq_msg_data (&second));
    SAY (zmq_msg_get (&first, ZMQ_SHARED));
    SAY (zmq_msg_get (&first, ZMQ_MORE));
    SAY (zmq_msg_get (&first, 77));
    SAY (zmq_msg_set (&first, ZMQ_MORE, 1));
    SAY (zmq_msg_gets (&first, "Socket-Type") == NULL);
    SAY (zmq_msg_move (&second, &first));
    SAY (zmq_msg_size (&first));
    SAY (zmq_msg_size (&second));
    SAY (zmq_msg_close (&second));
    char *data = malloc (1000);
    memset (data, 'y', 1000);
    SAY (zmq_msg_init_data (&second, data, 1000, freed, &count));
    SAY (zmq_msg_data (&second) == data);
    SAY (zmq_msg_copy (&first, &second));
    SAY (zmq_msg_close (&second));
    SAY (count);
    SAY (zmq_msg_close (&first));
    SAY (count);
    /* What waits for somebody to come is not given back. */
    void *waits = open_socket (ZMQ_DEALER), *pair = open_socket (ZMQ_PAIR), *peer = open_socket (ZMQ_PAIR);
    SAY (zmq_connect (waits, "inproc://later"));
    SAY (zmq_msg_init_data (&second, malloc (3), 3, freed, &count));
    SAY (zmq_msg_send (&second, waits, 0));
    SAY (count);
    join (pair, peer, "tcp://127.0.0.1:*");
    SAY (zmq_msg_init_data (&second, malloc (100000), 100000, freed, &count));
    SAY (zmq_msg_send (&second, pair, ZMQ_SNDMORE));
    SAY (zmq_msg_size (&second));
    SAY (zmq_msg_init_size (&first, 3));
    memcpy (zmq_msg_data (&first), "end", 3);
    SAY (zmq_sendmsg (pair, &first, 0));
    SAY (zmq_msg_recv (&first, peer, 0));
    SAY (zmq_msg_more (&first));
    printf ("%s %s\n", zmq_msg_gets (&first, "Socket-Type"), zmq_msg_gets (&first, "Peer-Address"));
    SAY (zmq_msg_gets (&first, "User-Id") == NULL);
    SAY (zmq_recvmsg (peer, &first, 0));
    SAY (zmq_msg_more (&first));
    printf ("%.*s\n", (int) zmq_msg_size (&first), (char *) zmq_msg_data (&first));
    struct iovec parts[3] = {{"one", 3}, {"two", 3}, {"three", 5}}, got[3];
    size_t parts_count = 3;
    SAY (zmq_sendiov (pair, parts, 3, ZMQ_SNDMORE));
    SAY (zmq_recviov (peer, got, &parts_count, 0));
    for (size_t index = 0; index < parts_count; index++) {
        printf ("%.*s\n", (int) got[index].iov_len, (char *) got[index].iov_base);
        free (got[index].iov_base);
    }
    SAY (zmq_msg_close (&first));
    SAY (zmq_msg_close (&second));
    close_all (3, waits, pair, peer);
}

static void polls (void)
{
    SECTION ("polls");
    void *pair = open_socket (ZMQ_PAIR), *peer = open_socket (ZMQ_PAIR);
    int ends[2];
    if (pipe (ends))
        exit (1);
    join (pair, peer, "inproc://polls");
    zmq_pollitem_t items[] = {
        {pair, 0, ZMQ_POLLIN, 0}, {NULL, ends[0], ZMQ_POLLIN, 0}, {NULL, ends[1], ZMQ_POLLOUT, 0}};
    SAY (zmq_poll (items, -1, 0));
    SAY (zmq_poll (NULL, 1, 0));
    SAY (zmq_poll (NULL, 0, 10));
    SAY (zmq_poll (items, 2, 0));
    SAY (zmq_poll (items, 2, 20));
    SAY (zmq_poll (items, 3, -1));
    printf ("%d %d %d\n", items[0].revents, items[1].revents, items[2].revents);
    SAY (zmq_send (peer, "x", 1, 0));
    SAY (zmq_poll (items, 2, -1));
    printf ("%d %d\n", items[0].revents, items[1].revents);
    SAY (write (ends[1], "x", 1));
    SAY (zmq_poll (items, 2, -1));
    printf ("%d %d\n", items[0].revents, items[1].revents);
    items[0].events = ZMQ_POLLIN | ZMQ_POLLOUT;
    SAY (zmq_poll (items, 1, -1));
    printf ("%d\n", items[0].revents);
    say_received (pair);
    /* The descriptor tells that something has come. */
    int fd = get_int (pair, ZMQ_FD);
    SAY (get_int (pair, ZMQ_EVENTS));
    SAY (zmq_send (peer, "y", 1, 0));
    struct pollfd polled = {fd, POLLIN, 0};
    SAY (poll (&polled, 1, WAIT_MS));
    SAY (get_int (pair, ZMQ_EVENTS));
    SAY (poll (&polled, 1, 0));
    say_received (pair);
    SAY (get_int (pair, ZMQ_EVENTS));
    /* Also of what has come before anybody watches it. */
    void *late = open_socket (ZMQ_PAIR), *early = open_socket (ZMQ_PAIR);
    join (late, early, "inproc://late");
    SAY (zmq_send (early, "z", 1, 0));
    polled.fd = get_int (late, ZMQ_FD);
    SAY (poll (&polled, 1, WAIT_MS));
    SAY (get_int (late, ZMQ_EVENTS));
    SAY (poll (&polled, 1, 0));
    say_received (late);
    close_all (4, pair, peer, late, early);
}

static void noted (int number)
{
    (void) number;
}

static void interrupted (void)
{
    SECTION ("interrupted");
    void *pull = open_socket (ZMQ_PULL);
    struct sigaction action = {.sa_handler = noted};
    sigaction (SIGALRM, &action, NULL);
    struct itimerval soon = {.it_value = {0, 20000}};
    setitimer (ITIMER_REAL, &soon, NULL);
    SAY (zmq_recv (pull, NULL, 0, 0));
    zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0};
    setitimer (ITIMER_REAL, &soon, NULL);
    SAY (zmq_poll (&item, 1, -1));
    close_all (1, pull);
}

static void topics (void)
{
    SECTION ("topics");
    void *xpub = open_socket (ZMQ_XPUB), *sub = open_socket (ZMQ_SUB);
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    join (xpub, sub, "tcp://127.0.0.1:*");
    char buffer[8];
    SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
    printf ("%d %c\n", buffer[0], buffer[1]);
    SAY (zmq_send (xpub, "b", 1, 0));
    SAY (zmq_send (xpub, "a1", 2, ZMQ_SNDMORE));
    SAY (zmq_send (xpub, "body", 4, 0));
    say_received (sub);
    say_received (sub);
    SAY (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "a", 1));
    SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
    printf ("%d %c\n", buffer[0], buffer[1]);
    SAY (get_int (xpub, ZMQ_EVENTS));
    close_all (2, xpub, sub);
}

/* Says the events that are waited for, up to one. */
static void say_events (void *monitor, int last)
{
    for (int event = 0; event != last;) {
        unsigned char head[6];
        char address[256];
        if (zmq_recv (monitor, head, sizeof head, 0) != 6) {
            printf ("no event: %s\n", name_of (zmq_errno ()));
            return;
        }
        int more = get_int (monitor, ZMQ_RCVMORE);
        int size = zmq_recv (monitor, address, sizeof address, 0);
        uint16_t number;
        memcpy (&number, head, 2);
        event = number;
        printf ("event %#x, more %d, address %s\n", event, more, size > 10 && !strncmp (address, "tcp://127", 9) ? "tcp" : "");
    }
}

static void streams (void)
{
    SECTION ("streams");
    void *stream = open_socket (ZMQ_STREAM), *other = open_socket (ZMQ_STREAM);
    SAY (zmq_setsockopt (other, ZMQ_CONNECT_ROUTING_ID, "far", 3));
    join (stream, other, "tcp://127.0.0.1:*");
    char id[16];
    int size = zmq_recv (stream, id, sizeof id, 0);
    printf ("%d %d\n", size, id[0]);
    say_received (stream);
    say_received (other);
    say_received (other);
    SAY (zmq_send (stream, id, size, ZMQ_SNDMORE));
    SAY (zmq_send (stream, "bytes", 5, ZMQ_SNDMORE));
    say_received (other);
    say_received (other);
    SAY (zmq_send (other, "nobody", 6, ZMQ_SNDMORE));
    SAY (zmq_send (other, "far", 3, ZMQ_SNDMORE));
    SAY (zmq_send (other, "back", 4, 0));
    SAY (zmq_recv (stream, id, sizeof id, 0));
    say_received (stream);
    SAY (get_int (stream, ZMQ_EVENTS));
    close_all (2, stream, other);
}

static void monitors (void)
{
    SECTION ("monitors");
    void *rep = open_socket (ZMQ_REP), *req = open_socket (ZMQ_REQ);
    void *of_rep = open_socket (ZMQ_PAIR), *of_req = open_socket (ZMQ_PAIR);
    SAY (zmq_socket_monitor (rep, "tcp://127.0.0.1:*", ZMQ_EVENT_ALL));
    SAY (zmq_socket_monitor (rep, "inproc://of-rep", ZMQ_EVENT_ALL));
    SAY (zmq_socket_monitor (req, "inproc://of-req", ZMQ_EVENT_ALL));
    SAY (zmq_connect (of_rep, "inproc://of-rep"));
    SAY (zmq_connect (of_req, "inproc://of-req"));
    join (rep, req, "tcp://127.0.0.1:*");
    say_events (of_rep, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    say_events (of_req, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    SAY (zmq_close (req));
    say_events (of_rep, ZMQ_EVENT_DISCONNECTED);
    SAY (zmq_socket_monitor (rep, NULL, 0));
    say_events (of_rep, ZMQ_EVENT_MONITOR_STOPPED);
    close_all (3, rep, of_rep, of_req);
}

static void *run_proxy (void *ends)
{
    void **sockets = ends;
    return zmq_proxy_steerable (sockets[0], sockets[1], NULL, sockets[2]) ? sockets : NULL;
}

static void proxies (void)
{
    SECTION ("proxies");
    void *ends[] = {open_socket (ZMQ_ROUTER), open_socket (ZMQ_DEALER), open_socket (ZMQ_PAIR)};
    void *req = open_socket (ZMQ_REQ), *rep = open_socket (ZMQ_REP), *control = open_socket (ZMQ_PAIR);
    join (ends[0], req, "tcp://127.0.0.1:*");
    join (ends[1], rep, "inproc://back");
    join (ends[2], control, "inproc://control");
    pthread_t thread;
    pthread_create (&thread, NULL, run_proxy, ends);
    for (int index = 0; index < 3; index++) {
        zmq_send (req, "question", 8, ZMQ_SNDMORE);
        zmq_send (req, "", 0, 0);
        say_received (rep);
        say_received (rep);
        zmq_send (rep, "answer", 6, 0);
        say_received (req);
    }
    SAY (zmq_send (control, "TERMINATE", 9, 0));
    void *failed;
    pthread_join (thread, &failed);
    SAY (failed == NULL);
    SAY (zmq_proxy (NULL, ends[1], NULL));
    close_all (6, req, rep, control, ends[0], ends[1], ends[2]);
}

static void fired (int id, void *count)
{
    (void) id;
    ++*(int *) count;
}

static void tools (void)
{
    SECTION ("tools");
    char text[41], public_key[41];
    uint8_t octets[32];
    SAY (zmq_z85_encode (text, (const uint8_t *) "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B", 8) == text);
    printf ("%s\n", text);
    SAY (zmq_z85_decode (octets, text) == octets);
    printf ("%02x %02x\n", octets[0], octets[7]);
    SAY (zmq_z85_encode (text, octets, 7) == NULL);
    SAY (zmq_z85_decode (octets, "1234") == NULL);
    SAY (zmq_curve_public (public_key, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"));
    printf ("%s\n", public_key);
    SAY (zmq_curve_keypair (public_key, text));
    printf ("%zu %zu\n", strlen (public_key), strlen (text));
    void *counter = zmq_atomic_counter_new ();
    zmq_atomic_counter_set (counter, 1);
    SAY (zmq_atomic_counter_inc (counter));
    SAY (zmq_atomic_counter_value (counter));
    SAY (zmq_atomic_counter_dec (counter));
    SAY (zmq_atomic_counter_dec (counter));
    zmq_atomic_counter_destroy (&counter);
    SAY (counter == NULL);
    int count = 0;
    void *timers = zmq_timers_new ();
    SAY (zmq_timers_timeout (timers));
    int id = zmq_timers_add (timers, 5, fired, &count);
    SAY (id);
    SAY (zmq_timers_execute (timers));
    SAY (count);
    SAY (zmq_timers_cancel (timers, 77));
    while (!count) {
        usleep (1000);
        zmq_timers_execute (timers);
    }
    SAY (count > 0);
    SAY (zmq_timers_set_interval (timers, id, 100000));
    SAY (zmq_timers_timeout (timers) > 90000);
    SAY (zmq_timers_reset (timers, id));
    SAY (zmq_timers_cancel (timers, id));
    SAY (zmq_timers_timeout (timers));
    SAY (zmq_timers_destroy (&timers));
    void *watch = zmq_stopwatch_start ();
    usleep (1000);
    SAY (zmq_stopwatch_intermediate (watch) >= 1000);
    SAY (zmq_stopwatch_stop (watch) >= 1000);
}

static void *wait_for_the_end (void *socket)
{
    printf ("blocked: %d %s\n", zmq_recv (socket, NULL, 0, 0), name_of (zmq_errno ()));
    SAY (get_int (socket, ZMQ_EVENTS));
    SAY (zmq_send (socket, "x", 1, 0));
    SAY (zmq_close (socket));
    return NULL;
}

static void ends (void)
{
    SECTION ("ends");
    void *pair = open_socket (ZMQ_PAIR);
    zmq_setsockopt (pair, ZMQ_RCVTIMEO, &(int){-1}, sizeof (int));
    pthread_t thread;
    pthread_create (&thread, NULL, wait_for_the_end, pair);
    usleep (20000);
    int ended = zmq_ctx_term (context);
    pthread_join (thread, NULL);
    printf ("ended: %d\n", ended);
    context = zmq_ctx_new ();
    SAY (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 2));
    void *first = open_socket (ZMQ_PUSH), *second = open_socket (ZMQ_PULL);
    SAY (zmq_socket (context, ZMQ_PULL) == NULL);
    say ("too many", -1);
    /* What was sent before the end arrives. */
    set_int (first, ZMQ_LINGER, -1);
    join (second, first, "tcp://127.0.0.1:*");
    zmq_send (first, "last words", 10, 0);
    SAY (zmq_close (first));
    say_received (second);
    SAY (zmq_ctx_shutdown (context));
    SAY (zmq_recv (second, NULL, 0, 0));
    SAY (zmq_socket (context, ZMQ_PULL) == NULL);
    say ("after the end", -1);
    SAY (zmq_close (second));
    SAY (zmq_ctx_term (context));
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    context = zmq_ctx_new ();
    basics ();
    options_of_types ();
    endpoints ();
    turns ("tcp://127.0.0.1:*");
    turns ("inproc://turns");
    one_way ();
    unroutable ();
    messages ();
    polls ();
    interrupted ();
    topics ();
    streams ();
    monitors ();
    proxies ();
    tools ();
    ends ();
    say_library ();
    return 0;
}
