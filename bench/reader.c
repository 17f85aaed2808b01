// Holds event streams and counts the events that they receive: every event has one '~'.
// Usage: reader PORT STREAMS PATH [HEADER]; runs until its standard input ends. Prints one line for each of:
//   ready STREAMS             every stream has its response head
//   round K NANOSECONDS       STREAMS more deliveries have come, for the Kth time; CLOCK_MONOTONIC
//   end DELIVERIES BYTES OPENED_AGAIN FEWEST MOST   the last two: deliveries of the stream with the fewest, and with the most
// A stream that is asked to rotate, or ends, is opened again at once. A refused one ends the program.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 256, MOST = 65536 };  // opens that may wait for their heads; streams

static int fds[MOST], poller, size;
static char heard[MOST], request[4096];
static struct sockaddr_in server = {.sin_family = AF_INET};
static uint32_t streams, opened, ready, had[MOST];
static uint64_t delivered, bytes, again, rounds;

static void give_up(const char *what) {
  fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void open_stream(uint32_t i) {
  int fd = fds[i] = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (void *)&server, sizeof server) || write(fd, request, size) != size) give_up("no stream");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  heard[i] = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void open_again(uint32_t i) {
  close(fds[i]);
  open_stream(i);
  again++;
}

static void hear_head(uint32_t i, const char *from, ssize_t length) {
  if (length < 12 || memcmp(from + 8, " 200", 4)) give_up("a stream was refused");
  heard[i] = 1;
  if (ready < streams && ++ready == streams) printf("ready %u\n", streams);
}

static void count(uint32_t i, const char *from, const char *end) {
  while ((from = memchr(from, '~', end - from))) {
    from++;
    had[i]++;
    if (++delivered % streams) continue;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("round %lu %lu\n", ++rounds, now.tv_sec * 1000000000UL + now.tv_nsec);
  }
}

static void read_stream(uint32_t i) {
  static char buffer[1 << 18];
  ssize_t got = read(fds[i], buffer, sizeof buffer);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    open_again(i);
    return;
  }
  bytes += got;
  if (!heard[i]) hear_head(i, buffer, got);
  count(i, buffer, buffer + got);
  if (memmem(buffer, got, "\"rotate\"", 8)) open_again(i);
}

static void print_totals(void) {
  uint32_t least = had[0], most = had[0];
  for (uint32_t i = 1; i < streams; i++) {
    if (had[i] < least) least = had[i];
    if (had[i] > most) most = had[i];
  }
  printf("end %lu %lu %lu %u %u\n", delivered, bytes, again, least, most);
}

int main(int argc, char **argv) {
  if (argc < 4 || (streams = atoi(argv[2])) < 1 || streams > MOST) return 2;
  setlinebuf(stdout);
  server.sin_port = htons(atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAccept: text/event-stream\r\n%s%s\r\n",
                  argv[3], argv[1], argc > 4 ? argv[4] : "", argc > 4 ? "\r\n" : "");
  poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = MOST}, events[512];
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event);
  for (;;) {
    while (opened < streams && opened - ready < AT_ONCE) open_stream(opened++);
    int n = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.u32 == MOST) {
        print_totals();
        return 0;
      }
      read_stream(events[i].data.u32);
    }
  }
}
