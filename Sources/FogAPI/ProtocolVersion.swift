internal import FogCore
package import FogNet

/// The version of what is spoken below `/v1`, which every request names in `fog-protocol`.
///
/// Raised when one side can no longer understand the other. A coordinator serves its own version and the one before;
/// whoever is older, or newer than it knows, is told so with 426 and the command that helps.
///
/// 1: requests without the header; leases come unsigned. 2: worker links, signed leases.
package enum ProtocolVersion {
    package static let header = "fog-protocol"
    package static let current = 2
    package static let oldest = 1

    /// What a request speaks: 1 when it does not say.
    /// - Throws: 400 `bad_protocol` for what is no number from 0 to 65535.
    package static func of(_ request: CarrierRequest) throws(Problem) -> Int {
        guard let text = request.headers[header] else { return 1 }
        guard let number = UInt16(text), String(number) == text else {
            throw Problem(
                400, "bad_protocol", "`\(header)` must be a number from 0 to 65535, found `\(text.prefix(20))`")
        }
        return Int(number)
    }

    /// - Parameters:
    ///   - software: the coordinator's own version, for people.
    ///   - command: what brings the asker to it.
    /// - Throws: 426 `upgrade_required` for a version that is not served, 400 `bad_protocol`.
    package static func check(_ request: CarrierRequest, software: String, command: String) throws(Problem) {
        let spoken = try of(request)
        guard !(oldest...current).contains(spoken) else { return }
        let served = "the coordinator (fog \(software)) takes \(oldest) to \(current)"
        throw Problem(
            426, "upgrade_required",
            spoken < oldest
                ? "this program is too old: it speaks protocol \(spoken), \(served); upgrade it: \(command)"
                : "this program is newer than the coordinator: it speaks protocol \(spoken), \(served); "
                    + "have the coordinator upgraded, or install its version: \(command)")
    }
}
