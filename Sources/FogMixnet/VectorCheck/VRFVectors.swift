internal import FogCore

/// Vectors of RFC 9381 appendix B.3, and of C2SP vrf-r255.
enum VRFVectors {
    static func check(_ document: JSON) -> VectorReport {
        var report = VectorReport("vrf")
        if let entry = document["vector"] {
            report.run("vrf-r255") { report in
                try proof(
                    entry, "vrf-r255", .ristretto, names: ("SK", "PK", "H"), RistrettoGroup.self, &report)
            }
        }
        for suite in document["suites"]?.members ?? [] {
            let entries = suite.value["vectors"]?.array ?? []
            guard suite.name == VRFSuite.edwards.description else {
                report.skipped.append("\(entries.count) of \(suite.name): the suite is not used here")
                continue
            }
            for (number, entry) in entries.enumerated() {
                let name = "\(suite.name) \(number)"
                report.run(name) { report in
                    try proof(entry, name, .edwards, names: ("sk", "pk", "h"), EdwardsGroup.self, &report)
                }
            }
        }
        var others = 0
        for (number, entry) in (document["invalid"]?.array ?? []).enumerated() {
            guard entry["suite"]?.string == "TAI" else {
                others += 1
                continue
            }
            let name = "invalid \(number) (\(entry["why"]?.string ?? ""))"
            report.run(name) { report in
                let key = try? VRFPublicKey(bytes: entry.hex("pk"), suite: .edwards)
                let output = try key?.output(for: entry.hex("alpha"), proof: entry.hex("pi"))
                report.expect(output == nil, "\(name): accepted")
            }
        }
        if others > 0 { report.skipped.append("\(others) invalid proofs of other suites") }
        return report
    }

    private static func proof(
        _ entry: JSON, _ name: String, _ suite: VRFSuite, names: (secret: String, key: String, point: String),
        _ group: any VRFGroup.Type, _ report: inout VectorReport
    ) throws {
        let input = try entry.hex("alpha")
        let key = try VRFKey(secret: entry.hex(names.secret), suite: suite)
        report.expect(key.publicKey.bytes == (try entry.hex(names.key)), "\(name): the public key")
        let point = group.point(for: input, key: key.publicKey.bytes)
        report.expect(point == (try entry.hex(names.point)), "\(name): the point of the input")
        let made = key.prove(input)
        report.expect(made.proof == (try entry.hex("pi")), "\(name): the proof")
        report.expect(made.output == (try entry.hex("beta")), "\(name): the output")
        report.expect(key.publicKey.output(for: input, proof: made.proof) == made.output, "\(name): verification")
        report.expect(key.publicKey.output(for: input + [0], proof: made.proof) == nil, "\(name): another input")
    }
}
