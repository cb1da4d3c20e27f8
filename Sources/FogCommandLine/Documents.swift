internal import FogAPI
package import FogCore

/// Bodies of the API as documents for `--output json`.
package enum Documents {
    /// Members are sorted by name, so that equal things print alike.
    package static func document(of body: some Encodable) throws -> JSON {
        sorted(try JSON(parsing: Wire.encode(body)))
    }

    private static func sorted(_ json: JSON) -> JSON {
        switch json {
        case .object(let members):
            .object(members.sorted { $0.name < $1.name }.map { JSON.Member($0.name, sorted($0.value)) })
        case .array(let elements): .array(elements.map(sorted))
        default: json
        }
    }

    /// The document with further members behind its own.
    package static func adding(_ more: KeyValuePairs<String, JSON?>, to json: JSON) -> JSON {
        .object((json.members ?? []) + (JSON.object(more).members ?? []))
    }
}
