internal import FogAPI
internal import FogCore
internal import FogJobs

/// A type that JSON writes as one text or number: its schema, and a value of it.
struct SchemaLeaf {
    let schema: JSON
    let sample: Any

    /// Nil for a type that is made of others.
    static func of(_ type: Any.Type) -> SchemaLeaf? { all[ObjectIdentifier(type)] }

    /// An id of 16 bytes: 26 characters of base32, the last of which holds three bits.
    static let id = #"^[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$"#
    static let attempt = #"^[0-9a-hjkmnp-tv-z]{25}[048cgmrw](\.(0|[1-9][0-9]{0,8})){2}$"#
    /// In one form only: the bits that are left over are 0.
    private static let base64 =
        #"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"#
    static let digest = #"^[0-9a-f]{64}$"#

    private static func text(_ pattern: String?, _ words: String? = nil, format: String? = nil) -> JSON {
        .object([
            "type": "string", "format": format.map(JSON.string), "pattern": pattern.map(JSON.string),
            "description": words.map(JSON.string),
        ])
    }

    private static func integer(_ range: ClosedRange<Int64>, _ words: String? = nil) -> JSON {
        .object([
            "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
            "description": words.map(JSON.string),
        ])
    }

    // Computed once, when somebody asks for the document; nothing of it is shared between threads but constants.
    nonisolated(unsafe) private static let all: [ObjectIdentifier: SchemaLeaf] = {
        var all: [ObjectIdentifier: SchemaLeaf] = [:]
        func add<Value>(_ sample: Value, _ schema: JSON) {
            all[ObjectIdentifier(Value.self)] = SchemaLeaf(schema: schema, sample: sample)
        }
        let whole = Int64.min...Int64.max
        add(false, .object(["type": "boolean"]))
        add("", text(nil))
        add(0 as Int, integer(whole))
        add(0 as Int64, integer(whole))
        add(0 as UInt32, integer(0...Int64(UInt32.max)))
        add(0 as UInt64, integer(0...Int64.max))
        add(0 as Double, .object(["type": "number"]))
        add(ByteCount.zero, integer(whole, "bytes"))
        add(Millicores.zero, integer(whole, "thousandths of a processor core"))
        add(TimeSpan.zero, integer(whole, "milliseconds"))
        add(Credits.zero, text(#"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"#, "credits"))
        add(Timestamp.zero, text(nil, "RFC 3339", format: "date-time"))
        add(Digest.zero, text(digest, "BLAKE2b-256 or SHA-256, as it is said where it stands"))
        let key = SigningKey.generate()
        add(key.publicKey, text(#"^fogkey1[0-9a-hjkmnp-tv-z]{52}$"#, "an Ed25519 public key of the prime-order group"))
        add(key.publicKey.id, text(id, "the name of a public key"))
        add(key.sign([]), text(#"^[A-Za-z0-9+/]{85}[AQgw]==$"#, "64 bytes in base64"))
        let job = JobID(high: 0, low: 0)
        add(job, text(id))
        add(NodeID(high: 0, low: 0), text(id))
        add(AccountID(high: 0, low: 0), text(id))
        add(TransferID(high: 0, low: 0), text(id))
        add(LinkID(high: 0, low: 0), text(id))
        add(AttemptID(task: TaskID(job: job, number: 0), token: 0), text(attempt, "job, task and token"))
        add(Base64Bytes([]), text(base64, "base64"))
        return all
    }()
}
