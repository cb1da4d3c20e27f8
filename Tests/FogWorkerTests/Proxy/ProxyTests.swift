import CFog
import FogCore
import FogJobs
import Glibc
import Testing

@testable import FogWorker

/// Real sockets on loopback, which the tests' owner has exempted.
@Suite("The proxy", .serialized, .timeLimit(.minutes(10)))
struct ProxyTests {
    // MARK: - What it does

    @Test("a tunnel carries bytes both ways, and what came behind the head with them")
    func tunnel() async throws {
        let server = try Server.echo()
        try await ProxyFixture.with(["127.0.0.1:\(server.port)"]) { fixture in
            let wire = try fixture.connect()
            try wire.send("CONNECT 127.0.0.1:\(server.port) HTTP/1.1\r\n\r\nearly ")
            #expect(try wire.head() == "HTTP/1.1 200 Connection established\r\n\r\n")
            try wire.send("and late")
            #expect(try wire.exactly(14) == Array("early and late".utf8))
            wire.finish()
            #expect(try wire.text().isEmpty)
            try await eventually { fixture.proxy.tally.bytesIn == 14 }
            #expect(fixture.proxy.tally.bytesOut == 14 && fixture.proxy.tally.connections == 1)
        }
    }

    @Test("a plain request goes to the server of its URI, and to no other")
    func plain() async throws {
        let server = try Server { wire in
            let head = try wire.head()
            let body = try wire.exactly(3)
            try wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\(head)\(String(decoding: body, as: UTF8.self))")
            wire.finish()
        }
        let target = "127.0.0.1:\(server.port)"
        try await ProxyFixture.with([target]) { fixture in
            let answer = try fixture.ask(
                "POST http://\(target)/a?b HTTP/1.1\r\nHost: other.example\r\nContent-Length: 3\r\n\r\nabc"
                    + "GET http://other.example/ HTTP/1.1\r\n\r\n")
            #expect(
                answer
                    == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nPOST /a?b HTTP/1.1\r\nHost: \(target)\r\n"
                    + "Connection: close\r\nContent-Length: 3\r\n\r\nabc")
        }
        #expect(server.connections == 1)
    }

    @Test("one side may finish before the other")
    func halfClosed() async throws {
        // Answers only after all was said.
        let late = try Server { wire in
            let said = try wire.text()
            try wire.send("heard \(said)")
            wire.finish()
        }
        // Says all before it listens.
        let early = try Server { wire in
            try wire.send("all said")
            wire.finish()
            let heard = try wire.text()
            #expect(heard == "and answered")
        }
        try await ProxyFixture.with(["127.0.0.1:\(late.port)", "127.0.0.1:\(early.port)"]) { fixture in
            let first = try fixture.tunnel(to: "127.0.0.1:\(late.port)")
            try first.send("hello")
            first.finish()
            #expect(try first.text() == "heard hello")
            let second = try fixture.tunnel(to: "127.0.0.1:\(early.port)")
            #expect(try second.text() == "all said")
            try second.send("and answered")
            second.finish()
            try await eventually { fixture.proxy.tally.bytesOut == 17 }
        }
    }

    @Test("much goes through unchanged, both ways at once")
    func large() async throws {
        let server = try Server.echo()
        try await ProxyFixture.with(["127.0.0.1:\(server.port)"]) { fixture in
            let wire = try fixture.tunnel(to: "127.0.0.1:\(server.port)")
            var generator = SystemRandomNumberGenerator()
            let block = (0..<(1 << 17)).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } }
            let blocks = 64
            Server.thread {
                for _ in 0..<blocks { try? wire.send(block) }
                wire.finish()
            }
            var received: [UInt8] = []
            received.reserveCapacity(block.count * blocks)
            while true {
                let more = try wire.some()
                if more.isEmpty { break }
                received += more
            }
            let sent = (0..<blocks).flatMap { _ in block }
            #expect(Digest.blake2b(received) == Digest.blake2b(sent))
            #expect(fixture.proxy.tally.bytesOut == Int64(sent.count))
            #expect(fixture.proxy.tally.bytesIn == Int64(sent.count))
        }
    }

    // MARK: - What it refuses

    @Test("what is not on the list is not even looked up")
    func list() async throws {
        let (server, resolver) = (try Server.echo(), ScriptedResolver(["127.0.0.1"]))
        try await ProxyFixture.with(["a.example:\(server.port)"]) {
            $0.resolver = resolver
        } _: { fixture in
            for target in [
                "b.example:\(server.port)", "a.example:\(server.port ^ 1)", "127.0.0.1:\(server.port)",
                "x.a.example:\(server.port)", "[::1]:\(server.port)",
            ] {
                let answer = try fixture.ask("CONNECT \(target) HTTP/1.1\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("(host_not_allowed)"), "\(answer)")
            }
            #expect(resolver.names.isEmpty)
            _ = try fixture.tunnel(to: "A.EXAMPLE.:\(server.port)")
            #expect(resolver.names == ["a.example"])
            // A connection stands before the server's thread has taken it.
            for _ in 0..<1000 where server.connections == 0 { usleep(10_000) }
        }
        #expect(server.connections == 1)
    }

    @Test(
        "an address that is listed is refused all the same where tasks may not go",
        arguments: [
            ("127.0.0.1", "loopback"), ("127.0.0.2", "loopback"), ("[::1]", "loopback"),
            ("[::ffff:127.0.0.1]", "loopback"),
            ("169.254.169.254", "link-local"), ("10.0.0.1", "private"), ("100.64.0.1", "shared"),
            ("0.0.0.0", "unspecified"),
            ("255.255.255.255", "broadcast"), ("224.0.0.1", "multicast"), ("[2002:7f00:1::]", "tunnel"),
            ("[64:ff9b::127.0.0.1]", "loopback"), ("[fd00::1]", "private"),
        ])
    func addresses(host: String, reason: String) async throws {
        let server = try Server.echo()
        try await ProxyFixture.with(["\(host):\(server.port)"], exempt: []) { fixture in
            let answer = try fixture.ask("CONNECT \(host):\(server.port) HTTP/1.1\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("(\(reason)) (address_refused)"), "\(answer)")
        }
        #expect(server.connections == 0)
    }

    @Test("a name that leads elsewhere the second time leads nowhere: what was checked is what is connected to")
    func rebinding() async throws {
        let good = try Server.echo(address: [127, 0, 0, 2])
        let secret = try Server.echo(port: good.port)
        let resolver = ScriptedResolver(["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], [])
        try await ProxyFixture.with(["a.example:\(good.port)"], exempt: ["127.0.0.2/32"]) {
            $0.resolver = resolver
        } _: { fixture in
            let target = "a.example:\(good.port)"
            let wire = try fixture.tunnel(to: target)
            #expect(resolver.names.count == 1)
            let refused = try fixture.ask("CONNECT \(target) HTTP/1.1\r\n\r\n")
            #expect(refused.contains("a.example leads to an address that tasks may not reach (loopback)"), "\(refused)")
            #expect(!refused.contains("127.0.0.1"))
            let mixed = try fixture.tunnel(to: target)
            for wire in [wire, mixed] {
                try wire.send("x")
                #expect(try wire.exactly(1) == [0x78])
            }
            let unknown = try fixture.ask("CONNECT \(target) HTTP/1.1\r\n\r\n")
            #expect(unknown.hasPrefix("HTTP/1.1 502 ") && unknown.contains("(name_not_found)"))
            #expect(resolver.names.count == 4)
        }
        #expect(good.connections == 2 && secret.connections == 0)
    }

    @Test("the coordinator is out of reach, by its name and by its address")
    func coordinator() async throws {
        let server = try Server.echo()
        try await ProxyFixture.with(["coordinator.example:\(server.port)", "127.0.0.1:\(server.port)"]) {
            $0.resolver = ScriptedResolver(["127.0.0.1"])
            $0.coordinator = WorkerConfiguration.CoordinatorPlace(url: "https://coordinator.example:\(server.port)")
        } _: { fixture in
            for host in ["coordinator.example", "127.0.0.1"] {
                let answer = try fixture.ask("CONNECT \(host):\(server.port) HTTP/1.1\r\n\r\n")
                #expect(answer.contains("(coordinator) (address_refused)"), "\(answer)")
            }
        }
        #expect(server.connections == 0)
    }

    @Test("the second address is tried when the first does not answer; none is an answer too")
    func secondAddress() async throws {
        let server = try Server.echo(address: [127, 0, 0, 2])
        let resolver = ScriptedResolver(["127.0.0.3", "127.0.0.2"], ["127.0.0.3"])
        try await ProxyFixture.with(["a.example:\(server.port)"], exempt: ["127.0.0.0/8"]) {
            $0.resolver = resolver
        } _: { fixture in
            _ = try fixture.tunnel(to: "a.example:\(server.port)")
            let answer = try fixture.ask("CONNECT a.example:\(server.port) HTTP/1.1\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 502 ") && answer.contains("Connection refused (connect_failed)"))
        }
    }

    @Test("bytes behind a refused request are not a request of their own")
    func pipelined() async throws {
        let server = try Server.echo()
        try await ProxyFixture.with(["127.0.0.1:\(server.port)"]) { fixture in
            let answer = try fixture.ask(
                "CONNECT other.example:443 HTTP/1.1\r\n\r\nCONNECT 127.0.0.1:\(server.port) HTTP/1.1\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 403 "))
            #expect(!answer.contains("200 Connection"))
        }
        #expect(server.connections == 0)
    }

    @Test("a head that never ends is given up, and one that is too long is refused although more keeps coming")
    func endlessHeads() async throws {
        try await ProxyFixture.with([]) {
            $0.limits.headNanoseconds = 50_000_000
        } _: { fixture in
            let answer = try fixture.ask("CONNECT ")
            #expect(answer.contains("(request_timeout)"))
        }
        try await ProxyFixture.with([]) { fixture in
            let wire = try fixture.connect()
            try wire.send("CONNECT a.example:443 HTTP/1.1\r\nX: " + String(repeating: "x", count: 40 << 10))
            wire.finish()
            #expect(try wire.text().contains("(head_too_large)"))
        }
    }

    // MARK: - Its bounds

    @Test("ten thousand connections come and go; so many at once as may, and no more than the task's life has")
    func manyConnections() async throws {
        let server = try Server.echo()
        let target = "127.0.0.1:\(server.port)"
        let before = holdings().descriptors
        try await ProxyFixture.with([target]) {
            ($0.limits.connections, $0.limits.total) = (8, 10_020)
        } _: { fixture in
            for _ in 0..<10_000 { _ = try fixture.connect() }
            let standing = try (0..<8).map { _ in try fixture.tunnel(to: target) }
            // Waits in the kernel until one of the others goes.
            let ninth = try fixture.connect()
            try ninth.send("CONNECT \(target) HTTP/1.1\r\n\r\n")
            #expect(fixture.proxy.tally.connections == 8)
            for wire in standing { wire.finish() }
            #expect(try ninth.head().hasPrefix("HTTP/1.1 200 "))
            withExtendedLifetime(standing) {}
            var answers: [String] = []
            for _ in 0..<20 { answers.append(try fixture.ask("CONNECT \(target)0 HTTP/1.1\r\n\r\n")) }
            #expect(answers.last?.contains("(too_many_connections)") == true)
        }
        // The first sleep of a process takes some for its timers.
        try await eventually { holdings().descriptors <= before + 8 }
    }

    @Test("tasks that used no byte leave nothing: a thousand proxies, no descriptor and no thread more")
    func leaks() async throws {
        let server = try Server.echo()
        let target = "127.0.0.1:\(server.port)"
        try await ProxyFixture.with([target]) { _ = try $0.tunnel(to: target) }
        let before = holdings()
        for round in 0..<1000 {
            try await ProxyFixture.with([target]) { fixture in
                // Left open, half open and refused in turn.
                if round % 3 == 0 { _ = try fixture.tunnel(to: target) }
                if round % 3 == 1 { try fixture.connect().send("CONNECT ") }
                if round % 3 == 2 { _ = try fixture.ask("GET / HTTP/1.1\r\n\r\n") }
            }
        }
        try await eventually { holdings().descriptors <= before.descriptors + 8 }
        // Those of lookups stay a while for the next one; they are few.
        #expect(holdings().threads <= before.threads + 40)
    }

    // MARK: - Its task, and the machine's owner

    @Test("with its task everything is closed at once: listeners, tunnels, requests under way")
    func ended() async throws {
        let server = try Server.echo()
        let target = "127.0.0.1:\(server.port)"
        let (port, wires) = try await ProxyFixture.with([target]) { fixture in
            let wires = [try fixture.tunnel(to: target), try fixture.connect()]
            try wires[1].send("CONNECT ")
            return (fixture.port, wires)
        }
        for wire in wires { #expect(wire.isOver()) }
        #expect(throws: BrokenPipe.self) { try Wire(port: port) }
    }

    @Test("when the owner takes the network back, what is open is cut and what comes is answered")
    func denied() async throws {
        let server = try Server.echo()
        let target = "127.0.0.1:\(server.port)"
        try await ProxyFixture.with([target]) { fixture in
            let wire = try fixture.tunnel(to: target)
            fixture.host.setAllowed(false)
            #expect(wire.isOver())
            #expect(try fixture.ask("CONNECT \(target) HTTP/1.1\r\n\r\n").contains("(network_denied)"))
            fixture.host.setAllowed(true)
            _ = try fixture.tunnel(to: target)
        }
        try await ProxyFixture.with([target]) {
            $0.isAllowed = false
        } _: { fixture in
            let answer = try fixture.ask("CONNECT \(target) HTTP/1.1\r\n\r\n")
            #expect(answer.contains("(network_denied)"))
        }
    }

    @Test("a frozen task's connections stall, and go on with it")
    func frozen() async throws {
        let server = try Server.echo()
        let target = "127.0.0.1:\(server.port)"
        try await ProxyFixture.with([target]) { fixture in
            try await ProxyFixture.with([target]) { other in
                let (wire, awake) = (try fixture.tunnel(to: target), try other.tunnel(to: target))
                fixture.proxy.setFrozen(true)
                let before = fixture.proxy.tally
                try wire.send("later")
                // Another task's bytes go round many times meanwhile.
                for _ in 0..<1000 {
                    try awake.send("now")
                    #expect(try awake.exactly(3) == Array("now".utf8))
                }
                #expect(fixture.proxy.tally == before)
                fixture.proxy.setFrozen(false)
                #expect(try wire.exactly(5) == Array("later".utf8))
            }
        }
    }

    @Test("the rate that staging has holds for tasks as well")
    func rate() async throws {
        let bandwidth = Bandwidth(clock: SystemClock())
        bandwidth.setLimit(8_000_000)
        let server = try Server.echo()
        let target = "127.0.0.1:\(server.port)"
        try await ProxyFixture.with([target]) {
            $0.bandwidth = bandwidth
        } _: { fixture in
            let wire = try fixture.tunnel(to: target)
            // Nothing may go before the debt of a minute is paid.
            _ = bandwidth.reserve(60_000_000, now: SystemClock().sinceBoot)
            try wire.send("x")
            let other = try fixture.tunnel(to: target)
            #expect(fixture.proxy.tally.bytesOut == 0)
            withExtendedLifetime(other) {}
        }
    }
}
