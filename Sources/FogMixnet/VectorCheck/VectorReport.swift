package import FogCore

/// What a file of test vectors said of this build.
package struct VectorReport: Sendable, Equatable {
    /// What the vectors are of: `fog-packets`, `vrf-r255`, ….
    package let kind: String
    package internal(set) var passed = 0
    /// Each with the case and what differed.
    package internal(set) var failures: [String] = []
    /// What is in the file and was not compared, and why.
    package internal(set) var skipped: [String] = []

    package var isGood: Bool { failures.isEmpty && passed > 0 }

    init(_ kind: String) { self.kind = kind }

    /// One comparison: words are asked for only when it failed.
    mutating func expect(_ condition: Bool, _ words: @autoclosure () -> String) {
        if condition { passed += 1 } else { failures.append(words()) }
    }

    /// Runs a case; what it throws is a failure of it.
    mutating func run(_ name: String, _ body: (inout VectorReport) throws -> Void) {
        do {
            try body(&self)
        } catch {
            failures.append("\(name): \(error)")
        }
    }

    /// Compares a document of vectors with this build.
    /// - Throws: `unknown_vectors` for a document of no form that is known here.
    package static func check(_ document: JSON) throws(MixnetFailure) -> VectorReport {
        if document["format"]?.string?.hasPrefix("fog-packet-v1") == true { return PacketVectors.check(document) }
        if document["format"]?.string?.hasPrefix("nym sphinx-packet") == true { return NymVectors.check(document) }
        if document["vector"]?["SK"] != nil || document["suites"] != nil { return VRFVectors.check(document) }
        if let first = document["vectors"]?.array?.first, first["protocol_name"] ?? first["handshake"] != nil {
            return NoiseVectors.check(document)
        }
        if document["x25519_rfc7748"] != nil { return PrimitiveVectors.check(document) }
        if document.array?.first?["cipher"] != nil { return LionessVectors.check(document) }
        throw MixnetFailure(
            "unknown_vectors", "the document is of no form that is known here: fog packets, VRF, Noise, LIONESS, RFCs")
    }
}

extension JSON {
    /// - Throws: `bad_vectors` when the member is missing or of another kind.
    func text(_ name: String) throws(MixnetFailure) -> String {
        guard let text = self[name]?.string else { throw MixnetFailure("bad_vectors", "\(name): a text is wanted") }
        return text
    }

    func whole(_ name: String) throws(MixnetFailure) -> Int64 {
        guard let value = self[name]?.integer else { throw MixnetFailure("bad_vectors", "\(name): a number is wanted") }
        return value
    }

    func list(_ name: String) throws(MixnetFailure) -> [JSON] {
        guard let list = self[name]?.array else { throw MixnetFailure("bad_vectors", "\(name): a list is wanted") }
        return list
    }

    func hex(_ name: String) throws(MixnetFailure) -> [UInt8] {
        guard let bytes = Hex.decode(try text(name)) else {
            throw MixnetFailure("bad_vectors", "\(name): hexadecimal digits are wanted")
        }
        return bytes
    }

    func hexes(_ name: String) throws(MixnetFailure) -> [[UInt8]] {
        var out: [[UInt8]] = []
        for element in try list(name) {
            guard let text = element.string, let bytes = Hex.decode(text) else {
                throw MixnetFailure("bad_vectors", "\(name): hexadecimal digits are wanted")
            }
            out.append(bytes)
        }
        return out
    }
}
