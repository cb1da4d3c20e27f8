internal import FogCore

/// What differs between a row as the log gives it and the row as it is stored, in words for people.
struct AuditWords {
    private(set) var expected: [String] = []
    private(set) var found: [String] = []

    private mutating func add<Value: Equatable>(_ wanted: Value, _ other: Value, _ words: (Value) -> String) {
        guard wanted != other else { return }
        expected.append(words(wanted))
        found.append(words(other))
    }

    private var pair: (expected: String, found: String) {
        (expected.joined(separator: ", "), found.joined(separator: ", "))
    }

    /// Nothing when the rows are equal.
    static func difference(_ wanted: Account, _ other: Account) -> (expected: String, found: String) {
        var words = AuditWords()
        words.add(wanted.kind, other.kind) { "kind \($0)" }
        words.add(wanted.unit, other.unit) { "unit \($0)" }
        words.add(wanted.owner, other.owner) { "owner \($0)" }
        words.compare(wanted.counters, other.counters)
        words.add(wanted.openPendings, other.openPendings) { "\($0) open pending transfers" }
        words.add(wanted.isClosed, other.isClosed) { $0 ? "closed" : "open" }
        return words.pair
    }

    static func difference(_ wanted: Counters, _ other: Counters) -> (expected: String, found: String) {
        var words = AuditWords()
        words.compare(wanted, other)
        return words.pair
    }

    /// One number where a balance says it all.
    private mutating func compare(_ wanted: Counters, _ other: Counters) {
        if wanted.balance != other.balance {
            add(wanted.balance, other.balance) { "balance \($0)" }
        } else {
            add(wanted.debitsPosted, other.debitsPosted) { "debits \(Credits(micro: $0))" }
            add(wanted.creditsPosted, other.creditsPosted) { "credits \(Credits(micro: $0))" }
        }
        add(wanted.debitsPending, other.debitsPending) { "pending debits \(Credits(micro: $0))" }
        add(wanted.creditsPending, other.creditsPending) { "pending credits \(Credits(micro: $0))" }
    }

    static func difference(_ wanted: Pending, _ other: Pending) -> (expected: String, found: String) {
        var words = AuditWords()
        words.add(wanted.debit, other.debit) { "from \($0)" }
        words.add(wanted.credit, other.credit) { "to \($0)" }
        words.add(wanted.amount, other.amount) { "amount \($0)" }
        words.add(wanted.unit, other.unit) { "unit \($0)" }
        words.add(wanted.subject, other.subject) { "subject \($0)" }
        words.add(wanted.expires, other.expires) { $0.map { "expiry \($0)" } ?? "no expiry" }
        words.add(wanted.sequence, other.sequence) { "record \($0)" }
        return words.pair
    }

    static func difference(_ wanted: EnrolledKey, _ other: EnrolledKey) -> (expected: String, found: String) {
        var words = AuditWords()
        words.add(wanted.owner, other.owner) { "owner \($0)" }
        words.add(wanted.roles, other.roles) { "roles \($0.isEmpty ? "none" : $0.description)" }
        words.add(wanted.isRevoked, other.isRevoked) { $0 ? "revoked" : "live" }
        return words.pair
    }
}
