// A socket in a folder of its owner's, by which one process asks another of the same user.
#include "cfog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// sun_path holds 107 bytes, a folder's path may be longer: it is named by its descriptor. -1 with errno.
static int open_place(const char *folder, const char *name, struct sockaddr_un *place) {
    int held = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (held < 0) return -1;
    *place = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(place->sun_path, sizeof place->sun_path, "/proc/self/fd/%d/%s", held, name);
    if (length < (int)sizeof place->sun_path) return held;
    close(held);
    errno = ENAMETOOLONG;
    return -1;
}

static int ended(int held, int socket, int failed) {
    int saved = errno;
    close(held);
    if (failed && socket >= 0) close(socket);
    errno = saved;
    return failed ? -1 : socket;
}

int fog_door_listen(const char *folder, const char *name) {
    struct sockaddr_un place;
    int held = open_place(folder, name, &place);
    if (held < 0) return -1;
    int door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // What is there is a former process's. Nobody connects between bind and chmod: nobody listens yet.
    unlink(place.sun_path);
    int failed = door < 0 || bind(door, (struct sockaddr *)&place, sizeof place) || chmod(place.sun_path, 0600) ||
                 listen(door, 128);
    return ended(held, door, failed);
}

int fog_door_connect(const char *folder, const char *name) {
    struct sockaddr_un place;
    int held = open_place(folder, name, &place);
    if (held < 0) return -1;
    int line = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return ended(held, line, line < 0 || connect(line, (struct sockaddr *)&place, sizeof place));
}

int fog_peer_is_own(int line) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    return getsockopt(line, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid();
}
