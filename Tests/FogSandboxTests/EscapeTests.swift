import FogCore
import Glibc
import Testing

@testable import FogSandbox

@Suite("What a task cannot reach", .timeLimit(.minutes(10)))
struct EscapeTests {
    /// Each script ends with 0 only when the attempt was refused.
    static let attempts: [(String, String)] = [
        ("write into the system", "! touch /usr/x && ! touch /x && ! touch /etc/x && ! touch /dev/x && ! mkdir /y"),
        ("read the host's passwords", "! cat /etc/shadow && ! grep root /etc/passwd"),
        (
            "see the host's folders",
            "[ ! -e /sys ] && [ ! -e /home ] && [ ! -e /root ] && [ ! -e /var ] && [ \"$(find /run)\" = \"$(printf '/run\\n/run/secrets')\" ]"
        ),
        ("see the host's processes", "[ $(ls /proc | grep -c '^[0-9]') -le 6 ]"),
        ("look into init", "! cat /proc/1/environ && ! ls /proc/1/fd && ! readlink /proc/1/exe"),
        ("change the kernel", "! sh -c 'echo x > /proc/sys/kernel/hostname' && ! sh -c 'echo 1 > /proc/sysrq-trigger'"),
        ("raise a limit", "! ulimit -n 1024"),
        ("make a device", "! mknod /tmp/null c 1 3"),
        ("uncover a mount", "! umount /proc && ! umount /tmp && ! mount -t tmpfs tmpfs /tmp"),
        (
            "keep root by a set-user-id program",
            "cp /bin/id /work/id && ! chmod 4755 /work/id && [ $(/work/id -u) = 1000 ]"
        ),
        (
            "find a capability",
            "grep -q 'CapBnd:.*0000000000000000' /proc/self/status && grep -q 'NoNewPrivs:.*1' /proc/self/status"
        ),
        ("stop init", "kill -9 1; kill -15 1; kill -3 1; kill -10 1; [ -d /proc/1 ]"),
    ]

    @Test("refused", arguments: attempts)
    func refused(name: String, script: String) async throws {
        try await Fixture.with { fixture in
            let (result, output) = try await fixture.shell("exec 2>&1; " + script)
            #expect(result.exitCode == 0, "\(name): \(result.ending) \(output)")
        }
    }

    /// Name, number on x86-64, arguments, errno. Made through the C library's own `syscall`.
    static let calls: [(String, Int, [String], Int32)] = [
        ("mount", 165, ["0", "b'/tmp'", "b'tmpfs'", "0", "0"], EPERM),
        ("umount2", 166, ["b'/proc'", "2"], EPERM),
        ("pivot_root", 155, ["b'.'", "b'.'"], EPERM),
        ("chroot", 161, ["b'/tmp'"], EPERM),
        ("open_tree", 428, ["-100", "b'/'", "1"], EPERM),
        ("ptrace", 101, ["0", "1", "0", "0"], EPERM),
        ("process_vm_readv", 310, ["1", "0", "0", "0", "0", "0"], EPERM),
        ("setuid", 105, ["0"], EINVAL),
        ("setgroups", 116, ["0", "0"], EPERM),
        ("unshare new user", 272, ["0x10000000"], EPERM),
        ("setns", 308, ["0", "0"], EPERM),
        ("clone new user", 56, ["0x10000011", "0", "0", "0", "0"], EPERM),
        ("clone new mount", 56, ["0x00020011", "0", "0", "0", "0"], EPERM),
        ("clone3", 435, ["0", "0"], ENOSYS),
        ("ioctl TIOCSTI", 16, ["0", "0x5412", "b'x'"], EPERM),
        ("ioctl TIOCSTI with high bits", 16, ["0", "0x100005412", "b'x'"], EPERM),
        ("ioctl TIOCLINUX", 16, ["0", "0x541c", "b'x'"], EPERM),
        ("socket AF_NETLINK", 41, ["16", "3", "0"], EPERM),
        ("socket AF_ALG", 41, ["38", "5", "0"], EPERM),
        ("socket AF_VSOCK", 41, ["40", "1", "0"], EPERM),
        ("socket AF_PACKET", 41, ["17", "3", "0"], EPERM),
        ("socketpair AF_TIPC", 53, ["30", "2", "0", "0"], EPERM),
        ("socket of datagrams, UDP-Lite", 41, ["2", "2", "136"], EPERM),
        ("chmod set-user-ID", 90, ["b'/tmp'", "0o4755"], EPERM),
        ("fchmodat set-group-ID with high bits", 268, ["-100", "b'/tmp'", "0x100002755"], EPERM),
        ("openat making set-user-ID", 257, ["-100", "b'/tmp/s'", "0x41", "0o4755"], EPERM),
        ("openat2", 437, ["-100", "b'/tmp'", "0", "0"], ENOSYS),
        ("mmap of huge pages", 9, ["0", "4096", "3", "0x40022", "-1", "0"], EPERM),
        ("memfd_create of huge pages", 319, ["b'x'", "4"], EPERM),
        ("io_setup", 206, ["1", "0"], EPERM),
        ("io_uring_setup", 425, ["8", "0"], EPERM),
        ("userfaultfd", 323, ["0"], EPERM),
        ("bpf", 321, ["0", "0", "0"], EPERM),
        ("perf_event_open", 298, ["0", "0", "-1", "-1", "0"], EPERM),
        ("keyctl", 250, ["0", "0"], EPERM),
        ("kexec_load", 246, ["0", "0", "0", "0"], EPERM),
        ("init_module", 175, ["0", "0", "0"], EPERM),
        ("reboot", 169, ["0", "0", "0", "0"], EPERM),
        ("open_by_handle_at", 304, ["0", "0", "0"], EPERM),
        ("personality READ_IMPLIES_EXEC", 135, ["0x0400000"], EPERM),
        ("a call of tomorrow", 900, [], ENOSYS),
    ]

    @Test("system calls answer as the profile says")
    func systemCalls() async throws {
        #if arch(x86_64)
            let lines = Self.calls.map { name, number, arguments, error in
                "(\"\(name)\", \(error), [\(([String(number)] + arguments).joined(separator: ", "))])"
            }
            let script = """
                import ctypes
                c = ctypes.CDLL(None, use_errno=True)
                for name, wanted, call in [\(lines.joined(separator: ",\n"))]:
                    ctypes.set_errno(0)
                    arguments = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in call]
                    result = c.syscall(*arguments)
                    if result == 0 and call[0] == 56: import os; os._exit(99)
                    if result != -1 or ctypes.get_errno() != wanted:
                        print(name, "gave", result, ctypes.get_errno(), "wanted", wanted)
                """
            try await Fixture.with { fixture in
                let (result, output) = try await fixture.run(["/usr/bin/python3", "-c", script])
                #expect(result.exitCode == 0)
                #expect(output == "")
            }
        #endif
    }

    @Test("the host's network and its sockets are not there; its own loopback is")
    func network() async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutableBytes(of: &address) { bytes -> UInt16 in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return 0 }
            bind(listener, base, length)
            listen(listener, 1)
            getsockname(listener, base, &length)
            return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        }
        let script = """
            import socket, errno
            def attempt(host, port):
                try: socket.create_connection((host, port), 2); return "connected"
                except OSError as e: return errno.errorcode[e.errno]
            print(attempt("127.0.0.1", \(port)), attempt("192.0.2.1", 80))
            s = socket.create_server(("127.0.0.1", 0)); print(attempt(*s.getsockname()))
            """
        try await Fixture.with { fixture in
            let (_, output) = try await fixture.run(["/usr/bin/python3", "-c", script])
            #expect(output == "ECONNREFUSED ENETUNREACH\nconnected\n")
        }
    }

    @Test("a process of the host cannot be signalled, even one of the same user")
    func hostProcess() async throws {
        try await Fixture.with { fixture in
            let (result, _) = try await fixture.shell("! kill -0 \(getpid()) && ! kill -0 \(getppid())")
            #expect(result.exitCode == 0)
        }
    }

    @Test("on the host a task has an unprivileged id of its own slot", .enabled(if: Fixture.isRoot, "needs root"))
    func hostID() async throws {
        try await Fixture.with { fixture in
            for slot in [0, 1] {
                _ = try await fixture.shell("touch made", slot: slot)
                var status = stat()
                stat(fixture.work("work-\(slot)") + "/made", &status)
                #expect(status.st_uid == fixture.host.hostID(slot: slot))
                #expect(status.st_uid >= 60_000)
            }
        }
    }

    @Test("a call of another architecture kills")
    func foreignCall() async throws {
        #if arch(x86_64)
            try await Fixture.with { fixture in
                let program = "int main(){long r;__asm__ volatile(\"int $0x80\":\"=a\"(r):\"a\"(20));return 0;}"
                let (result, output) = try await fixture.shell(
                    "echo '\(program)' > a.c && gcc a.c -o a || exit 0; exec ./a")
                #expect(result.ending == .violation || result.exitCode == 0 && !output.isEmpty, "\(output)")
            }
        #endif
    }

    @Test("inputs can be read and not changed")
    func inputs() async throws {
        try await Fixture.with { fixture in
            let file = try fixture.write("table.csv", "1,2\n")
            mkdir(fixture.folder + "/tree", 0o755)
            _ = try fixture.write("tree/leaf", "leaf")
            let script = """
                cat data/table.csv in/leaf
                ! sh -c 'echo x >> data/table.csv' && ! rm data/table.csv && ! chmod 777 data/table.csv &&
                ! touch in/new && ! rm in/leaf && ! mv in elsewhere && ! ln data/table.csv copy && touch data/own
                """
            let (result, output) = try await fixture.shell(script) { task in
                task.inputs = [
                    SandboxInput(hostPath: file, name: "data/table.csv"),
                    SandboxInput(hostPath: fixture.folder + "/tree", name: "in"),
                ]
            }
            #expect(result.exitCode == 0, "\(output)")
            #expect(output.hasPrefix("1,2\nleaf"))
            #expect(Files.text(file) == "1,2\n")
        }
    }

    @Test("a thousand inputs fit, one more is refused")
    func manyInputs() async throws {
        try await Fixture.with { fixture in
            let file = try fixture.write("input", "x")
            let inputs = (0..<WorkFolder.maxInputs).map { SandboxInput(hostPath: file, name: "in/\($0)") }
            let (result, output) = try await fixture.shell("cat in/* | wc -c") { $0.inputs = inputs }
            #expect(result.exitCode == 0)
            #expect(output == "1024\n")
            let one = [SandboxInput(hostPath: file, name: "more")]
            await #expect(throws: SandboxFailure.self) { try await fixture.shell("true") { $0.inputs = inputs + one } }
        }
    }

    @Test(
        "an input's name leads nowhere else", arguments: ["../x", "/etc/x", "a/../../x", "", "a//b", "a\nb", "link/x"])
    func inputNames(name: String) async throws {
        try await Fixture.with { fixture in
            let file = try fixture.write("input", "x")
            symlink("/tmp", fixture.work("work-0") + "/link")
            await #expect(throws: SandboxFailure.self) {
                try await fixture.shell("true") { $0.inputs = [SandboxInput(hostPath: file, name: name)] }
            }
        }
    }
}
