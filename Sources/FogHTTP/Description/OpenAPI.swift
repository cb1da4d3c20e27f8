internal import FogAPI
internal import FogCore
internal import FogJobs

/// The API's description for tools, OpenAPI 3.1: made of the operations and of what their bodies' types read.
package enum OpenAPI {
    package static let text: String = {
        do {
            return try document().compact
        } catch {
            // A type that reads itself in a way that no schema says; a test asks for the document.
            return JSON.object(["openapi": "3.1.0", "error": .string("\(error)")]).compact
        }
    }()

    static func document() throws -> JSON {
        var reader = SchemaReader()
        // Named by others, and answered by no operation itself.
        for type in [QuoteBody.self, LeaseAnswer.self] as [any Decodable.Type] { _ = try reader.reference(to: type) }
        var paths: [String: [JSON.Member]] = [:]
        for operation in Operation.all.sorted(by: { $0.route < $1.route }) {
            paths[operation.path, default: []].append(
                .init(operation.method.lowercased(), try describe(operation, &reader)))
        }
        let sorted = paths.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .object($0.value)) }
        let schemas = reader.components.sorted { $0.key < $1.key }.map { JSON.Member($0.key, $0.value) }
        return .object([
            "openapi": "3.1.0",
            "info": .object(["title": "Fog coordinator", "version": "1", "description": .string(introduction)]),
            "paths": .object(sorted),
            "components": .object([
                "schemas": .object(schemas + [.init("Problem", problem)]),
                "responses": .object(
                    refusals.sorted { $0.key < $1.key }.map { .init("Refusal\($0.key)", refusal($0.value, $0.key)) }),
                "securitySchemes": .object([
                    "signature": .object([
                        "type": "apiKey", "in": "header", "name": "Signature",
                        "description":
                            "RFC 9421: see the introduction; Signature-Input and Content-Digest belong to it.",
                    ])
                ]),
            ]),
        ])
    }

    private static let introduction = """
        Requests are signed by RFC 9421 (ed25519, tag fog-v1) over @method, @path, @query, content-digest, \
        fog-coordinator and, where they are there, fog-protocol and fog-idempotency-key. Answers to anything but GET are \
        signed too. Errors are RFC 9457 documents with a stable code. A parameter that an operation does not name is \
        refused, and so is one that stands twice.
        """

    // MARK: - Operations

    private static func describe(_ operation: Operation, _ reader: inout SchemaReader) throws -> JSON {
        var responses: [(Int, JSON)] = []
        for (status, content) in operation.answers {
            responses.append((status, try answer(content, operation, &reader)))
        }
        for status in operation.refusals {
            responses.append((status, .object(["$ref": .string("#/components/responses/Refusal\(status)")])))
        }
        return .object([
            "summary": .string(operation.summary),
            "operationId": .string(operation.route.map { $0.isLetter ? String($0) : "_" }.joined()),
            "parameters": .array(parameters(of: operation)),
            "requestBody": try requestBody(of: operation),
            "security": operation.isSigned ? .array([.object(["signature": []])]) : nil,
            "responses": .object(
                responses.sorted { $0.0 < $1.0 }.map { .init(String($0.0), $0.1) }),
        ])
    }

    private static func parameters(of operation: Operation) -> [JSON] {
        let path = operation.parameters.map { name in
            JSON.object([
                "name": .string(name), "in": "path", "required": true,
                "schema": .object([
                    "type": "string", "minLength": 1,
                    "pattern": name == "digest" ? .string(SchemaLeaf.digest) : nil,
                ]),
            ])
        }
        let version = Operation.header(
            ProtocolVersion.header, "The version that is spoken; 1 when it does not say.",
            .object([
                "type": "integer", "minimum": .integer(Int64(ProtocolVersion.oldest)),
                "maximum": .integer(Int64(ProtocolVersion.current)),
            ]))
        return path + operation.query.map(\.json) + operation.headers + (operation.isVersioned ? [version] : [])
    }

    private static func requestBody(of operation: Operation) throws -> JSON? {
        let content: (type: String, schema: JSON)
        switch operation.body {
        case .none: return nil
        case .json(let type):
            content = ("application/json", adding(operation.bounds, to: try SchemaReader.schema(of: type)))
        case .document(let schema): content = ("application/json", schema)
        case .text(let type): content = (type, .object(["type": "string"]))
        case .bytes: content = ("application/octet-stream", .object([JSON.Member]()))
        }
        return .object([
            "required": .bool(!operation.isBodyOptional),
            "content": .object([JSON.Member(content.type, .object(["schema": content.schema]))]),
        ])
    }

    /// The schema with bounds of its members, whose paths are `member.member`.
    private static func adding(_ bounds: Operation.Bounds, to schema: JSON) -> JSON {
        guard case .object(let members) = schema else { return schema }
        return .object(
            members.map { member in
                guard member.name == "properties", case .object(let properties) = member.value else { return member }
                let changed = properties.map { property -> JSON.Member in
                    let deeper = bounds.filter { $0.key.hasPrefix(property.name + ".") }.map {
                        (String($0.key.dropFirst(property.name.utf8.count + 1)), $0.value)
                    }
                    let inner = adding(.init(uniqueKeysWithValues: deeper), to: property.value)
                    return .init(property.name, merging(bounds[property.name] ?? [], into: inner))
                }
                return .init("properties", .object(changed))
            })
    }

    private static func merging(_ keywords: [JSON.Member], into schema: JSON) -> JSON {
        guard case .object(let members) = schema else { return schema }
        let names = Set(keywords.map(\.name))
        return .object(members.filter { !names.contains($0.name) } + keywords)
    }

    private static func answer(
        _ content: Operation.Content, _ operation: Operation, _ reader: inout SchemaReader
    ) throws -> JSON {
        var types: [JSON.Member] = []
        func add(_ type: String, _ schema: JSON) { types.append(.init(type, .object(["schema": schema]))) }
        switch content {
        case .none: break
        case .json(let type): add("application/json", try reader.reference(to: type))
        case .document(let schema): add("application/json", schema)
        case .text(let type): add(type, .object(["type": "string"]))
        case .bytes: add("application/octet-stream", .object([JSON.Member]()))
        }
        if operation.isStreamed { add("text/event-stream", .object(["type": "string"])) }
        return .object(["description": "done", "content": types.isEmpty ? nil : .object(types)])
    }

    // MARK: - Refusals

    private static let refusals = [
        400: "something in the request is not as the operation wants it",
        401: "no signature, or one that does not hold; your clock is off",
        403: "the key has not the role that this needs",
        404: "there is no such thing, or it is another's",
        408: "the body took too long",
        409: "what is asked does not go together with how things are, or a name is that of several",
        413: "too large",
        422: "the manifest is wrong; `errors` says where",
        426: "the program is too old or too new; `detail` has the command that helps",
        429: "a bound of the asker's account or key is reached; Retry-After says when to ask again",
        431: "the header fields are too large or too many",
        503: "the coordinator takes nothing at the moment; Retry-After says when to ask again",
    ]

    private static func refusal(_ words: String, _ status: Int) -> JSON {
        let retry = JSON.object(["retry-after": .object(["schema": .object(["type": "integer"])])])
        return .object([
            "description": .string(words), "headers": status == 429 || status == 503 ? retry : nil,
            "content": .object([
                JSON.Member(
                    Problem.contentType,
                    .object(["schema": .object(["$ref": "#/components/schemas/Problem"])]))
            ]),
        ])
    }

    private static let problem = JSON.object([
        "type": "object", "required": ["type", "title", "status", "detail", "code"],
        "properties": .object([
            "type": .object(["type": "string"]),
            "title": .object(["type": "string"]),
            "status": .object(["type": "integer", "minimum": 400, "maximum": 599]),
            "detail": .object(["type": "string"]),
            "code": .object(["type": "string", "pattern": "^[a-z0-9_]+$"]),
            "instance": .object(["type": "string"]),
            "errors": .object([
                "type": "array",
                "items": .object([
                    "type": "object", "required": ["pointer", "detail"],
                    "properties": .object([
                        "pointer": .object(["type": "string"]), "detail": .object(["type": "string"]),
                        "hint": .object(["type": "string"]), "line": .object(["type": "integer", "minimum": 1]),
                        "col": .object(["type": "integer", "minimum": 1]),
                    ]),
                ]),
            ]),
            "server_time": .object(["type": "string", "format": "date-time"]),
            "retry_after_seconds": .object(["type": "integer", "minimum": 0]),
        ]),
    ])
}
