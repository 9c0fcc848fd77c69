/* What the programs here have in common: calls, and what comes of them as lines. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zmq.h>

/* Never waited out when all is well. */
#define WAIT_MS 60000

static void *context;

static inline const char *name_of (int number)
{
    switch (number) {
        case 0: return "0";
        case EAGAIN: return "EAGAIN";
        case EADDRINUSE: return "EADDRINUSE";
        case EFAULT: return "EFAULT";
        case EFSM: return "EFSM";
        case EHOSTUNREACH: return "EHOSTUNREACH";
        case EINTR: return "EINTR";
        case EINVAL: return "EINVAL";
        case EMFILE: return "EMFILE";
        case ENAMETOOLONG: return "ENAMETOOLONG";
        case ENOCOMPATPROTO: return "ENOCOMPATPROTO";
        case ENOENT: return "ENOENT";
        case ENOMEM: return "ENOMEM";
        case ENOTSOCK: return "ENOTSOCK";
        case ENOTSUP: return "ENOTSUP";
        case EPROTONOSUPPORT: return "EPROTONOSUPPORT";
        case ETERM: return "ETERM";
        default: return "another";
    }
}

/* What a call has come to. */
static inline void say (const char *what, long result)
{
    if (result < 0)
        printf ("%s: %ld %s\n", what, result, name_of (zmq_errno ()));
    else
        printf ("%s: %ld\n", what, result);
}

#define SAY(call) say (#call, (long) (call))
#define SECTION(name) printf ("== %s\n", name)

static inline void *open_socket (int type)
{
    int wait = WAIT_MS, linger = 0;
    void *socket = zmq_socket (context, type);
    if (!socket) {
        printf ("zmq_socket: %s\n", name_of (zmq_errno ()));
        exit (1);
    }
    zmq_setsockopt (socket, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_setsockopt (socket, ZMQ_SNDTIMEO, &wait, sizeof wait);
    zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

static inline int set_int (void *socket, int option, int value)
{
    return zmq_setsockopt (socket, option, &value, sizeof value);
}

static inline int get_int (void *socket, int option)
{
    int value = -77;
    size_t size = sizeof value;
    return zmq_getsockopt (socket, option, &value, &size) ? -1 : value;
}

static inline const char *endpoint_of (void *socket)
{
    static char text[256];
    size_t size = sizeof text;
    zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, text, &size);
    return text;
}

/* Two sockets over a transport, where the first has bound. */
static inline void join (void *bound, void *connected, const char *endpoint)
{
    if (zmq_bind (bound, endpoint) || zmq_connect (connected, endpoint_of (bound))) {
        printf ("cannot join at %s: %s\n", endpoint, name_of (zmq_errno ()));
        exit (1);
    }
}

static inline void say_received (void *socket)
{
    char buffer[64];
    int size = zmq_recv (socket, buffer, sizeof buffer, 0);
    if (size < 0)
        printf ("received: %s\n", name_of (zmq_errno ()));
    else
        printf ("received: %.*s (%d), more %d\n", size, buffer, size, get_int (socket, ZMQ_RCVMORE));
}

static inline void close_all (int count, ...)
{
    va_list sockets;
    va_start (sockets, count);
    while (count--)
        SAY (zmq_close (va_arg (sockets, void *)));
    va_end (sockets);
}

/* Which library it was, for who swaps them. */
static inline void say_library (void)
{
    Dl_info library;
    if (dladdr ((void *) zmq_ctx_new, &library))
        fprintf (stderr, "%s\n", library.dli_fname);
}
