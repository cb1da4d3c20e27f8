import FogCore
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
        #expect(OpenAPI.summaries.count == described.count)
    }

    @Test("each operation has its path's parameters, each of them required")
    func parameters() throws {
        for (route, json) in operations {
            let wanted = route.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
            let parameters = try #require(json["parameters"]?.array, "\(route)")
            #expect(parameters.map { $0["name"]?.string ?? "" } == wanted.map(String.init), "\(route)")
            for parameter in parameters {
                #expect(parameter["in"]?.string == "path" && parameter["required"] == .bool(true), "\(route)")
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

    private func resolve(_ reference: String) -> JSON? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.dropFirst(2).split(separator: "/").reduce(document as JSON?) { $0?[String($1)] }
    }
}
