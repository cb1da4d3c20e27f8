internal import FogCore

/// Finds out what a type reads from JSON by letting it read: the schema cannot say anything else than the decoder.
///
/// Each member that is asked for becomes a property; one that is only asked for when it is there is optional. What
/// stands for a value by itself (an id, a time, an amount) is a ``SchemaLeaf``.
struct SchemaReader {
    /// Schemas of named types, by the name they have in the document.
    private(set) var components: [String: JSON] = [:]

    /// Names named types instead of writing them out where they stand.
    mutating func reference(to type: any Decodable.Type) throws -> JSON {
        let recorder = Recorder(isNaming: true)
        let schema = try Self.describe(type, recorder)
        components.merge(recorder.components) { first, _ in first }
        return schema
    }

    /// The whole schema, with nothing named elsewhere.
    static func schema(of type: any Decodable.Type) throws -> JSON { try describe(type, Recorder(isNaming: false)) }

    /// `FogAPI.JobBody.Step` is `JobBody.Step`.
    static func name(of type: Any.Type) -> String {
        String(reflecting: type).split(separator: ".").dropFirst().joined(separator: ".")
    }

    private static func describe<Value: Decodable>(_: Value.Type, _ recorder: Recorder) throws -> JSON {
        try recorder.describe(Value.self).schema
    }
}

/// What one reading found.
private final class Recorder {
    let isNaming: Bool
    var components: [String: JSON] = [:]

    init(isNaming: Bool) { self.isNaming = isNaming }

    /// The schema of a type, and a value of it so that the type that asked can go on.
    func describe<Value: Decodable>(_ type: Value.Type) throws -> (schema: JSON, sample: Value) {
        if let leaf = SchemaLeaf.of(type), let sample = leaf.sample as? Value { return (leaf.schema, sample) }
        if let choice = type as? any CaseIterable.Type, let sample = Self.first(of: choice) as? Value {
            return (.object(["type": "string", "enum": .array(Self.names(of: choice).map(JSON.string))]), sample)
        }
        if let composite = type as? any Composite.Type, let sample = composite.sample as? Value {
            return (try composite.schema(recorder: self), sample)
        }
        let (schema, sample) = try members(of: type)
        guard isNaming else { return (schema, sample) }
        let name = SchemaReader.name(of: type)
        components[name] = schema
        return (.object(["$ref": .string("#/components/schemas/\(name)")]), sample)
    }

    private func members<Value: Decodable>(of type: Value.Type) throws -> (JSON, Value) {
        let reading = Reading(self)
        let sample = try Value(from: SchemaDecoder(reading))
        if let whole = reading.whole { return (whole, sample) }
        let required = reading.members.filter(\.isRequired).map { JSON.string($0.name) }
        return (
            .object([
                "type": "object", "required": required.isEmpty ? nil : .array(required),
                "properties": .object(reading.members.map { JSON.Member($0.name, $0.schema) }),
            ]), sample
        )
    }

    private static func names<Choice: CaseIterable>(of _: Choice.Type) -> [String] {
        Choice.allCases.compactMap { ($0 as? any RawRepresentable)?.rawValue as? String }
    }

    private static func first<Choice: CaseIterable>(of type: Choice.Type) -> Any? {
        names(of: type).isEmpty ? nil : Choice.allCases.first
    }
}

/// Lists, tables and values that may be missing: their schema is made of another's.
private protocol Composite {
    static var sample: Any { get }
    static func schema(recorder: Recorder) throws -> JSON
}

extension Array: Composite where Element: Decodable {
    fileprivate static var sample: Any { [Element]() }
    fileprivate static func schema(recorder: Recorder) throws -> JSON {
        .object(["type": "array", "items": try recorder.describe(Element.self).schema])
    }
}

extension Dictionary: Composite where Key == String, Value: Decodable {
    fileprivate static var sample: Any { [String: Value]() }
    fileprivate static func schema(recorder: Recorder) throws -> JSON {
        .object(["type": "object", "additionalProperties": try recorder.describe(Value.self).schema])
    }
}

extension Optional: Composite where Wrapped: Decodable {
    fileprivate static var sample: Any { Self.none as Any }
    fileprivate static func schema(recorder: Recorder) throws -> JSON {
        try recorder.describe(Wrapped.self).schema.orNull
    }
}

extension JSON {
    /// The schema of the same, or null.
    fileprivate var orNull: JSON {
        guard var members, let place = members.firstIndex(where: { $0.name == "type" }),
            !members.contains(where: { $0.name == "enum" })
        else { return .object(["anyOf": .array([self, .object(["type": "null"])])]) }
        members[place] = Member("type", .array([members[place].value, "null"]))
        return .object(members)
    }
}

// MARK: - The decoder

/// What one type asked its decoder for.
private final class Reading {
    struct Member {
        var name: String
        var schema: JSON
        var isRequired: Bool
    }

    let recorder: Recorder
    var members: [Member] = []
    /// The names that were asked for first: only when they are there.
    var optional: Set<String> = []
    /// Of a type that reads one value.
    var whole: JSON?

    init(_ recorder: Recorder) { self.recorder = recorder }

    func add<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        let (schema, sample) = try recorder.describe(type)
        let isRequired = !optional.contains(name)
        members.append(Member(name: name, schema: isRequired ? schema : schema.orNull, isRequired: isRequired))
        return sample
    }
}

private struct SchemaDecoder: Decoder {
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]
    private let reading: Reading

    init(_ reading: Reading) { self.reading = reading }

    func container<Key: CodingKey>(keyedBy _: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(SchemaMembers<Key>(reading))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw unsupported }
    func singleValueContainer() -> any SingleValueDecodingContainer { SchemaValue(reading) }
}

/// A type that reads its lists or its parents by itself has no schema here; a test asks for every one.
private let unsupported = DecodingError.dataCorrupted(
    .init(codingPath: [], debugDescription: "a schema is made of members, single values, lists and tables"))

private struct SchemaMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let codingPath: [any CodingKey] = []
    let allKeys: [Key] = []
    private let reading: Reading

    init(_ reading: Reading) { self.reading = reading }

    func contains(_ key: Key) -> Bool {
        reading.optional.insert(key.stringValue)
        return true
    }

    func decodeNil(forKey _: Key) -> Bool { false }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try reading.add(type, key.stringValue)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy _: Nested.Type, forKey _: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw unsupported }
    func nestedUnkeyedContainer(forKey _: Key) throws -> any UnkeyedDecodingContainer { throw unsupported }
    func superDecoder() throws -> any Decoder { throw unsupported }
    func superDecoder(forKey _: Key) throws -> any Decoder { throw unsupported }
}

private struct SchemaValue: SingleValueDecodingContainer {
    let codingPath: [any CodingKey] = []
    private let reading: Reading

    init(_ reading: Reading) { self.reading = reading }

    func decodeNil() -> Bool { false }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let (schema, sample) = try reading.recorder.describe(type)
        reading.whole = schema
        return sample
    }
}
