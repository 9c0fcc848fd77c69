/* The corners of libzmq's interface, as probe.c: what programs rely on without thinking of it. */

#include "say.h"
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/wait.h>

/* What stands in a file of this process behind a name, as a number in base 16. */
static unsigned long status_of (const char *task, const char *name)
{
    char path[300], line[256];
    unsigned long found = 0;
    snprintf (path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *file = fopen (path, "r");
    while (file && fgets (line, sizeof line, file))
        if (!strncmp (line, name, strlen (name)))
            found = strtoul (line + strlen (name), NULL, 16);
    if (file)
        fclose (file);
    return found;
}


static void wait_for_byte (void *pipe_end)
{
    char byte;
    if (read (*(int *) pipe_end, &byte, 1) != 1)
        puts ("the pipe is gone");
}

/* The library's threads take no signals: no handler runs there, and nothing that a peer does ends the program. */
static void signals_of_threads (void)
{
    SECTION ("signals of threads");
    int ends[2];
    if (pipe (ends))
        exit (1);
    void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
    join (pull, push, "tcp://127.0.0.1:*");
    zmq_send (push, "x", 1, 0);
    say_received (pull);
    void *thread = zmq_threadstart (wait_for_byte, &ends[0]);
    char own[32];
    snprintf (own, sizeof own, "%d", (int) getpid ());
    int threads = 0, taking = 0;
    DIR *tasks = opendir ("/proc/self/task");
    for (struct dirent *task; (task = readdir (tasks));) {
        if (task->d_name[0] == '.' || !strcmp (task->d_name, own))
            continue;
        unsigned long blocked = status_of (task->d_name, "SigBlk:");
        int numbers[] = {SIGINT, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD};
        threads++;
        for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++)
            taking += !(blocked >> (numbers[index] - 1) & 1);
    }
    closedir (tasks);
    printf ("threads %d, signals taken %d, own mask %lx\n", threads > 0, taking, status_of (own, "SigBlk:"));
    SAY (write (ends[1], "x", 1));
    zmq_threadclose (thread);
    close (ends[0]);
    close (ends[1]);
    close_all (2, push, pull);
}

/* A child that was forked has none of the threads, whatever they were about to do: it lets go what it inherits, and begins
 * anew. */
static void forked (void)
{
    SECTION ("forked");
    int received = 0, exited = 0;
    for (int round = 0; round < 40; round++) {
        void *pull = open_socket (ZMQ_PULL), *other = open_socket (ZMQ_PUSH);
        join (pull, other, "tcp://127.0.0.1:*");
        usleep (round * 10);
        pid_t child = fork ();
        if (!child) {
            alarm (60);
            int steps = 0;
            steps += zmq_recv (pull, NULL, 0, 0) == -1 && zmq_errno () == EINTR;
            char inherited[256] = "";
            size_t size = sizeof inherited;
            zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, inherited, &size);
            steps += !zmq_close (pull);
            zmq_ctx_term (context);
            void *own = zmq_ctx_new (), *push = zmq_socket (own, ZMQ_PUSH);
            steps += !zmq_connect (push, inherited);
            steps += zmq_send (push, "from the child", 14, 0) == 14;
            steps += !zmq_close (push);
            steps += !zmq_ctx_term (own);
            _exit (steps);
        }
        received += zmq_recv (pull, NULL, 0, 0) == 14;
        int status = 0;
        waitpid (child, &status, 0);
        exited += WIFEXITED (status) && WEXITSTATUS (status) == 6;
        zmq_close (pull);
        zmq_close (other);
    }
    printf ("received %d, exited %d\n", received, exited);
}

/* Who writes to a peer that is just going lives on. */
static void going_peers (void)
{
    SECTION ("going peers");
    static char body[15000];
    char path[] = "/tmp/barid-corners-XXXXXX", endpoint[64];
    if (!mkdtemp (path))
        exit (1);
    snprintf (endpoint, sizeof endpoint, "ipc://%s/socket", path);
    int killed = 0;
    for (int round = 0; round < 30; round++) {
        pid_t child = fork ();
        void *own = zmq_ctx_new ();
        if (!child) {
            alarm (60);
            void *rep = zmq_socket (own, ZMQ_REP);
            zmq_bind (rep, endpoint);
            while (zmq_recv (rep, body, sizeof body, 0) >= 0)
                zmq_send (rep, "", 0, 0);
            _exit (1);
        }
        void *req = zmq_socket (own, ZMQ_REQ);
        set_int (req, ZMQ_LINGER, 0);
        set_int (req, ZMQ_REQ_RELAXED, 1);
        zmq_connect (req, endpoint);
        for (int index = 0; index < 5; index++) {
            zmq_send (req, body, sizeof body, 0);
            zmq_recv (req, NULL, 0, 0);
        }
        kill (child, SIGKILL);
        usleep (round * 10);
        for (int index = 0; index < 12; index++)
            zmq_send (req, body, sizeof body, ZMQ_DONTWAIT);
        zmq_close (req);
        zmq_ctx_term (own);
        int status;
        waitpid (child, &status, 0);
        killed += WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL;
    }
    SAY (killed);
    unlink (endpoint + strlen ("ipc://"));
    rmdir (path);
}

static void *timers;
static int timers_ids[3], timers_calls[3];

/* Whichever comes first ends the others. */
static void only_one (int id, void *place)
{
    ++*(int *) place;
    for (int index = 0; index < 3; index++)
        if (timers_ids[index] != id)
            zmq_timers_cancel (timers, timers_ids[index]);
}

static void canceled_timers (void)
{
    SECTION ("canceled timers");
    timers = zmq_timers_new ();
    for (int index = 0; index < 3; index++)
        timers_ids[index] = zmq_timers_add (timers, 1, only_one, &timers_calls[index]);
    usleep (5000);
    SAY (zmq_timers_execute (timers));
    SAY (timers_calls[0] + timers_calls[1] + timers_calls[2]);
    SAY (zmq_timers_add (timers, 1, NULL, NULL));
    SAY (zmq_timers_set_interval (timers, 99, 1));
    SAY (zmq_timers_reset (timers, 99));
    SAY (zmq_timers_destroy (&timers));
    SAY (zmq_timers_timeout (timers));
    SAY (zmq_timers_destroy (&timers));
}

static void *run_proxy (void *ends)
{
    void **sockets = ends;
    return zmq_proxy_steerable (sockets[0], sockets[1], sockets[3], sockets[2]) ? sockets : NULL;
}

/* What a control socket says and hears. */
static void steered_proxy (void)
{
    SECTION ("steered proxy");
    void *ends[] = {open_socket (ZMQ_ROUTER), open_socket (ZMQ_DEALER), open_socket (ZMQ_REP), open_socket (ZMQ_PUB)};
    void *req = open_socket (ZMQ_REQ), *rep = open_socket (ZMQ_REP), *control = open_socket (ZMQ_REQ);
    join (ends[0], req, "inproc://steered-front");
    join (ends[1], rep, "inproc://steered-back");
    join (ends[2], control, "inproc://steered-control");
    pthread_t thread;
    pthread_create (&thread, NULL, run_proxy, ends);
    for (int index = 0; index < 3; index++) {
        zmq_send (req, "question", 8, ZMQ_SNDMORE);
        zmq_send (req, "more", 4, 0);
        say_received (rep);
        say_received (rep);
        zmq_send (rep, "answer", 6, 0);
        say_received (req);
    }
    SAY (zmq_send (control, "STATISTICS", 10, 0));
    for (int more = 1; more; more = get_int (control, ZMQ_RCVMORE)) {
        uint64_t number = 77;
        int size = zmq_recv (control, &number, sizeof number, 0);
        printf ("%d: %lu\n", size, (unsigned long) number);
        if (size < 0)
            return;
    }
    SAY (zmq_send (control, "TERMINATE", 9, 0));
    void *failed;
    pthread_join (thread, &failed);
    SAY (failed == NULL);
    close_all (7, req, rep, control, ends[0], ends[1], ends[2], ends[3]);
}

static void say_option (void *socket, int option, size_t size)
{
    unsigned char room[64];
    memset (room, 0xee, sizeof room);
    size_t left = size, filled = 0;
    int result = zmq_getsockopt (socket, option, room, &left);
    for (size_t index = 0; index < sizeof room; index++)
        filled += room[index] != 0xee;
    printf ("option %d with room for %zu: ", option, size);
    if (result)
        printf ("%s, %zu, filled %zu\n", name_of (zmq_errno ()), left, filled);
    else
        printf ("%zu, filled %zu\n", left, filled);
}

static void rooms (void)
{
    SECTION ("rooms");
    void *socket = open_socket (ZMQ_DEALER);
    zmq_setsockopt (socket, ZMQ_ROUTING_ID, "me", 2);
    zmq_setsockopt (socket, ZMQ_ZAP_DOMAIN, "there", 5);
    zmq_bind (socket, "inproc://rooms");
    static const int options[] = {ZMQ_LINGER, ZMQ_TYPE, ZMQ_RCVMORE, ZMQ_EVENTS, ZMQ_THREAD_SAFE, ZMQ_AFFINITY, ZMQ_MAXMSGSIZE,
                                  ZMQ_ROUTING_ID, ZMQ_ZAP_DOMAIN, ZMQ_LAST_ENDPOINT, ZMQ_PLAIN_USERNAME, ZMQ_SOCKS_PROXY,
                                  ZMQ_CURVE_PUBLICKEY, ZMQ_FD, ZMQ_RATE};
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 6, 8, 12, 15, 16, 32, 33, 40, 41, 64};
    for (size_t option = 0; option < sizeof options / sizeof *options; option++)
        for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++)
            say_option (socket, options[option], sizes[size]);
    close_all (1, socket);
}

/* What is on is any number for some, and one for others. */
static void flags (void)
{
    SECTION ("flags");
    static const int options[][2] = {
        {ZMQ_REQ, ZMQ_REQ_RELAXED}, {ZMQ_REQ, ZMQ_REQ_CORRELATE}, {ZMQ_ROUTER, ZMQ_ROUTER_MANDATORY},
        {ZMQ_ROUTER, ZMQ_ROUTER_HANDOVER}, {ZMQ_DEALER, ZMQ_PROBE_ROUTER}, {ZMQ_ROUTER, ZMQ_PROBE_ROUTER},
        {ZMQ_XPUB, ZMQ_XPUB_VERBOSE}, {ZMQ_XPUB, ZMQ_XPUB_VERBOSER}, {ZMQ_XPUB, ZMQ_XPUB_MANUAL}, {ZMQ_XPUB, ZMQ_XPUB_NODROP},
        {ZMQ_STREAM, ZMQ_STREAM_NOTIFY}, {ZMQ_SUB, ZMQ_CONFLATE}, {ZMQ_SUB, ZMQ_IPV6}, {ZMQ_SUB, ZMQ_IMMEDIATE},
        {ZMQ_SUB, 93}, {ZMQ_SUB, ZMQ_PLAIN_SERVER}, {ZMQ_SUB, ZMQ_CURVE_SERVER}, {ZMQ_SUB, ZMQ_IPV4ONLY}};
    static const int values[] = {-1, 0, 1, 2, 10};
    for (size_t option = 0; option < sizeof options / sizeof *options; option++) {
        void *socket = open_socket (options[option][0]);
        printf ("%d:", options[option][1]);
        for (size_t value = 0; value < sizeof values / sizeof *values; value++)
            printf (" %d", set_int (socket, options[option][1], values[value]));
        printf (" %d\n", zmq_setsockopt (socket, options[option][1], "\1", 1));
        zmq_close (socket);
    }
    SAY (zmq_ctx_set (context, ZMQ_IPV6, 2));
    SAY (zmq_ctx_get (context, ZMQ_IPV6));
    SAY (zmq_ctx_set (context, ZMQ_IPV6, -1));
    SAY (zmq_ctx_set (context, ZMQ_IPV6, 0));
    SAY (zmq_ctx_set (context, ZMQ_BLOCKY, 2));
    SAY (zmq_ctx_get (context, ZMQ_BLOCKY));
    SAY (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, -1));
    SAY (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 1000));
    SAY (zmq_ctx_get (context, ZMQ_MAX_MSGSZ));
    SAY (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 0x7fffffff));
}

static void logins (void)
{
    SECTION ("logins");
    void *socket = open_socket (ZMQ_DEALER);
    static const int options[] = {ZMQ_PLAIN_USERNAME, ZMQ_PLAIN_PASSWORD};
    char name[300];
    memset (name, 'n', sizeof name);
    for (size_t index = 0; index < 2; index++) {
        SAY (zmq_setsockopt (socket, options[index], "anna", 4));
        SAY (get_int (socket, ZMQ_MECHANISM));
        SAY (zmq_setsockopt (socket, options[index], "", 0));
        SAY (get_int (socket, ZMQ_MECHANISM));
        SAY (zmq_setsockopt (socket, options[index], NULL, 0));
        SAY (get_int (socket, ZMQ_MECHANISM));
        SAY (zmq_setsockopt (socket, options[index], name, 255));
        SAY (zmq_setsockopt (socket, options[index], name, 256));
        SAY (zmq_setsockopt (socket, options[index], "with\0zero", 9));
        say_option (socket, options[index], 64);
    }
    SAY (set_int (socket, ZMQ_PLAIN_SERVER, 1));
    SAY (get_int (socket, ZMQ_PLAIN_SERVER));
    SAY (set_int (socket, ZMQ_CURVE_SERVER, 0));
    SAY (get_int (socket, ZMQ_MECHANISM));
    close_all (1, socket);
}

static void names_of_endpoints (void)
{
    SECTION ("names of endpoints");
    void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
    SAY (zmq_bind (pull, "tcp://127.0.0.1:*"));
    SAY (zmq_unbind (pull, "tcp://127.0.0.1:*"));
    SAY (zmq_unbind (pull, endpoint_of (pull)));
    SAY (zmq_bind (pull, "ipc://*"));
    SAY (zmq_unbind (pull, "ipc://*"));
    SAY (zmq_unbind (pull, endpoint_of (pull)));
    static const char *wrong[] = {"tcp://in valid:1", "tcp://in/valid:1", "tcp://in,valid:1", "tcp://127.0.0.1:*", "tcp://127.0.0.1",
                                  "tcp://a?b:1"};
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
        printf ("%s ", wrong[index]);
        SAY (zmq_connect (push, wrong[index]));
    }
    /* The name of a file is free as soon as its socket has closed. */
    char path[] = "/tmp/barid-corners-XXXXXX", text[64];
    if (!mkdtemp (path))
        exit (1);
    snprintf (text, sizeof text, "ipc://%s/socket", path);
    for (int index = 0; index < 20; index++) {
        void *again = open_socket (ZMQ_PULL);
        if (zmq_bind (again, text))
            printf ("round %d: %s\n", index, name_of (zmq_errno ()));
        zmq_close (again);
    }
    close_all (2, pull, push);
    usleep (20000);
    rmdir (path);
}

static void parts (void)
{
    SECTION ("parts");
    void *pair = open_socket (ZMQ_PAIR), *peer = open_socket (ZMQ_PAIR);
    join (pair, peer, "inproc://parts");
    struct iovec got[3];
    size_t count = 3;
    SAY (zmq_recviov (pair, got, &count, ZMQ_DONTWAIT));
    SAY (count);
    SAY (zmq_recviov (pair, got, &count, ZMQ_DONTWAIT));
    SAY (zmq_sendiov (peer, got, 0, 0));
    SAY (zmq_sendiov (peer, NULL, 1, 0));
    SAY (zmq_send (peer, "a", 1, ZMQ_SNDMORE));
    SAY (zmq_send (peer, "b", 1, ZMQ_SNDMORE));
    /* Nothing of it is there before its end. */
    SAY (zmq_recv (pair, NULL, 0, ZMQ_DONTWAIT));
    SAY (get_int (pair, ZMQ_EVENTS));
    SAY (zmq_send (peer, "c", 1, 0));
    count = 2;
    SAY (zmq_recviov (pair, got, &count, 0));
    SAY (count);
    SAY (get_int (pair, ZMQ_RCVMORE));
    SAY (get_int (pair, ZMQ_EVENTS));
    free (got[0].iov_base);
    free (got[1].iov_base);
    say_received (pair);
    /* What was begun is gone with its socket. */
    SAY (zmq_send (peer, "begun", 5, ZMQ_SNDMORE));
    SAY (zmq_close (peer));
    SAY (zmq_recv (pair, NULL, 0, ZMQ_DONTWAIT));
    close_all (1, pair);
}

static void again_and_again (void)
{
    SECTION ("again and again");
    void *xpub = open_socket (ZMQ_XPUB), *sub = open_socket (ZMQ_SUB);
    join (xpub, sub, "inproc://again");
    char buffer[8];
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    SAY (zmq_recv (xpub, buffer, sizeof buffer, ZMQ_DONTWAIT));
    SAY (set_int (xpub, ZMQ_XPUB_VERBOSE, 1));
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1));
    SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
    printf ("%d %c\n", buffer[0], buffer[1]);
    for (int index = 0; index < 3; index++) {
        SAY (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "a", 1));
        SAY (zmq_recv (xpub, buffer, sizeof buffer, ZMQ_DONTWAIT));
    }
    SAY (set_int (xpub, ZMQ_XPUB_VERBOSER, 1));
    SAY (set_int (xpub, ZMQ_XPUB_VERBOSER, 0));
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "b", 1));
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "b", 1));
    SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
    SAY (zmq_recv (xpub, buffer, sizeof buffer, ZMQ_DONTWAIT));
    close_all (2, xpub, sub);
}

/* How many messages go out before one would have to wait. */
static int room_of (void *socket)
{
    int count = 0;
    while (zmq_send (socket, "x", 1, ZMQ_DONTWAIT) == 1)
        count++;
    return count;
}

static int drained (void *socket)
{
    int count = 0;
    while (zmq_recv (socket, NULL, 0, ZMQ_DONTWAIT) == 1)
        count++;
    return count;
}

/* Limits change for who is connected, too, and are those of both sides, whoever is there first. */
static void limits (void)
{
    SECTION ("limits");
    for (int first = 0; first < 2; first++) {
        void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
        char endpoint[64];
        snprintf (endpoint, sizeof endpoint, "inproc://limits-%d", first);
        set_int (push, ZMQ_SNDHWM, 3);
        set_int (pull, ZMQ_RCVHWM, 4);
        SAY (first ? zmq_bind (pull, endpoint) : zmq_connect (push, endpoint));
        SAY (first ? zmq_connect (push, endpoint) : zmq_bind (pull, endpoint));
        SAY (room_of (push));
        SAY (drained (pull));
        close_all (2, pull, push);
    }
    void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
    set_int (push, ZMQ_SNDHWM, 5);
    SAY (zmq_bind (push, "tcp://127.0.0.1:*"));
    SAY (zmq_connect (pull, endpoint_of (push)));
    zmq_send (push, "x", 1, 0);
    say_received (pull);
    SAY (set_int (push, ZMQ_SNDHWM, 0));
    int count = 0;
    while (count < 5000 && zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        count++;
    SAY (count);
    for (int index = 0; index < count; index++)
        if (zmq_recv (pull, NULL, 0, 0) != 1)
            puts ("something is lost");
    close_all (2, pull, push);
}

/* Whom a STREAM has connected to, and where that is. */
static void stream_names (void)
{
    SECTION ("stream names");
    void *stream = open_socket (ZMQ_STREAM), *other = open_socket (ZMQ_STREAM);
    unsigned char name[256], again[256];
    size_t size = sizeof name, size_again = sizeof again;
    SAY (zmq_getsockopt (other, ZMQ_ROUTING_ID, name, &size));
    SAY (size);
    join (stream, other, "tcp://127.0.0.1:*");
    size = sizeof name;
    SAY (zmq_getsockopt (other, ZMQ_ROUTING_ID, name, &size));
    printf ("%zu, first %d\n", size, name[0]);
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    SAY (zmq_msg_recv (&msg, stream, 0));
    printf ("from %s\n", zmq_msg_gets (&msg, "Peer-Address"));
    SAY (zmq_getsockopt (stream, ZMQ_ROUTING_ID, again, &size_again));
    SAY (size_again == zmq_msg_size (&msg) && !memcmp (again, zmq_msg_data (&msg), size_again));
    SAY (zmq_msg_recv (&msg, stream, 0));
    SAY (zmq_msg_recv (&msg, other, 0));
    SAY (size == zmq_msg_size (&msg) && !memcmp (name, zmq_msg_data (&msg), size));
    printf ("from %s\n", zmq_msg_gets (&msg, "Peer-Address"));
    SAY (zmq_msg_recv (&msg, other, 0));
    SAY (zmq_send (other, name, size, ZMQ_SNDMORE));
    SAY (zmq_send (other, "bytes", 5, 0));
    SAY (zmq_msg_recv (&msg, stream, 0));
    say_received (stream);
    zmq_msg_close (&msg);
    close_all (2, stream, other);
}

static void every_end (void)
{
    SECTION ("every end");
    void *xpub = open_socket (ZMQ_XPUB), *subs[] = {open_socket (ZMQ_SUB), open_socket (ZMQ_SUB)};
    char buffer[8];
    SAY (set_int (xpub, ZMQ_XPUB_MANUAL, 1));
    SAY (zmq_bind (xpub, "tcp://127.0.0.1:*"));
    for (int index = 0; index < 2; index++) {
        zmq_connect (subs[index], endpoint_of (xpub));
        SAY (zmq_setsockopt (subs[index], ZMQ_SUBSCRIBE, "a", 1));
        SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
        SAY (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "A", 1));
    }
    for (int index = 0; index < 2; index++) {
        zmq_close (subs[index]);
        SAY (zmq_recv (xpub, buffer, sizeof buffer, 0));
        printf ("%d %c\n", buffer[0], buffer[1]);
        /* Nobody is there who would get it. */
        SAY (zmq_setsockopt (xpub, ZMQ_SUBSCRIBE, "B", 1));
    }
    close_all (1, xpub);
}

/* What was sent before somebody was there is there for who comes, though its sender has gone. */
static void gone_early (void)
{
    SECTION ("gone early");
    void *push = open_socket (ZMQ_PUSH), *pull = open_socket (ZMQ_PULL);
    set_int (push, ZMQ_LINGER, -1);
    SAY (zmq_connect (push, "inproc://gone-early"));
    SAY (zmq_send (push, "first", 5, 0));
    SAY (zmq_send (push, "other", 5, 0));
    SAY (zmq_close (push));
    SAY (zmq_bind (pull, "inproc://gone-early"));
    say_received (pull);
    say_received (pull);
    SAY (zmq_recv (pull, NULL, 0, ZMQ_DONTWAIT));
    close_all (1, pull);
}

/* Says the events of a monitor up to one. */
static void say_events (void *monitor, int last)
{
    for (int event = 0; event != last;) {
        unsigned char head[6];
        uint16_t number;
        if (zmq_recv (monitor, head, sizeof head, 0) != 6) {
            printf ("no event: %s\n", name_of (zmq_errno ()));
            return;
        }
        zmq_recv (monitor, NULL, 0, 0);
        memcpy (&number, head, 2);
        event = number;
        printf ("event %#x\n", event);
    }
}

static void ends_of_connections (void)
{
    SECTION ("ends of connections");
    void *stream = open_socket (ZMQ_STREAM), *dealer = open_socket (ZMQ_DEALER), *pull = open_socket (ZMQ_PULL);
    void *monitor = open_socket (ZMQ_PAIR), *of_pull = open_socket (ZMQ_PAIR);
    /* Hands that are not shaken in time. */
    SAY (set_int (dealer, ZMQ_HANDSHAKE_IVL, 50));
    SAY (set_int (dealer, ZMQ_RECONNECT_IVL, 60000));
    SAY (zmq_socket_monitor (dealer, "inproc://of-dealer", ZMQ_EVENT_ALL));
    SAY (zmq_connect (monitor, "inproc://of-dealer"));
    join (stream, dealer, "tcp://127.0.0.1:*");
    say_events (monitor, ZMQ_EVENT_CONNECT_RETRIED);
    SAY (zmq_close (dealer));
    /* Who stops to listen says so. */
    SAY (zmq_socket_monitor (pull, "inproc://of-pull", ZMQ_EVENT_ALL));
    SAY (zmq_connect (of_pull, "inproc://of-pull"));
    SAY (zmq_bind (pull, "tcp://127.0.0.1:*"));
    SAY (zmq_unbind (pull, endpoint_of (pull)));
    say_events (of_pull, ZMQ_EVENT_CLOSED);
    SAY (zmq_bind (pull, "tcp://127.0.0.1:*"));
    SAY (zmq_close (pull));
    say_events (of_pull, ZMQ_EVENT_MONITOR_STOPPED);
    close_all (3, stream, monitor, of_pull);
}

static void names_alone (void)
{
    SECTION ("names alone");
    void *router = open_socket (ZMQ_ROUTER);
    SAY (zmq_bind (router, "inproc://names-alone"));
    SAY (set_int (router, ZMQ_ROUTER_MANDATORY, 1));
    SAY (zmq_send (router, "nobody", 6, 0));
    SAY (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    printf ("%s; %s; %s\n", zmq_strerror (EHOSTUNREACH), zmq_strerror (EAGAIN), zmq_strerror (ENOCOMPATPROTO));
    close_all (1, router);
}

static void noted (int number)
{
    (void) number;
}

static void say_interrupted (const char *what, int result)
{
    printf ("%s: %d %s\n", what, result, result < 0 ? name_of (zmq_errno ()) : "");
}

/* However long it would wait. */
static void waits (void)
{
    SECTION ("waits");
    void *pull = open_socket (ZMQ_PULL), *push = open_socket (ZMQ_PUSH);
    struct sigaction action = {.sa_handler = noted, .sa_flags = SA_RESTART};
    sigaction (SIGALRM, &action, NULL);
    struct itimerval soon = {.it_value = {0, 20000}};
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {NULL, -1, ZMQ_POLLIN, 0}, {push, 0, 0, 0}};
    set_int (pull, ZMQ_RCVTIMEO, 0x7fffffff);
    set_int (push, ZMQ_SNDTIMEO, 0x7fffffff);
    setitimer (ITIMER_REAL, &soon, NULL);
    say_interrupted ("recv", zmq_recv (pull, NULL, 0, 0));
    setitimer (ITIMER_REAL, &soon, NULL);
    say_interrupted ("send", zmq_send (push, "x", 1, 0));
    setitimer (ITIMER_REAL, &soon, NULL);
    say_interrupted ("poll", zmq_poll (items, 3, 0x7fffffffL));
    setitimer (ITIMER_REAL, &soon, NULL);
    say_interrupted ("poll for ever", zmq_poll (items, 3, -1));
    int ends[2];
    if (pipe (ends))
        exit (1);
    zmq_pollitem_t closed[] = {{NULL, ends[0], ZMQ_POLLIN, 0}, {NULL, ends[1], ZMQ_POLLIN, 0}, {pull, 0, ZMQ_POLLIN, 77}};
    close (ends[1]);
    SAY (zmq_poll (closed, 3, -1));
    printf ("%d %d %d\n", closed[0].revents, closed[1].revents, closed[2].revents);
    close (ends[0]);
    set_int (pull, ZMQ_RCVTIMEO, 0);
    set_int (push, ZMQ_SNDTIMEO, 0);
    SAY (zmq_recv (pull, NULL, 0, 0));
    SAY (zmq_send (push, "x", 1, 0));
    char memory[256] = {0};
    zmq_pollitem_t wrong = {memory, 0, ZMQ_POLLIN, 0};
    SAY (zmq_poll (&wrong, 1, 0));
    close_all (2, pull, push);
}

static void wrong_messages (void)
{
    SECTION ("wrong messages");
    void *pair = open_socket (ZMQ_PAIR);
    zmq_msg_t none, msg;
    memset (&none, 0, sizeof none);
    SAY (zmq_msg_init (&msg));
    SAY (zmq_msg_init_size (&none, (size_t) -1 / 4));
    memset (&none, 0, sizeof none);
    SAY (zmq_msg_gets (&msg, "Nothing") == NULL);
    say ("a property that there is not", -1);
    SAY (zmq_msg_close (&none));
    /* One that is sent anew, and one that is received into. */
    void *peer = open_socket (ZMQ_PAIR);
    join (pair, peer, "tcp://127.0.0.1:*");
    for (size_t size = 1; size < 1000000; size *= 9) {
        zmq_msg_close (&msg);
        zmq_msg_init_size (&msg, size);
        memset (zmq_msg_data (&msg), 'a' + size % 10, size);
        SAY (zmq_msg_send (&msg, pair, 0));
        SAY (zmq_msg_size (&msg));
        SAY (zmq_msg_recv (&msg, peer, 0));
        SAY (((char *) zmq_msg_data (&msg))[size - 1]);
        SAY (zmq_msg_send (&msg, peer, 0));
        char room[2] = "..";
        SAY (zmq_recv (pair, room, 1, 0));
        printf ("%.2s\n", room);
    }
    SAY (zmq_msg_close (&msg));
    close_all (2, pair, peer);
}

static void watched (void)
{
    SECTION ("watched");
    void *pull = open_socket (ZMQ_PULL), *other = open_socket (ZMQ_PAIR);
    SAY (zmq_bind (other, "inproc://taken"));
    SAY (zmq_socket_monitor (pull, NULL, 0));
    SAY (zmq_socket_monitor (pull, "inproc://taken", ZMQ_EVENT_ALL));
    SAY (zmq_socket_monitor (pull, "garbage", ZMQ_EVENT_ALL));
    SAY (zmq_socket_monitor (pull, "nothing://here", ZMQ_EVENT_ALL));
    SAY (zmq_socket_monitor (pull, "inproc://first", ZMQ_EVENT_ALL));
    void *monitor = open_socket (ZMQ_PAIR);
    SAY (zmq_connect (monitor, "inproc://first"));
    SAY (zmq_socket_monitor (pull, "inproc://second", ZMQ_EVENT_LISTENING));
    say_events (monitor, ZMQ_EVENT_MONITOR_STOPPED);
    void *again = open_socket (ZMQ_PAIR);
    SAY (zmq_connect (again, "inproc://second"));
    SAY (zmq_bind (pull, "tcp://127.0.0.1:*"));
    say_events (again, ZMQ_EVENT_LISTENING);
    SAY (zmq_socket_monitor (NULL, "inproc://third", ZMQ_EVENT_ALL));
    static const char *schemes[] = {"udp://127.0.0.1:1", "wss://127.0.0.1:1", "TCP://127.0.0.1:1", "://", "a"};
    for (size_t index = 0; index < sizeof schemes / sizeof *schemes; index++) {
        printf ("%s ", schemes[index]);
        SAY (zmq_bind (pull, schemes[index]));
    }
    close_all (4, pull, other, monitor, again);
}

enum { ROUNDS = 2000 };

/* Sleeps on the descriptor alone, which tells once of what is new; asks what that is; and does one thing at a time. */
static void *sleep_on_edges (void *endpoint)
{
    void *dealer = open_socket (ZMQ_DEALER);
    set_int (dealer, ZMQ_SNDHWM, 5);
    set_int (dealer, ZMQ_RCVHWM, 5);
    zmq_connect (dealer, endpoint);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int set = epoll_create1 (0), sent = 0, received = 0;
    epoll_ctl (set, EPOLL_CTL_ADD, get_int (dealer, ZMQ_FD), &event);
    while (sent < ROUNDS || received < ROUNDS) {
        int events = get_int (dealer, ZMQ_EVENTS);
        if (events & ZMQ_POLLIN && zmq_recv (dealer, NULL, 0, ZMQ_DONTWAIT) >= 0)
            received++;
        else if (sent < ROUNDS && events & ZMQ_POLLOUT && zmq_send (dealer, "x", 1, ZMQ_DONTWAIT) == 1)
            sent++;
        else if (epoll_wait (set, &event, 1, WAIT_MS) != 1) {
            printf ("not woken: sent %d, received %d, events %d\n", sent, received, get_int (dealer, ZMQ_EVENTS));
            break;
        }
    }
    close (set);
    zmq_close (dealer);
    return NULL;
}

static void edges (const char *endpoint)
{
    SECTION ("edges");
    void *router = open_socket (ZMQ_ROUTER);
    char name[32], bound[256];
    set_int (router, ZMQ_ROUTER_MANDATORY, 1);
    set_int (router, ZMQ_SNDHWM, 5);
    set_int (router, ZMQ_RCVHWM, 5);
    SAY (zmq_bind (router, endpoint));
    strcpy (bound, endpoint_of (router));
    pthread_t thread;
    pthread_create (&thread, NULL, sleep_on_edges, bound);
    int count = 0;
    while (count < ROUNDS) {
        int size = zmq_recv (router, name, sizeof name, 0);
        if (size < 0 || zmq_recv (router, NULL, 0, 0) != 1 || zmq_send (router, name, size, ZMQ_SNDMORE) != size
            || zmq_send (router, "y", 1, 0) != 1)
            break;
        count++;
    }
    SAY (count);
    pthread_join (thread, NULL);
    close_all (1, router);
}

static void *block (void *socket)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    long errors = 0;
    errors += zmq_poll (&item, 1, -1) == -1 && zmq_errno () == ETERM;
    errors += zmq_recv (socket, NULL, 0, 0) == -1 && zmq_errno () == ETERM;
    errors += get_int (socket, ZMQ_EVENTS) == -1 && zmq_errno () == ETERM;
    errors += set_int (socket, ZMQ_LINGER, 0) == -1 && zmq_errno () == ETERM;
    errors += zmq_connect (socket, "inproc://nobody") == -1 && zmq_errno () == ETERM;
    errors += zmq_close (socket) == 0;
    return (void *) errors;
}

/* Whoever waits hears of the end, and it waits for whoever has a socket. */
static void terminations (void)
{
    SECTION ("terminations");
    static const int types[] = {ZMQ_PULL, ZMQ_SUB, ZMQ_PAIR, ZMQ_DEALER};
    int right = 0;
    for (int round = 0; round < 20; round++) {
        void *own = zmq_ctx_new (), *all = context;
        pthread_t threads[4];
        context = own;
        for (int index = 0; index < 4; index++) {
            void *socket = zmq_socket (own, types[index]);
            if (round % 2)
                zmq_bind (socket, "tcp://127.0.0.1:*");
            pthread_create (&threads[index], NULL, block, socket);
        }
        if (round % 3)
            usleep (1000);
        right += !zmq_ctx_term (own);
        for (int index = 0; index < 4; index++) {
            void *errors;
            pthread_join (threads[index], &errors);
            right += (long) errors == 6;
        }
        context = all;
    }
    SAY (right);
}

static pthread_mutex_t freeing = PTHREAD_MUTEX_INITIALIZER;

static void free_once (void *data, void *counter)
{
    pthread_mutex_lock (&freeing);
    ++*(int *) counter;
    pthread_mutex_unlock (&freeing);
    free (data);
}

/* Memory comes back once, and not after the end, whatever became of the message. */
static void memory_comes_back (const char *endpoint)
{
    SECTION ("memory comes back");
    int counter = 0, given = 0;
    void *own = zmq_ctx_new (), *push = zmq_socket (own, ZMQ_PUSH), *pull = zmq_socket (own, ZMQ_PULL);
    set_int (push, ZMQ_LINGER, 0);
    set_int (pull, ZMQ_RCVHWM, 10);
    join (pull, push, endpoint);
    for (int index = 0; index < 300; index++) {
        size_t size = index % 3 * 30000 + 1;
        zmq_msg_t msg, copy;
        zmq_msg_init_data (&msg, malloc (size), size, free_once, &counter);
        given++;
        zmq_msg_init (&copy);
        zmq_msg_copy (&copy, &msg);
        if (zmq_msg_send (&msg, push, index % 5 ? ZMQ_DONTWAIT : ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
            zmq_msg_close (&msg);
        zmq_msg_close (&copy);
    }
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    for (int index = 0; index < 20; index++)
        zmq_msg_recv (&msg, pull, index ? ZMQ_DONTWAIT : 0);
    zmq_msg_close (&msg);
    zmq_close (push);
    zmq_close (pull);
    SAY (zmq_ctx_term (own));
    SAY (counter == given);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    context = zmq_ctx_new ();
    signals_of_threads ();
    forked ();
    going_peers ();
    canceled_timers ();
    steered_proxy ();
    rooms ();
    flags ();
    logins ();
    names_of_endpoints ();
    parts ();
    again_and_again ();
    limits ();
    stream_names ();
    every_end ();
    gone_early ();
    ends_of_connections ();
    names_alone ();
    waits ();
    wrong_messages ();
    watched ();
    edges ("inproc://edges");
    edges ("tcp://127.0.0.1:*");
    terminations ();
    memory_comes_back ("inproc://memory");
    memory_comes_back ("tcp://127.0.0.1:*");
    SAY (zmq_ctx_term (context));
    say_library ();
    return 0;
}
