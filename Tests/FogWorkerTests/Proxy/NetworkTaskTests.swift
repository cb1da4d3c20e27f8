import FogCore
import FogJobs
import Foundation
import Glibc
import Testing

@testable import FogSandbox
@testable import FogWorker

/// Real programs in the real sandbox, with the real proxy between them and this machine's loopback.
@Suite(
    "Tasks with a network", .serialized, .timeLimit(.minutes(10)),
    .enabled(if: access("/usr/bin/python3", X_OK) == 0, "needs python3"))
struct NetworkTaskTests {
    private static let root = #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 }

    private struct Run {
        let result: SandboxResult
        let output: String
        let tally: ProxyTally
    }

    /// One host, and in it as many runs as the body asks for.
    private func with<Result>(_ body: (_ host: SandboxHost, _ folder: String) async throws -> Result) async throws
        -> Result
    {
        let host = try SandboxHost(launcherPath: Launcher.locate())
        let folder = "/tmp/fog-network-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        func end() async {
            await host.shutdown()
            try? FileManager.default.removeItem(atPath: folder)
        }
        do {
            let result = try await body(host, folder)
            await end()
            return result
        } catch {
            await end()
            throw error
        }
    }

    private func run(
        _ arguments: [String], _ host: SandboxHost, _ folder: String, hosts: [String],
        exempt: [String] = ["127.0.0.1/32"]
    ) async throws -> Run {
        let profile = try SandboxProfile.load(named: "network-client", from: "\(Self.root)/sandbox-profiles")
        var options = ProxyHost.Options()
        options.isAllowed = true
        options.exempt = exempt.compactMap { NetworkRange($0) }
        let proxy = ProxyHost(options).proxy(for: try hosts.map { try AllowedHost($0) })
        let work = "\(folder)/work"
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        chmod(work, 0o777)
        var task = SandboxTask(arguments: arguments, workFolder: work, wallLimit: .minutes(5))
        task.environment = ["NO_PROXY": "", "no_proxy": ""]
        task.network = proxy
        let output = open("\(folder)/output", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(output) }
        (task.standardOutput, task.standardError) = (output, output)
        let result = try await host.slot(profile: profile, index: 0).run(task)
        return Run(
            result: result, output: try String(contentsOfFile: "\(folder)/output", encoding: .utf8), tally: proxy.tally)
    }

    @Test("a program fetches and sends through it, unchanged, after ten thousand connections that came to nothing")
    func fetches() async throws {
        var generator = SystemRandomNumberGenerator()
        let content = (0..<(1 << 18)).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
        let server = try Server { wire in
            let head = try wire.head()
            if head.hasPrefix("POST ") {
                let body = try wire.exactly(content.count)
                try wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\(body == content)")
            } else {
                try wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\nConnection: close\r\n\r\n")
                try wire.send(content)
            }
            wire.finish()
            _ = try wire.text()
        }
        let script = """
            import os,socket,urllib.request as u
            where=os.environ["HTTP_PROXY"][7:].split(":")
            for i in range(10000):
              s=socket.create_connection(where)
              if i%3==0: s.sendall(b"CONNECT ")
              s.close()
            url="http://127.0.0.1:\(server.port)/x"
            data=u.urlopen(url).read()
            print(len(data), u.urlopen(u.Request(url,data=data)).read().decode())
            try: u.urlopen("http://127.0.0.1:1/")
            except u.HTTPError as e: print(e.code, e.headers["Fog-Error"])
            """
        let done = try await with { host, folder in
            try await run(
                ["python3", "-c", script], host, folder, hosts: ["127.0.0.1:\(server.port)"])
        }
        #expect(done.output == "\(content.count) true\n403 host_not_allowed\n")
        #expect(done.tally.connections == 2 && done.tally.refusals["host_not_allowed"] == 1)
        #expect(done.tally.bytesIn > Int64(content.count) && done.tally.bytesOut > Int64(content.count))
    }

    /// Ways to the host or beyond that do not go through the proxy. Outside, those to this machine succeed.
    private static let attempts = """
        import ctypes,os,socket,struct,sys
        port=int(sys.argv[1]); name=sys.argv[2]; own=sys.argv[3:]
        def attempt(what,f):
          try: f()
          except Exception as e: print("refused",what,repr(e))
          else: print("reached",what)
        def tcp(host,port,family=socket.AF_INET):
          s=socket.socket(family); s.settimeout(5); s.connect((host,port))
        def udp(host,family=socket.AF_INET): socket.socket(family,socket.SOCK_DGRAM).sendto(b"x",(host,53))
        def say(s,data): s.sendall(data); assert s.recv(1)
        attempt("host-tcp",lambda: tcp("127.0.0.1",port))
        def unix():
          s=socket.socket(socket.AF_UNIX); s.connect("\\0"+name)
        attempt("host-unix",unix)
        attempt("host-netlink",lambda: socket.socket(socket.AF_NETLINK,socket.SOCK_RAW,0))
        attempt("host-interfaces",lambda: [0 for i in open("/proc/net/dev") if ":" in i and "lo:" not in i][0])
        attempt("host-routes",lambda: open("/proc/net/route").readlines()[1])
        for a in own: attempt("own "+a,lambda: tcp(a,port))
        for a in ["8.8.8.8","192.0.2.1","169.254.169.254","10.0.0.1","255.255.255.255"]:
          attempt("tcp "+a,lambda: tcp(a,53)); attempt("udp "+a,lambda: udp(a))
        attempt("tcp6",lambda: tcp("2001:4860:4860::8888",53,socket.AF_INET6))
        attempt("udp6",lambda: udp("2001:4860:4860::8888",socket.AF_INET6))
        attempt("multicast",lambda: udp("224.0.0.251"))
        attempt("dns",lambda: socket.getaddrinfo("example.org",80))
        attempt("raw",lambda: socket.socket(socket.AF_INET,socket.SOCK_RAW,1))
        attempt("raw6",lambda: socket.socket(socket.AF_INET6,socket.SOCK_RAW,58))
        attempt("packet",lambda: socket.socket(17,socket.SOCK_RAW,0x0300))
        attempt("ping",lambda: socket.socket(socket.AF_INET,socket.SOCK_DGRAM,1).sendto(b"\\x08\\0\\0\\0\\0\\0\\0\\0",("8.8.8.8",0)))
        attempt("sctp",lambda: socket.socket(socket.AF_INET,socket.SOCK_STREAM,132))
        for family in [31,38,40,44,16,30,39,21]: attempt("family %d"%family,lambda: socket.socket(family,socket.SOCK_RAW,0))
        def device():
          s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,25,b"eth0\\0"); s.connect(("8.8.8.8",53))
        attempt("device",device)
        libc=ctypes.CDLL(None,use_errno=True)
        def call(*a):
          if libc.syscall(*a)<0: raise OSError(ctypes.get_errno())
        attempt("unshare",lambda: call(272,0x40000000))
        attempt("setns",lambda: call(308,os.open("/proc/1/ns/net",os.O_RDONLY),0x40000000))
        attempt("listener",lambda: [os.fstat(d) for d in range(3,256) if os.path.exists("/proc/self/fd/%d"%d)
          and "socket" in os.readlink("/proc/self/fd/%d"%d)][0])
        """

    @Test("nothing else of the network is there: other families, raw sockets, names, routes, the host's own ports")
    func nothingElse() async throws {
        let server = try Server.echo()
        let name = "fog-network-\(getpid())-\(server.port)"
        let listener = try Self.listenAbstract(name)
        defer { close(listener) }
        let own = SystemResolver.ownAddresses().compactMap { address in
            if case .v4 = address, AddressRules.special(address) != .loopback { address.description } else { nil }
        }
        let words = ["-c", Self.attempts, String(server.port), name] + own
        let outside = try Self.plain(["/usr/bin/python3"] + words)
        for aim in ["host-tcp", "host-unix", "host-netlink"] {
            #expect(outside.contains("reached \(aim)\n"), "\(aim) cannot fail: \(outside)")
        }
        // Listed and exempt or not: these ways do not pass the proxy.
        let done = try await with { host, folder in
            try await run(["python3"] + words, host, folder, hosts: ["127.0.0.1:\(server.port)"])
        }
        #expect(done.result.exitCode == 0)
        let lines = done.output.split(separator: "\n")
        #expect(lines.count >= 35 && lines.allSatisfy { $0.hasPrefix("refused ") }, "\(done.output)")
        #expect(done.tally.isEmpty)
    }

    @Test("a thousand launches with a proxy leave no descriptor and no thread behind")
    func leaks() async throws {
        let server = try Server.echo()
        let hosts = ["127.0.0.1:\(server.port)"]
        let script = """
            exec 3<>/dev/tcp/127.0.0.1/3128
            printf 'CONNECT 127.0.0.1:\(server.port) HTTP/1.1\\r\\n\\r\\n' >&3
            read -r line <&3
            case "$line" in *200*) ;; *) exit 9 ;; esac
            """
        try await with { host, folder in
            for _ in 0..<3 { _ = try await run(["bash", "-c", script], host, folder, hosts: hosts) }
            let before = holdings()
            for _ in 0..<1000 {
                let done = try await run(["bash", "-c", script], host, folder, hosts: hosts)
                #expect(done.result.exitCode == 0 && done.tally.connections == 1, "\(done.output)")
            }
            try await eventually { holdings().descriptors <= before.descriptors + 8 }
            #expect(holdings().threads <= before.threads + 40)
        }
    }

    // MARK: - The host

    /// A socket in the abstract namespace, which only network namespaces keep apart.
    private static func listenAbstract(_ name: String) throws -> Int32 {
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(listener >= 0)
        let bytes = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) } + [0] + Array(name.utf8)
        let isBound = bytes.withUnsafeBytes { raw in
            raw.baseAddress.map { bind(listener, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count)) == 0 }
        }
        try #require(isBound == true && listen(listener, 8) == 0)
        return listener
    }

    private static func plain(_ words: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: words[0])
        process.arguments = Array(words.dropFirst())
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
