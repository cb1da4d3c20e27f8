/// Trust from what several say of each other: EigenTrust (Kamvar, Schlosser and Garcia-Molina 2003).
///
/// To merge the opinions of several coordinators; within one its own evidence is better. Who praise each other and nobody
/// else get nothing.
package enum PeerTrust {
    /// How much weight those have who are trusted beforehand.
    package static let anchor = 0.15
    static let tolerance = 1e-12, mostSteps = 1000

    /// - Parameters:
    ///   - opinions: what each says of each; below 0 counts as nothing. Who says nothing says what the anchors are.
    ///   - anchors: who is trusted beforehand; they sum to 1.
    package static func settle(opinions: [[Double]], anchors: [Double]) -> (trust: [Double], steps: Int) {
        let count = anchors.count
        precondition(opinions.count == count && opinions.allSatisfy { $0.count == count }, "opinions of all, of all")
        let shares = opinions.map { row in
            let sum = row.reduce(0) { $0 + max(0, $1) }
            return sum > 0 ? row.map { max(0, $0) / sum } : anchors
        }
        var trust = anchors
        for step in 1...mostSteps {
            let next = (0..<count).map { node in
                let heard = (0..<count).reduce(0) { $0 + shares[$1][node] * trust[$1] }
                return (1 - anchor) * heard + anchor * anchors[node]
            }
            let change = zip(next, trust).reduce(0) { $0 + abs($1.0 - $1.1) }
            trust = next
            if change < tolerance { return (trust, step) }
        }
        return (trust, mostSteps)
    }
}
