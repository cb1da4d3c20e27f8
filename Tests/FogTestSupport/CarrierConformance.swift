internal import FogCore
package import FogNet
internal import Synchronization

/// What every carrier must do, one rule a check. A carrier that loses messages is asked again, under the same
/// idempotency key where something changes: so the rules say what a caller may rely on, not what a network does.
package struct CarrierConformance: Sendable {
    package enum Rule: String, Sendable, CaseIterable {
        case deliversRequestsUnaltered, deliversAnswersOfEveryStatus, carriesLargeBodies, refusesOversizedBodies
        case keepsAnswersApart, endsAtTheDeadline, cancelsTheHandlerOfASenderWhoLeft, repeatsAreOneEffect
    }

    /// A rule that was broken, and how.
    package struct Broken: Error, CustomStringConvertible {
        package let description: String
    }

    /// Builds the carrier over an endpoint, hands it on, and takes it down again.
    package typealias Scope =
        @Sendable (_ endpoint: any CarrierEndpoint, _ body: @Sendable (any Carrier) async throws -> Void) async throws
        -> Void

    /// Tries of one request over a carrier that loses some.
    private static let triesLimit = 200
    private static let deadline = TimeSpan.minutes(5)

    private let scope: Scope

    package init(_ scope: @escaping Scope) { self.scope = scope }

    /// - Throws: ``Broken``, or what the scope throws.
    package func check(_ rule: Rule) async throws {
        let endpoint = EndpointDouble()
        try await scope(endpoint) { carrier in
            switch rule {
            case .deliversRequestsUnaltered: try await deliversRequests(carrier)
            case .deliversAnswersOfEveryStatus: try await deliversStatuses(carrier)
            case .carriesLargeBodies: try await carriesLargeBodies(carrier)
            case .refusesOversizedBodies: try await refusesOversized(carrier, endpoint)
            case .keepsAnswersApart: try await keepsApart(carrier)
            case .endsAtTheDeadline: try await endsAtDeadline(carrier)
            case .cancelsTheHandlerOfASenderWhoLeft: try await cancels(carrier, endpoint)
            case .repeatsAreOneEffect: try await repeats(carrier, endpoint)
            }
        }
    }

    // MARK: - Rules

    private func deliversRequests(_ carrier: any Carrier) async throws {
        let targets = ["/echo", "/echo?a=1&b=%20%2F", "/echo//x/../y;z=1,2", "/echo?q=a/b?c:@!$'()*+", "/echo/%C3%BC"]
        for (index, target) in targets.enumerated() {
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
                let body = method == "GET" ? [] : (0...255).map { UInt8($0 ^ index) }
                let request = CarrierRequest(
                    method: method, target: target,
                    headers: ["x-echo": "a, b; c=\"d\"", "fog-idempotency-key": "\(index)"], body: body)
                let answer = try await ask(request, over: carrier)
                try expect(answer.status == 200, "\(method) \(target) answered \(answer.status)")
                try expect(answer.body == EndpointDouble.echo(of: request), "\(method) \(target) arrived altered")
                try expect(answer.headers["x-answer"] == "yes, \"it\" is", "the answer's header is altered")
            }
        }
    }

    private func deliversStatuses(_ carrier: any Carrier) async throws {
        for status in [200, 201, 202, 204, 304, 400, 401, 404, 409, 413, 429, 500, 503] {
            let answer = try await ask(.init(method: "GET", target: "/status/\(status)"), over: carrier)
            try expect(answer.status == status, "wanted \(status), found \(answer.status)")
            let body = [204, 304].contains(status) ? [] : Array("status \(status)".utf8)
            try expect(answer.body == body, "the body of \(status) is altered")
        }
    }

    private func carriesLargeBodies(_ carrier: any Carrier) async throws {
        let body = (0..<3 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let answer = try await ask(.init(method: "POST", target: "/mirror", body: body), over: carrier)
        try expect(answer.body == body, "3 MiB came back as \(answer.body.count) bytes, or altered")
    }

    private func refusesOversized(_ carrier: any Carrier, _ endpoint: EndpointDouble) async throws {
        let request = CarrierRequest(
            method: "POST", target: "/mirror", body: [UInt8](repeating: 0, count: CarrierRequest.bodyLimit + 1))
        let failure = await failure(of: request, over: carrier, deadline: Self.deadline)
        try expect(failure?.code == "too_large", "an oversized body was met with \(String(describing: failure))")
        try expect(endpoint.requests == 0, "an oversized body reached the endpoint")
    }

    private func keepsApart(_ carrier: any Carrier) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<100 {
                group.addTask {
                    let body = Array("\(index)".utf8)
                    let request = CarrierRequest(method: "POST", target: "/mirror?\(index)", body: body)
                    let answer = try await ask(request, over: carrier)
                    try expect(answer.body == body, "request \(index) got another's answer")
                }
            }
            try await group.waitForAll()
        }
    }

    private func endsAtDeadline(_ carrier: any Carrier) async throws {
        let request = CarrierRequest(method: "GET", target: "/wait")
        let failure = await failure(of: request, over: carrier, deadline: .milliseconds(50))
        try expect(failure?.code == "timeout", "an unanswered request ended with \(String(describing: failure))")
    }

    private func cancels(_ carrier: any Carrier, _ endpoint: EndpointDouble) async throws {
        var signals = endpoint.signals.makeAsyncIterator()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    _ = try? await carrier.send(.init(method: "GET", target: "/wait"), deadline: .minutes(10))
                }
            }
            try expect(await signals.next() == .waiting, "the request did not arrive")
            group.cancelAll()
            try await group.waitForAll()
        }
        // A duplicate may have begun to wait too; the first that ends, ends because its sender left.
        while let signal = await signals.next(), signal != .left {}
    }

    private func repeats(_ carrier: any Carrier, _ endpoint: EndpointDouble) async throws {
        for index in 0..<20 {
            let request = CarrierRequest(
                method: "POST", target: "/once", headers: ["fog-idempotency-key": "key-\(index)"])
            let first = try await ask(request, over: carrier)
            let second = try await ask(request, over: carrier)
            try expect(first.status == 201 && first.body == second.body, "a repeated request got another answer")
        }
        try expect(endpoint.effects.count == 20, "20 keys had \(endpoint.effects.count) effects")
        try expect(endpoint.requests >= 40, "\(endpoint.requests) requests arrived, at least 40 were answered")
    }

    // MARK: - Asking

    /// Asks until there is an answer; a carrier may lose, but whatever it hands out is the endpoint's.
    private func ask(_ request: CarrierRequest, over carrier: any Carrier) async throws -> CarrierResponse {
        for _ in 1..<Self.triesLimit {
            do throws(CarrierFailure) {
                return try await carrier.send(request, deadline: Self.deadline)
            } catch {
                guard error.code == "timeout" || error.code == "unreachable" else { throw error }
            }
        }
        return try await carrier.send(request, deadline: Self.deadline)
    }

    private func failure(
        of request: CarrierRequest, over carrier: any Carrier, deadline: TimeSpan
    ) async -> CarrierFailure? {
        do throws(CarrierFailure) {
            for _ in 0..<Self.triesLimit {
                do throws(CarrierFailure) {
                    _ = try await carrier.send(request, deadline: deadline)
                    return nil
                } catch {
                    guard error.message.hasSuffix("was lost") else { throw error }
                }
            }
            return nil
        } catch {
            return error
        }
    }

    private func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        guard condition else { throw Broken(description: message()) }
    }
}

/// An endpoint that tells what reached it.
package final class EndpointDouble: CarrierEndpoint {
    package enum Signal: Sendable { case waiting, left }

    private struct State {
        var requests = 0
        var waiting = 0
        var done: Set<String> = []
        var effects: [String] = []
    }

    private let state = Mutex(State())
    private let signal: AsyncStream<Signal>.Continuation
    /// One for each request to `/wait`, and one when its handler was cancelled.
    package let signals: AsyncStream<Signal>

    package init() { (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1 << 16)) }

    package var requests: Int { state.withLock { $0.requests } }
    /// Handlers of `/wait` that are not cancelled yet.
    package var waiting: Int { state.withLock { $0.waiting } }
    /// The idempotency keys in the order in which they had their effect.
    package var effects: [String] { state.withLock { $0.effects } }

    package func handle(_ request: CarrierRequest) async -> CarrierResponse {
        state.withLock { $0.requests += 1 }
        switch request.path {
        case "/mirror": return CarrierResponse(status: 200, body: request.body)
        case "/once": return once(request.headers["fog-idempotency-key"] ?? "")
        case "/wait": return await waitForLeave()
        case let path where path.hasPrefix("/status/"):
            let status = Int(path.dropFirst(8)) ?? 500
            let body = [204, 304].contains(status) ? [] : Array("status \(status)".utf8)
            return CarrierResponse(status: status, body: body)
        default:
            return CarrierResponse(status: 200, headers: ["x-answer": "yes, \"it\" is"], body: Self.echo(of: request))
        }
    }

    /// The parts of a request that a carrier must not touch.
    package static func echo(of request: CarrierRequest) -> [UInt8] {
        let names = ["x-echo", "fog-idempotency-key"]
        let headers = names.map { "\($0): \(request.headers[$0] ?? "none")" }.joined(separator: "\n")
        return Array("\(request.method) \(request.target)\n\(headers)\n\n".utf8) + request.body
    }

    private func once(_ key: String) -> CarrierResponse {
        state.withLock { state in
            if state.done.insert(key).inserted { state.effects.append(key) }
            return CarrierResponse(status: 201, body: Array("done \(key)".utf8))
        }
    }

    private func waitForLeave() async -> CarrierResponse {
        state.withLock { $0.waiting += 1 }
        signal.yield(.waiting)
        // Longer than any test; it ends by cancellation.
        try? await Task.sleep(for: .seconds(3600))
        state.withLock { $0.waiting -= 1 }
        signal.yield(.left)
        return CarrierResponse(status: 204)
    }
}
