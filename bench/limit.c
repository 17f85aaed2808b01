// The least work of one process with many event streams: one thread, one send() for each stream and event.
// GET opens a stream; POST with a Content-Length sends its body to every stream as one message. Usage: limit PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST = 65536, INPUT = 1 << 16 };

struct client {
  int fd, place, have;  // place: its index in streams[], or -1
  char *input;          // what a publisher has sent and we have not handled
};

static struct client clients[MOST], *streams[MOST];
static int held;

static void answer(int fd, const char *head) { send(fd, head, strlen(head), MSG_NOSIGNAL); }

static void hold(struct client *c) {
  answer(c->fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  c->place = held;
  streams[held++] = c;
  free(c->input);
  c->input = NULL;
}

static void leave(struct client *c) {
  if (c->place >= 0) {
    streams[c->place] = streams[--held];
    streams[c->place]->place = c->place;
  }
  free(c->input);
  c->input = NULL;
  close(c->fd);
}

static void tell_all(const char *body, int size) {
  static char frame[INPUT + 16];
  int length = snprintf(frame, sizeof frame, "data: %.*s\n\n", size, body);
  for (int i = 0; i < held; i++) send(streams[i]->fd, frame, length, MSG_NOSIGNAL);
}

// Handles one complete request at the start of the input; returns 0 if there is none yet.
static int serve(struct client *c) {
  c->input[c->have] = 0;
  char *end = strstr(c->input, "\r\n\r\n");
  if (!end) return 0;
  if (c->input[0] == 'G') {
    hold(c);
    return 0;
  }
  char *length = strcasestr(c->input, "content-length:");
  int size = length && length < end ? atoi(length + 15) : 0, whole = end + 4 - c->input + size;
  if (c->have < whole) return 0;
  tell_all(end + 4, size);
  answer(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  memmove(c->input, c->input + whole, c->have -= whole);
  return 1;
}

static void read_from(struct client *c) {
  if (!c->input) {
    c->input = malloc(INPUT + 1);
    c->have = 0;
  }
  ssize_t got = recv(c->fd, c->input + c->have, INPUT - c->have, MSG_DONTWAIT);
  if (got <= 0) {
    leave(c);
    return;
  }
  c->have += got;
  while (c->input && serve(c)) continue;
}

static int listen_on(int port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096)) {
    perror("limit");
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int one = 1, listener = listen_on(atoi(argv[1])), poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr) {
        read_from(events[i].data.ptr);
        continue;
      }
      int fd = accept(listener, NULL, NULL);  // send() may block: a slow client must not lose an event
      if (fd < 0 || fd >= MOST) continue;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      clients[fd] = (struct client){.fd = fd, .place = -1};
      event.data.ptr = &clients[fd];
      epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
  }
}
