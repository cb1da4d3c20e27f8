package import FogCore

/// The manifest's JSON Schema (draft 2020-12), for editors.
package enum ManifestSchema {
    /// Indented text, as `fog job schema` prints it.
    package static var text: String { json.pretty + "\n" }

    package static var json: JSON {
        let job = ManifestKeys.all.filter { $0.place != .step }
        let step = ManifestKeys.all.filter { $0.place != .job }
        let single = ["run", "command"].map(requires)
        let alone = ["run", "command"].map { name in
            JSON.object(["required": .array([.string(name)]), "not": requires("steps")])
        }
        // Beside `steps` these stand in the steps only.
        let graph: JSON = .object([
            "required": ["steps"],
            "not": .object(["anyOf": .array(["run", "command", "array", "sweep", "outputs"].map(requires))]),
        ])
        return .object([
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Fog job manifest", "type": "object",
            "properties": properties(job), "additionalProperties": false,
            "oneOf": .array(alone + [graph]), "not": .object(["required": ["array", "sweep"]]),
            "$defs": .object([
                "step": .object([
                    "type": "object", "properties": properties(step), "additionalProperties": false,
                    "oneOf": .array(single), "not": .object(["required": ["array", "sweep"]]),
                ])
            ]),
        ])
    }

    private static func requires(_ name: String) -> JSON { .object(["required": .array([.string(name)])]) }

    fileprivate static func properties(_ keys: [ManifestKey]) -> JSON {
        .object(
            keys.map { key in
                JSON.Member(key.name, .object([.init("description", .string(key.meaning))] + (key.form.members ?? [])))
            })
    }
}

/// Forms of values, as JSON Schema.
enum Form {
    static let text: JSON = .object(["type": ["string", "number"]])
    static let number: JSON = .object(["type": "number", "exclusiveMinimum": 0])
    static let name: JSON = .object(["type": "string", "pattern": "^[a-z0-9-]{1,63}$"])
    static let size: JSON = .object(["type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$"])
    static let span: JSON = .object(["type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"])
    static let spanOrNone: JSON = .object(["type": "string", "pattern": "^([0-9]+(ms|s|m|h|d)|none)$"])
    static let credits: JSON = .object(["type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]{1,6})?$"])
    static let scalar: JSON = .object(["type": ["string", "number", "boolean"]])
    static let textMap: JSON = .object(["type": "object", "additionalProperties": scalar])
    static let exitCodes: JSON = .object(["type": "array", "items": integer(0...255)])
    static let verification = either(words(["auto", "none"]), integer(2...Quorum.maxResults))
    static let exitCodesOrAll = either(words(["all"]), exitCodes)

    /// A map of values, the path of a table, or (order told by the list) a list of one-key maps.
    static let sweep: JSON = {
        let values = either(.object(["type": "array", "items": scalar, "minItems": 1]), text)
        let map: JSON = .object(["type": "object", "additionalProperties": values, "minProperties": 1])
        return either(.object(["type": "string"]), map, .object(["type": "array", "items": map, "minItems": 1]))
    }()

    static func text(like pattern: String) -> JSON { .object(["type": "string", "pattern": .string(pattern)]) }
    static func words(_ words: [String]) -> JSON { .object(["enum": .array(words.map { .string($0) })]) }
    static func either(_ forms: JSON...) -> JSON { .object(["anyOf": .array(forms)]) }

    static func integer(_ range: ClosedRange<Int>) -> JSON {
        .object([
            "type": "integer", "minimum": .integer(Int64(range.lowerBound)),
            "maximum": .integer(Int64(range.upperBound)),
        ])
    }

    static func texts(atLeast count: Int = 0) -> JSON {
        .object(["type": "array", "items": scalar, "minItems": count > 0 ? .integer(Int64(count)) : nil])
    }

    static func map(_ keys: [ManifestKey]) -> JSON {
        .object(["type": "object", "properties": ManifestSchema.properties(keys), "additionalProperties": false])
    }
}
