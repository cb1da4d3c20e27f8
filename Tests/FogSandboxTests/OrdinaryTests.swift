import FogCore
import Glibc
import Testing

@testable import FogSandbox

/// What a batch program does all day must work in the default profile.
@Suite("Ordinary programs", .timeLimit(.minutes(10)))
struct OrdinaryTests {
    struct Program: CustomStringConvertible {
        let name: String
        /// What must be on the machine for it.
        let tool: String
        let script: String

        var description: String { name }
        var isHere: Bool { access(tool, X_OK) == 0 }
    }

    static let programs: [Program] = [
        Program(
            name: "a shell, its pipes, jobs and traps", tool: "/bin/bash",
            script: """
                set -e; [ "$(seq 1 1000 | sort -rn | head -1)" = 1000 ]; cat <(echo hi) | grep -q hi
                coproc cat; echo q >&${COPROC[1]}; read -u ${COPROC[0]} l; [ $l = q ]
                mkfifo f; (echo through > f &); [ "$(cat f)" = through ]; ulimit -c 0; ulimit -n 100
                sleep 100 & kill $!; wait $! || true; trap 'exit 0' TERM; kill -TERM $$; exit 1
                """),
        Program(
            name: "files: copies, archives, links, times", tool: "/bin/tar",
            script: """
                set -e; mkdir -p d/e; echo x > d/e/f; ln -s f d/e/l; ln d/e/f d/e/h; chmod 600 d/e/f; touch -d yesterday d/e/f
                tar czf d.tgz d; rm -r d; tar xzpf d.tgz; cp -a d c; mv c e; [ "$(cat e/e/l)" = x ]
                dd if=/dev/zero of=z bs=1M count=8 2> /dev/null; split -b 1M z p.; cat p.* | cmp - z
                install -m 755 /bin/true t; ./t; truncate -s 1M q; flock q true; mktemp; mktemp -d; sync
                nproc; id; hostname; date; df . ; find . -type f | xargs cat | sha256sum; nice -n 5 true; setsid true
                """),
        Program(
            name: "a compiler, make, threads", tool: "/usr/bin/make",
            script: """
                set -e
                printf '%s\\n' '#include <stdio.h>' '#include <pthread.h>' 'static void *f(void *p) { return p; }' \
                  'int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); return puts("ran") < 0; }' > h.c
                printf 'all: h\\n\\t./h\\nh: h.c\\n\\tgcc -O1 -pthread h.c -o h\\n' > Makefile
                make | grep -q ran
                """),
        Program(
            name: "python: threads, pools, shared memory, databases", tool: "/usr/bin/python3",
            script: """
                exec python3 - <<'X'
                import asyncio, concurrent.futures, mmap, multiprocessing, os, pwd, signal, socket, sqlite3, ssl
                import subprocess, tempfile, threading
                from multiprocessing import shared_memory
                threads = [threading.Thread(target=sum, args=(range(1000),)) for _ in range(40)]
                [t.start() for t in threads]; [t.join() for t in threads]
                with concurrent.futures.ProcessPoolExecutor(2) as pool: assert list(pool.map(abs, [-1])) == [1]
                lock = multiprocessing.Lock(); lock.acquire(); lock.release()
                memory = shared_memory.SharedMemory(create=True, size=100000); memory.buf[0] = 1; memory.unlink()
                sqlite3.connect("x.db").execute("create table a(b)")
                file = tempfile.TemporaryFile(); file.write(b"x" * 5000); file.flush(); assert mmap.mmap(file.fileno(), 5000)[0] == 120
                assert subprocess.run(["uname", "-a"], capture_output=True).returncode == 0
                async def serve():
                    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0); server.close()
                    process = await asyncio.create_subprocess_exec("true"); await process.wait()
                asyncio.run(serve())
                assert pwd.getpwuid(os.getuid()).pw_name == "fog"
                socket.getaddrinfo("localhost", 80)
                X
                """),
        Program(
            name: "sockets of its own, and what passes through them", tool: "/usr/bin/python3",
            script: """
                exec python3 - <<'X'
                import socket
                for name in ["/work/named", chr(0) + "abstract"]:
                    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen(1)
                    client = socket.socket(socket.AF_UNIX); client.connect(name); other, _ = server.accept()
                    socket.send_fds(other, [b"x"], [0]); assert socket.recv_fds(client, 1, 1)[1]
                a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
                server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname())
                datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); datagrams.bind(("::1", 0))
                X
                """),
        Program(
            name: "descriptors: memory files, events, terminals", tool: "/usr/bin/python3",
            script: """
                exec python3 - <<'X'
                import os, pty, select
                memory = os.memfd_create("x"); os.write(memory, b"x")
                os.eventfd(1); select.epoll(); os.pipe()
                unnamed = os.open("/work", os.O_TMPFILE | os.O_RDWR, 0o600); os.write(unnamed, b"x")
                process, terminal = pty.fork()
                if process == 0: os.execlp("tty", "tty")
                assert os.read(terminal, 100).startswith(b"/dev/pts/"); os.waitpid(process, 0)
                X
                """),
        Program(
            name: "System V memory, queues and semaphores", tool: "/usr/bin/ipcmk",
            script: "ipcmk -M 100000 && ipcmk -Q && ipcmk -S 1 && ipcs -m"),
        Program(
            name: "perl", tool: "/usr/bin/perl",
            script: "exec perl -e 'use POSIX; fork || exit 0; wait; print getcwd()'"),
        Program(
            name: "git", tool: "/usr/bin/git",
            script: """
                set -e; git init -q r; cd r; git config user.email a@example.org; git config user.name a
                echo a > a; git add a; git commit -qm a; git gc -q; git log --oneline
                """),
        Program(
            name: "ffmpeg", tool: "/usr/bin/ffmpeg",
            script: "exec ffmpeg -loglevel error -f lavfi -i testsrc=duration=1 x.avi"),
    ]

    @Test("works", arguments: programs, [true, false])
    func works(program: Program, cgroups: Bool) async throws {
        // Not a failure and not silent: this machine has nothing to try it with.
        guard program.isHere else { try Test.cancel("there is no \(program.tool) here") }
        var options = SandboxHost.Options()
        options.useCgroups = cgroups
        try await Fixture.with(options) { fixture in
            let (result, output) = try await fixture.run(["/bin/bash", "-c", program.script])
            #expect(result.exitCode == 0, "\(result.ending): \(output.suffix(800))")
        }
    }
}
