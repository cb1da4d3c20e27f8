import Foundation
import Glibc
import Testing

extension EndToEnd {
    /// What nobody means, sent to the whole program.
    @Suite("Garbage")
    struct GarbageTests {
        @Test("10,000 requests of garbage cost the program no memory that lasts, and it works on")
        func memory() async throws {
            let folder = try TemporaryFolder()
            let cloud = try await Cloud(home: "\(folder.path)/home")
            let port = try #require(cloud.url.split(separator: ":").last.flatMap { UInt16($0) })
            // What is made once is made by then.
            try await send(500, to: port, seed: 0)
            let before = try #require(cloud.residentBytes)
            try await send(10_000, to: port, seed: 1000)
            let after = try #require(cloud.residentBytes)
            // 10,000 connections of which each kept a buffer of 16 KiB would take 160 MiB.
            #expect(after - before < 64 << 20, "\(before >> 20) MiB before, \(after >> 20) MiB after")
            let run = try await cloud.fog("run", "--", "echo", "still here")
            #expect(run.status == 0 && run.output == "still here\n", "\(run.errors)")
            #expect(try await cloud.fog("ledger", "audit", "--quiet").status == 0)
            #expect(try await cloud.stop().status == 0)
        }

        private func send(_ count: Int, to port: UInt16, seed: Int) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                let lanes = 50
                for lane in 0..<lanes {
                    group.addTask {
                        for number in 0..<count / lanes {
                            try await exchange(garbage(seed + lane * 1000 + number), port)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }

        /// Pieces of HTTP and bytes of no meaning, the same for the same seed (a linear congruential generator,
        /// Knuth's MMIX constants).
        private func garbage(_ seed: Int) -> [UInt8] {
            let words = [
                "GET ", "POST ", "/v1/jobs", "/v1/join", "/", " HTTP/1.1", "\r\n", "\r\n\r\n", "host: x\r\n",
                "content-length: 9", "transfer-encoding: chunked\r\n", "signature: fog=:AAAA:\r\n", "ffffffff\r\n",
                "{\"document\":", "\u{0}", "expect: 100-continue\r\n", "accept: text/event-stream\r\n",
            ]
            var state = UInt64(seed)
            func next(_ bound: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(state >> 33) % bound
            }
            return (0...next(20)).flatMap { _ in
                next(2) == 0 ? Array(words[next(words.count)].utf8) : (0...next(60)).map { _ in UInt8(next(256)) }
            }
        }

        /// Sends, says that there is no more, and reads to the end.
        private func exchange(_ bytes: [UInt8], _ port: UInt16) async throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            try #require(connected == 0, "connect: \(errno)")
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            shutdown(descriptor, Int32(SHUT_WR))
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &chunk, chunk.count, 0)
                if count < 0, errno == EAGAIN {
                    try await Task.sleep(for: .milliseconds(1))
                } else if count <= 0 {
                    return
                }
            }
        }
    }
}
