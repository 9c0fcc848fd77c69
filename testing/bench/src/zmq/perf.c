/* One party of `bench zmq`, or two in one process, over the C interface of libzmq: of libzmq itself, or of another
 * library that has it. `crates/barid-zmq/examples/perf.rs` is the same in Rust and takes the same arguments:
 *
 *   perf ROLE ENDPOINT SIZE WARM_UP COUNT HWM SOCKETS
 *
 * ROLE is pull, pub or rep, which bind and first print `bound ENDPOINT`; push, sub or req, which connect; or
 * push-pull, pub-sub or req-rep: both, on two threads of one context. A sub has SOCKETS sockets, of which each gets
 * all messages. WARM_UP + COUNT messages go, of SIZE bytes each. Who receives prints what the last COUNT of them
 * took, and everybody the CPU time of the process meanwhile. push, pub and rep stay until their standard input ends:
 *
 *   messages=COUNT elapsed_ns=N cpu_ns=N           pull, sub, push-pull, pub-sub; messages are those of all sockets
 *   messages=COUNT elapsed_ns=N cpu_ns=N p50_ns=N p99_ns=N         req, req-rep: round trips
 *   cpu_ns=N                                       push, pub, rep
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#define SOCKETS_MAX 1000
#define SIZE_MIN 16
#define FILLER 0x5a

struct options {
    const char *endpoint;
    size_t size;
    uint64_t warm_up;
    uint64_t count;
    int hwm;
    int sockets;
};

struct result {
    uint64_t messages;
    uint64_t elapsed_ns;
    uint64_t p50_ns;
    uint64_t p99_ns;
    /* CPU time of the process when the measurement began, and when it ended. */
    uint64_t cpu_from;
    uint64_t cpu_to;
};

struct party {
    const struct options *options;
    const struct role *role;
    void *sockets[SOCKETS_MAX];
    int socket_count;
    struct result result;
};

struct role {
    const char *name;
    int type;
    int binds;
    int measures;
    void (*run)(struct party *);
};

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

/* What the library answers; a negative number is an error. */
static int need(int answer, const char *what)
{
    if (answer < 0)
        fail("%s: %s", what, zmq_strerror(zmq_errno()));
    return answer;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        fail("clock_gettime: %s", strerror(errno));
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static uint64_t total(const struct options *options)
{
    return options->warm_up + options->count;
}

/* A body: a sequence in its first eight bytes, then filler. */
static unsigned char *new_body(const struct options *options)
{
    unsigned char *body = malloc(options->size);
    if (body == NULL)
        fail("no memory");
    memset(body, FILLER, options->size);
    return body;
}

/* Makes a message, copies the body into it, sends it. */
static void send_copy(void *socket, unsigned char *body, size_t size, uint64_t sequence)
{
    zmq_msg_t message;
    memcpy(body, &sequence, sizeof sequence);
    need(zmq_msg_init_size(&message, size), "zmq_msg_init_size");
    memcpy(zmq_msg_data(&message), body, size);
    need(zmq_msg_send(&message, socket, 0), "zmq_msg_send");
}

/* Receives a message and looks at its length, its sequence and its last byte. */
static void receive(void *socket, zmq_msg_t *message, size_t size, uint64_t sequence)
{
    uint64_t got;
    const unsigned char *data;
    need(zmq_msg_recv(message, socket, 0), "zmq_msg_recv");
    if (zmq_msg_size(message) != size)
        fail("a message of %zu bytes instead of %zu", zmq_msg_size(message), size);
    data = zmq_msg_data(message);
    memcpy(&got, data, sizeof got);
    if (got != sequence || data[size - 1] != FILLER)
        fail("message %" PRIu64 " came instead of %" PRIu64, got, sequence);
}

static void run_receiver(struct party *party)
{
    const struct options *options = party->options;
    struct result *result = &party->result;
    zmq_msg_t message;
    uint64_t start = 0;
    zmq_msg_init(&message);
    for (uint64_t sequence = 0; sequence < total(options); sequence++) {
        if (sequence == options->warm_up) {
            result->cpu_from = cpu_ns();
            start = now_ns();
        }
        for (int at = 0; at < party->socket_count; at++)
            receive(party->sockets[at], &message, options->size, sequence);
    }
    result->elapsed_ns = now_ns() - start;
    result->cpu_to = cpu_ns();
    result->messages = options->count * (uint64_t)party->socket_count;
    zmq_msg_close(&message);
}

static void run_sender(struct party *party)
{
    const struct options *options = party->options;
    unsigned char *body = new_body(options);
    for (uint64_t sequence = 0; sequence < total(options); sequence++) {
        if (sequence == options->warm_up)
            party->result.cpu_from = cpu_ns();
        send_copy(party->sockets[0], body, options->size, sequence);
    }
    free(body);
}

/* Waits for all subscriptions, which an XPUB is handed, before it sends. */
static void run_publisher(struct party *party)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    for (int at = 0; at < party->options->sockets; at++)
        need(zmq_msg_recv(&message, party->sockets[0], 0), "zmq_msg_recv");
    zmq_msg_close(&message);
    run_sender(party);
}

/* Sends each request back as it is. */
static void run_replier(struct party *party)
{
    const struct options *options = party->options;
    void *socket = party->sockets[0];
    zmq_msg_t message;
    zmq_msg_init(&message);
    for (uint64_t sequence = 0; sequence < total(options); sequence++) {
        if (sequence == options->warm_up)
            party->result.cpu_from = cpu_ns();
        receive(socket, &message, options->size, sequence);
        need(zmq_msg_send(&message, socket, 0), "zmq_msg_send");
    }
    zmq_msg_close(&message);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void run_requester(struct party *party)
{
    const struct options *options = party->options;
    struct result *result = &party->result;
    void *socket = party->sockets[0];
    unsigned char *body = new_body(options);
    uint64_t *times = calloc(options->count, sizeof *times);
    uint64_t start = 0;
    zmq_msg_t message;
    if (times == NULL)
        fail("no memory");
    zmq_msg_init(&message);
    for (uint64_t sequence = 0; sequence < total(options); sequence++) {
        uint64_t sent = now_ns();
        if (sequence == options->warm_up) {
            result->cpu_from = cpu_ns();
            start = sent;
        }
        send_copy(socket, body, options->size, sequence);
        receive(socket, &message, options->size, sequence);
        if (sequence >= options->warm_up)
            times[sequence - options->warm_up] = now_ns() - sent;
    }
    result->elapsed_ns = now_ns() - start;
    result->cpu_to = cpu_ns();
    result->messages = options->count;
    qsort(times, options->count, sizeof *times, compare);
    result->p50_ns = times[(options->count - 1) / 2];
    result->p99_ns = times[(options->count - 1) * 99 / 100];
    zmq_msg_close(&message);
    free(times);
    free(body);
}

static const struct role ROLES[] = {
    {"pull", ZMQ_PULL, 1, 1, run_receiver},
    {"push", ZMQ_PUSH, 0, 0, run_sender},
    {"pub", ZMQ_XPUB, 1, 0, run_publisher},
    {"sub", ZMQ_SUB, 0, 1, run_receiver},
    {"rep", ZMQ_REP, 1, 0, run_replier},
    {"req", ZMQ_REQ, 0, 1, run_requester},
};

static const struct role *role_of(const char *name, size_t length)
{
    for (size_t at = 0; at < sizeof ROLES / sizeof *ROLES; at++)
        if (strlen(ROLES[at].name) == length && strncmp(ROLES[at].name, name, length) == 0)
            return &ROLES[at];
    fail("no role is called %.*s", (int)length, name);
    return NULL;
}

static void set(void *socket, int option, int value)
{
    need(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

static void *open_socket(void *context, const struct role *role, const struct options *options)
{
    void *socket = zmq_socket(context, role->type);
    if (socket == NULL)
        fail("zmq_socket: %s", zmq_strerror(zmq_errno()));
    set(socket, ZMQ_SNDHWM, options->hwm);
    set(socket, ZMQ_RCVHWM, options->hwm);
    /* Nobody closes before all has arrived. */
    set(socket, ZMQ_LINGER, 0);
    if (role->type == ZMQ_XPUB) {
        set(socket, ZMQ_XPUB_NODROP, 1);
        set(socket, ZMQ_XPUB_VERBOSE, 1);
    }
    if (role->type == ZMQ_SUB)
        need(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), "subscribing");
    if (role->binds)
        need(zmq_bind(socket, options->endpoint), "zmq_bind");
    else
        need(zmq_connect(socket, options->endpoint), "zmq_connect");
    return socket;
}

static struct party *open_party(void *context, const struct role *role, const struct options *options)
{
    struct party *party = calloc(1, sizeof *party);
    if (party == NULL)
        fail("no memory");
    party->options = options;
    party->role = role;
    party->socket_count = role->type == ZMQ_SUB ? options->sockets : 1;
    for (int at = 0; at < party->socket_count; at++)
        party->sockets[at] = open_socket(context, role, options);
    return party;
}

static void close_party(struct party *party)
{
    for (int at = 0; at < party->socket_count; at++)
        need(zmq_close(party->sockets[at]), "zmq_close");
}

static void print_result(const struct result *result)
{
    if (result->messages != 0)
        printf("messages=%" PRIu64 " elapsed_ns=%" PRIu64 " ", result->messages, result->elapsed_ns);
    printf("cpu_ns=%" PRIu64, result->cpu_to - result->cpu_from);
    if (result->p50_ns != 0)
        printf(" p50_ns=%" PRIu64 " p99_ns=%" PRIu64, result->p50_ns, result->p99_ns);
    putchar('\n');
}

static void *run_on_thread(void *party)
{
    ((struct party *)party)->role->run(party);
    return NULL;
}

/* Both roles of one process; who receives tells what it took. */
static void run_both(void *context, const char *names, const struct options *options)
{
    const char *second = strchr(names, '-') + 1;
    struct party *one, *other;
    pthread_t thread;
    const struct role *first_role = role_of(names, (size_t)(second - names) - 1);
    const struct role *second_role = role_of(second, strlen(second));
    const struct role *binder = first_role->binds ? first_role : second_role;
    const struct role *connecter = first_role->binds ? second_role : first_role;
    one = open_party(context, binder, options);
    other = open_party(context, connecter, options);
    if (pthread_create(&thread, NULL, run_on_thread, other) != 0)
        fail("no thread");
    binder->run(one);
    pthread_join(thread, NULL);
    print_result(binder->measures ? &one->result : &other->result);
    close_party(one);
    close_party(other);
    need(zmq_ctx_term(context), "zmq_ctx_term");
}

static void run_one(void *context, const char *name, const struct options *options)
{
    const struct role *role = role_of(name, strlen(name));
    struct party *party = open_party(context, role, options);
    if (role->binds) {
        char bound[256];
        size_t length = sizeof bound;
        need(zmq_getsockopt(party->sockets[0], ZMQ_LAST_ENDPOINT, bound, &length), "ZMQ_LAST_ENDPOINT");
        printf("bound %s\n", bound);
        fflush(stdout);
    }
    role->run(party);
    if (!role->measures) {
        while (getchar() != EOF)
            ;
        party->result.cpu_to = cpu_ns();
    }
    print_result(&party->result);
    close_party(party);
    need(zmq_ctx_term(context), "zmq_ctx_term");
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < least || value > most)
        fail("%s: not a number from %" PRIu64 " to %" PRIu64, text, least, most);
    return value;
}

int main(int count, char **arguments)
{
    struct options options;
    void *context;
    if (count == 2 && strcmp(arguments[1], "version") == 0) {
        int major, minor, patch;
        zmq_version(&major, &minor, &patch);
        printf("%d.%d.%d\n", major, minor, patch);
        return 0;
    }
    if (count != 8)
        fail("perf ROLE ENDPOINT SIZE WARM_UP COUNT HWM SOCKETS");
    options.endpoint = arguments[2];
    options.size = number(arguments[3], SIZE_MIN, 1u << 30);
    options.warm_up = number(arguments[4], 0, UINT64_MAX);
    options.count = number(arguments[5], 1, UINT32_MAX);
    options.hwm = (int)number(arguments[6], 0, INT32_MAX);
    options.sockets = (int)number(arguments[7], 1, SOCKETS_MAX);
    context = zmq_ctx_new();
    if (context == NULL)
        fail("zmq_ctx_new: %s", zmq_strerror(zmq_errno()));
    need(zmq_ctx_set(context, ZMQ_IO_THREADS, 1), "ZMQ_IO_THREADS");
    if (strchr(arguments[1], '-') != NULL)
        run_both(context, arguments[1], &options);
    else
        run_one(context, arguments[1], &options);
    return 0;
}
