import FogAPI
import FogCore
import FogHTTP
import FogNet
import FogTestSupport
import Synchronization
import Testing

@Suite("Long polls", .timeLimit(.minutes(10)))
struct LongPollTests {
    private static let wait = "GET /wait HTTP/1.1\r\nhost: x\r\n\r\n"

    @Test("a client that closes its connection leaves no handler behind")
    func clientLeaves() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, server in
            for _ in 0..<20 {
                let connection = try RawConnection(port: port)
                try await connection.send(Self.wait)
            }
            try await eventually { endpoint.waiting == 0 && endpoint.requests == 20 }
            try await eventually { server.openRequests == 0 }
        }
    }

    @Test("a client that says it has finished has left, though it still listens")
    func clientFinishes() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            let connection = try RawConnection(port: port)
            try await connection.send(Self.wait)
            try await eventually { endpoint.waiting == 1 }
            connection.finishSending()
            try await eventually { endpoint.waiting == 0 }
        }
    }

    @Test("shutdown with 200 waiting polls ends; each is cancelled and answered")
    func shutdown() async throws {
        let endpoint = EndpointDouble()
        let connections = Mutex<[RawConnection]>([])
        try await withServer(endpoint) { port, _ in
            for _ in 0..<200 {
                let connection = try RawConnection(port: port)
                try await connection.send(Self.wait)
                connections.withLock { $0.append(connection) }
            }
            try await eventually { endpoint.waiting == 200 }
        }
        #expect(endpoint.waiting == 0)
        for connection in connections.withLock({ $0 }) {
            let found = try await connection.readToEnd()
            #expect(found.hasPrefix("HTTP/1.1 204 "))
        }
    }

    @Test("one connection serves poll after poll, and its close still cancels the last")
    func keepAlive() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, server in
            let connection = try RawConnection(port: port)
            for index in 0..<50 {
                let body = "poll \(index)."
                try await connection.send(
                    "POST /mirror HTTP/1.1\r\nhost: x\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)")
                let answer = try await connection.read(until: body)
                #expect(answer.hasPrefix("HTTP/1.1 200 ") && !answer.lowercased().contains("connection: close"))
            }
            try await connection.send(Self.wait)
            try await eventually { endpoint.waiting == 1 && server.openRequests == 1 }
            connection.finishSending()
            try await eventually { endpoint.waiting == 0 && server.openRequests == 0 }
        }
        #expect(endpoint.requests == 51)
    }

    @Test("polls of one carrier wait side by side")
    func sideBySide() async throws {
        let endpoint = EndpointDouble()
        try await withServer(endpoint) { port, _ in
            try await withCarrier(port) { carrier in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<40 {
                        group.addTask {
                            _ = try? await carrier.send(.init(method: "GET", target: "/wait"), deadline: .minutes(5))
                        }
                    }
                    try await eventually { endpoint.waiting == 40 }
                    let answer = try await carrier.send(
                        .init(method: "GET", target: "/status/200"), deadline: .minutes(5))
                    #expect(answer.status == 200)
                    group.cancelAll()
                }
            }
            try await eventually { endpoint.waiting == 0 }
        }
    }
}
