package import FogCore

/// Which owners may be one person, and so count as one where results of several are wanted.
///
/// An identity costs nothing; a machine at another place costs something. Owners whose machines share an address block
/// are kin, and so are those of whom it is known otherwise; kin of kin are kin.
package struct Kinship: Sendable {
    private var root: [AccountID: AccountID] = [:]
    private(set) var families: [AccountID: [AccountID]] = [:]

    package init() {}

    /// - Parameters:
    ///   - machines: owner and address block of each; nil = an address that says nothing.
    ///   - links: owners of whom it is known otherwise, such as one who paid the other's stake.
    package init<Block: Hashable>(
        machines: some Sequence<(owner: AccountID, block: Block?)>, links: [(AccountID, AccountID)] = []
    ) {
        var firstOf: [Block: AccountID] = [:]
        for machine in machines {
            root[machine.owner] = root[machine.owner] ?? machine.owner
            guard let block = machine.block else { continue }
            if let first = firstOf[block] { join(first, machine.owner) } else { firstOf[block] = machine.owner }
        }
        for (one, other) in links { join(one, other) }
        for owner in root.keys.sorted() { families[head(of: owner), default: []].append(owner) }
    }

    /// The least id of those that count as one with an owner.
    package func head(of owner: AccountID) -> AccountID {
        var owner = owner
        while let next = root[owner], next != owner { owner = next }
        return owner
    }

    package func areKin(_ first: AccountID, _ second: AccountID) -> Bool { head(of: first) == head(of: second) }

    /// All who count as one with an owner, itself among them.
    package func kin(of owner: AccountID) -> [AccountID] { families[head(of: owner)] ?? [owner] }

    private mutating func join(_ first: AccountID, _ second: AccountID) {
        let (one, other) = (head(of: first), head(of: second))
        root[max(one, other)] = min(one, other)
        root[min(one, other)] = min(one, other)
        // Short ways, so that finding the head stays cheap.
        for owner in [first, second] { root[owner] = min(one, other) }
    }
}
