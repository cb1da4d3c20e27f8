import FogAPI
import FogCore
import FogNet
import Foundation
import Synchronization
import Testing

@testable import FogHTTP

/// The API's description, held against what was really asked and answered: every test that asks a ``Pool`` tests the
/// description as well.
enum DocumentedAPI {
    static let document = (try? JSON(parsing: OpenAPI.text)) ?? .null

    private static let operations: [(pattern: RoutePattern, json: JSON)] = (document["paths"]?.members ?? []).flatMap {
        path in
        (path.value.members ?? []).map { (RoutePattern("\($0.name.uppercased()) \(path.name)"), $0.value) }
    }

    static func operation(_ request: CarrierRequest) -> JSON? {
        let path = request.path.split(separator: "/")
        return operations.first { $0.pattern.method == request.method && $0.pattern.match(path) != nil }?.json
    }

    /// What of an exchange the description does not say; nil when it says it all.
    static func mistake(in request: CarrierRequest, _ answer: CarrierResponse) -> String? {
        guard let operation = operation(request) else {
            return [400, 404, 405, 408, 413, 426, 431, 503].contains(answer.status)
                ? nil : "\(answer.status) to what is not described"
        }
        guard var response = operation["responses"]?[String(answer.status)] else {
            return "\(answer.status) is not described"
        }
        if let reference = response["$ref"]?.string { response = resolve(reference) ?? .null }
        return mistake(in: answer, response) ?? mistake(in: request, answer, operation)
    }

    private static func mistake(in answer: CarrierResponse, _ response: JSON) -> String? {
        let type = (answer.headers["content-type"] ?? "").prefix { $0 != ";" }
        guard let schema = response["content"]?[String(type)]?["schema"] else {
            return "`\(type)` is not described for \(answer.status)"
        }
        guard type.hasSuffix("json") else { return nil }
        guard let body = try? JSON(parsing: answer.body) else { return "the answer is no JSON" }
        return SchemaCheck.mistake(in: body, schema).map { "the answer: \($0)" }
    }

    /// The body of a request and what was made of it must agree with its schema, in both directions.
    private static func mistake(
        in request: CarrierRequest, _ answer: CarrierResponse, _ operation: JSON
    ) -> String? {
        guard let schema = operation["requestBody"]?["content"]?["application/json"]?["schema"] else { return nil }
        if request.body.isEmpty, operation["requestBody"]?["required"]?.bool == false { return nil }
        let json = try? JSON(parsing: request.body)
        let mistake = json.map { SchemaCheck.mistake(in: $0, schema) } ?? "is no JSON"
        if let mistake, answer.status < 300 { return "a body was taken that the description refuses: \(mistake)" }
        guard mistake == nil, Problem(answer)?.code == "bad_body" else { return nil }
        return "a body was refused that the description takes: \(Problem(answer)?.detail ?? "")"
    }

    static func resolve(_ reference: String) -> JSON? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.dropFirst(2).split(separator: "/").reduce(document as JSON?) { $0?[String($1)] }
    }
}

/// JSON Schema 2020-12, as much of it as the description uses.
enum SchemaCheck {
    /// Where a value is not what its schema says; nil when it is.
    static func mistake(in value: JSON, _ schema: JSON, at path: String = "") -> String? {
        if let reference = schema["$ref"]?.string {
            guard let target = DocumentedAPI.resolve(reference) else { return "\(reference) is nowhere" }
            return mistake(in: value, target, at: path)
        }
        if let any = schema["anyOf"]?.array {
            let mistakes = any.map { mistake(in: value, $0, at: path) }
            return mistakes.contains(nil) ? nil : mistakes.compactMap(\.self).joined(separator: "; ")
        }
        if let all = schema["enum"]?.array, !all.contains(value) {
            return "\(path) is \(value.compact.prefix(60)), none of \(all.map(\.compact))"
        }
        if let types = schema["type"].map({ $0.array ?? [$0] }), !types.contains(where: { has(value, $0.string ?? "") })
        {
            return "\(path) is \(value.compact.prefix(60)), no \(types.map(\.compact))"
        }
        switch value {
        case .string(let text): return mistake(inText: text, schema, path)
        case .integer(let number):
            let range = (schema["minimum"]?.integer ?? .min)...(schema["maximum"]?.integer ?? .max)
            return range.contains(number) ? nil : "\(path) is \(number), beyond \(range)"
        case .array(let elements): return mistake(inList: elements, schema, path)
        case .object(let members): return mistake(inObject: members, schema, path)
        default: return nil
        }
    }

    private static func has(_ value: JSON, _ type: String) -> Bool {
        switch (value, type) {
        case (.null, "null"), (.bool, "boolean"), (.integer, "integer"), (.integer, "number"), (.double, "number"),
            (.string, "string"), (.array, "array"), (.object, "object"):
            true
        case (.double(let number), "integer"): Int64(exactly: number) != nil
        default: false
        }
    }

    private static func mistake(inText text: String, _ schema: JSON, _ path: String) -> String? {
        let count = Int64(text.unicodeScalars.count)
        let range = (schema["minLength"]?.integer ?? 0)...(schema["maxLength"]?.integer ?? .max)
        guard range.contains(count) else { return "\(path) has \(count) characters" }
        if let pattern = schema["pattern"]?.string, !Patterns.matches(text, pattern) {
            return "\(path) is `\(text.prefix(60))`, not \(pattern)"
        }
        if schema["format"]?.string == "date-time", (try? Timestamp(text)) == nil { return "\(path) is no time" }
        return nil
    }

    private static func mistake(inList elements: [JSON], _ schema: JSON, _ path: String) -> String? {
        let range = (schema["minItems"]?.integer ?? 0)...(schema["maxItems"]?.integer ?? .max)
        guard range.contains(Int64(elements.count)) else { return "\(path) has \(elements.count) elements" }
        guard let items = schema["items"] else { return nil }
        return elements.enumerated().lazy.compactMap { mistake(in: $1, items, at: "\(path)/\($0)") }.first
    }

    private static func mistake(inObject members: [JSON.Member], _ schema: JSON, _ path: String) -> String? {
        for name in schema["required"]?.array ?? [] where !members.contains(where: { $0.name == name.string }) {
            return "\(path) lacks \(name.compact)"
        }
        return members.lazy.compactMap { member in
            (schema["properties"]?[member.name] ?? schema["additionalProperties"]).flatMap {
                mistake(in: member.value, $0, at: "\(path)/\(member.name)")
            }
        }.first
    }

    private enum Patterns {
        private static let known = Mutex<[String: NSRegularExpression]>([:])

        /// Anywhere in the text, as JSON Schema has it.
        static func matches(_ text: String, _ pattern: String) -> Bool {
            known.withLock { known in
                // The end is the text's end, not also the line's.
                let exact = pattern.replacingOccurrences(of: "$", with: "\\z")
                guard let regex = known[pattern] ?? (try? NSRegularExpression(pattern: exact)) else { return false }
                known[pattern] = regex
                return regex.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
            }
        }
    }
}
