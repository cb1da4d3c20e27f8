import FogAPI
import FogCore
import FogJobs
import FogNet
import Testing

@testable import FogHTTP

/// The document describes what is served, all of it and nothing else.
@Suite("The API's description")
struct OpenAPITests {
    private static let methods: Set = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

    private let document: JSON

    init() throws { document = try JSON(parsing: OpenAPI.text) }

    /// Each operation as `GET /v1/jobs/{job}`, with what the document says of it.
    private var operations: [(route: String, json: JSON)] {
        (document["paths"]?.members ?? []).flatMap { path in
            (path.value.members ?? []).map { ("\($0.name.uppercased()) \(path.name)", $0.value) }
        }
    }

    private static var served: [String] {
        (Routes.openRoutes + Routes.routes.map(\.pattern)).map { "\($0.method) \($0.text)" }
    }

    @Test("every route is described, every description has its route, neither twice")
    func sameRoutes() {
        let described = operations.map(\.route)
        let undescribed = Set(Self.served).subtracting(described)
        let unserved = Set(described).subtracting(Self.served)
        #expect(undescribed.isEmpty)
        #expect(unserved.isEmpty)
        #expect(Self.served.count == Set(Self.served).count)
        #expect(described.count == Set(described).count)
        #expect(Operation.all.count == described.count)
        #expect(document["error"] == nil)
    }

    @Test("each operation has its path's parameters, each of them required")
    func parameters() throws {
        for (route, json) in operations {
            let wanted = route.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
            let all = try #require(json["parameters"]?.array, "\(route)")
            let parameters = all.filter { $0["in"]?.string == "path" }
            #expect(parameters.map { $0["name"]?.string ?? "" } == wanted.map(String.init), "\(route)")
            for parameter in parameters {
                #expect(parameter["required"] == .bool(true), "\(route)")
                #expect(parameter["schema"]?["type"]?.string == "string", "\(route)")
            }
        }
    }

    /// https://spec.openapis.org/oas/v3.1.0, the fields marked REQUIRED.
    @Test("the members that OpenAPI 3.1 requires are there")
    func requiredMembers() throws {
        #expect(document["openapi"]?.string?.hasPrefix("3.1.") == true)
        #expect(document["info"]?["title"]?.string?.isEmpty == false)
        #expect(document["info"]?["version"]?.string?.isEmpty == false)
        let paths = try #require(document["paths"]?.members)
        for path in paths {
            #expect(path.name.hasPrefix("/"))
            let methods = Set((path.value.members ?? []).map(\.name))
            #expect(methods.isSubset(of: Self.methods), "\(path.name)")
        }
        #expect(Set(operations.compactMap { $0.json["operationId"]?.string }).count == operations.count)
        for (route, json) in operations {
            #expect(json["summary"]?.string?.isEmpty == false, "\(route)")
            let responses = try #require(json["responses"]?.members, "\(route)")
            #expect(!responses.isEmpty, "\(route)")
            for response in responses {
                if let reference = response.value["$ref"]?.string {
                    #expect(resolve(reference)?["description"]?.string != nil, "\(route): \(reference)")
                } else {
                    #expect(response.value["description"]?.string != nil, "\(route)")
                }
            }
        }
    }

    private func resolve(_ reference: String) -> JSON? { DocumentedAPI.resolve(reference) }

    // MARK: - What is taken

    @Test("the last event that was read is taken in both forms of a history, and refused alike")
    func lastEvent() async throws {
        try await Pool.with { pool in
            for form in ["application/json", "text/event-stream"] {
                for id in ["", "-1", "x", "9223372036854775808"] {
                    let headers: CarrierHeaders = ["accept": form, "last-event-id": id]
                    let answer = try await pool.ask("GET", "/v1/events", by: "admin", headers: headers)
                    expectRefusal(answer, [400], code: "bad_event_id", "\(form) \(id)")
                }
            }
            let all = try await pool.ask("GET", "/v1/events", by: "admin")
            let events = try Wire.decode(EventListBody.self, from: all.body).events
            let rest = try await pool.ask(
                "GET", "/v1/events?after=0", by: "admin", headers: ["last-event-id": "\(events[0].sequence)"])
            #expect(try Wire.decode(EventListBody.self, from: rest.body).events == Array(events.dropFirst()))
        }
    }

    /// Values that a parameter's schema takes, and such as it does not.
    private static func samples(_ schema: JSON) -> (good: [String], bad: [String]) {
        if let choices = schema["enum"]?.array { return (choices.compactMap(\.string), ["x", "", "0x1"]) }
        switch schema["type"]?.string {
        case "integer":
            let (low, high) = (schema["minimum"]?.integer ?? 0, schema["maximum"]?.integer ?? 0)
            let beyond = high == .max ? "9223372036854775808" : "\(high + 1)"
            return (["\(low)", "\(high)"], ["\(low - 1)", beyond, "", "x", "1.0", "+1", "01", " 1", "1e3", "0x1"])
        case "array":
            let choices = (schema["items"]?["enum"]?.array ?? []).compactMap(\.string)
            return ([choices.joined(separator: ","), choices[0]], ["x", "", choices[0] + ",", ",", choices[0] + ",x"])
        default:
            let id = String(repeating: "0", count: 26)
            let candidates = [
                id, "\(id).0.1", "20s", "0", "a=b", "2026-11", "é", String(repeating: "x", count: 1001), "", "x",
                "1.5s",
            ]
            let isGood = { SchemaCheck.mistake(in: .string($0), schema) == nil }
            return (candidates.filter(isGood), candidates.filter { !isGood($0) })
        }
    }

    @Test("each parameter of a query is taken as far as its schema says and no further; others are refused")
    func queries() async throws {
        try await Pool.with { pool in
            let things = try await Things.make(in: pool)
            var checked = 0
            for item in try RouteTable.cases(things) {
                let path = String(item.target.prefix { $0 != "?" })
                let json = try #require(DocumentedAPI.operation(.init(method: item.method, target: path)))
                let all = (json["parameters"]?.array ?? []).filter { $0["in"]?.string == "query" }
                let asker = item.roles.contains(.admin) ? "admin" : item.roles.contains(.worker) ? "worker" : "ada"
                func isRefused(_ query: [String]) async throws -> Bool {
                    let answer = try await pool.ask(
                        item.method, path + (query.isEmpty ? "" : "?") + query.joined(separator: "&"), by: asker,
                        body: item.body)
                    return Problem(answer)?.code == "bad_query"
                }
                // What the operation needs beside the one that is tried.
                func others(_ name: String) -> [String] {
                    all.filter { $0["required"]?.bool == true && $0["name"]?.string != name }.map {
                        "\($0["name"]?.string ?? "")=\(Self.escaped(Self.samples($0["schema"] ?? .null).good[0]))"
                    }
                }
                for parameter in all {
                    let name = parameter["name"]?.string ?? ""
                    let (good, bad) = Self.samples(try #require(parameter["schema"]))
                    #expect(!good.isEmpty && !bad.isEmpty, "\(item.route) \(name)")
                    for value in good where name != "wait" || value == "0" {
                        let query = others(name) + ["\(name)=\(Self.escaped(value))"]
                        #expect(try await !isRefused(query), "\(item.route) refuses \(query)")
                        #expect(try await isRefused(query + query), "\(item.route) takes \(name) twice")
                    }
                    for value in bad {
                        let query = others(name) + ["\(name)=\(Self.escaped(value))"]
                        #expect(try await isRefused(query), "\(item.route) takes \(query)")
                    }
                    if parameter["required"]?.bool == true {
                        #expect(try await isRefused(others(name)), "\(item.route) does not miss \(name)")
                    }
                    checked += 1
                }
                #expect(try await isRefused(others("") + ["unheard_of=1"]), "\(item.route) takes any parameter")
            }
            #expect(checked >= 30)
            try await pool.isUnharmed()
        }
    }

    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte)
            return isPlain ? String(Unicode.Scalar(byte)) : "%" + Hex.encode([byte]).uppercased()
        }.joined()
    }
}
