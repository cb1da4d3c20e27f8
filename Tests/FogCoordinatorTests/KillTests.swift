import FogCore
import FogLedger
import FogTestSupport
import Foundation
import Glibc
import Testing

@testable import FogCoordinator
@testable import FogStore

/// A process that writes books and is killed (SIGKILL) at a write or a sync of its database, and what is found after it.
@Suite("Killed while committing")
struct KillTests {
    /// The operation of the disk at which a process ends.
    struct Point: Hashable, Sendable, Codable, CustomStringConvertible {
        var isSync = false
        var isHalfway = false
        /// How many of its kind come before it.
        var place: Int

        var description: String { "\(isSync ? "sync" : "write") \(place)\(isHalfway ? ", half way" : "")" }
    }

    /// Books as they should be, and how often a process that writes them reaches the disk.
    struct Reference: Sendable {
        var rows: [EconomyRow] = []
        var records: [LedgerRecord] = []
        var accounts: [EconomyRow] = []
        var documents: [Digest: EvidenceDocument] = [:]
        /// After how many records a commit ends.
        var ends: Set<UInt64> = [0]
        var writes: [Int] = []
        var syncs = 0
    }

    @Test("nothing answered is lost, nothing is posted twice, tree and tables agree", .timeLimit(.minutes(5)))
    func killed() async throws {
        let reference = try await Self.inFolder { try await Self.reference(in: $0) }
        #expect(reference.ends.count > 5)
        var points = (0..<reference.syncs).map { Point(isSync: true, place: $0) }
        for (index, place) in reference.writes.enumerated() {
            points.append(Point(isHalfway: index % 2 == 0, place: place))
        }
        let found = try await withThrowingTaskGroup(of: (UInt64, UInt64).self) { group in
            var (next, found) = (points.makeIterator(), [(UInt64, UInt64)]())
            for _ in 0..<2 {
                if let point = next.next() { group.addTask { try await Self.kill(at: point, reference) } }
            }
            while let one = try await group.next() {
                found.append(one)
                if let point = next.next() { group.addTask { try await Self.kill(at: point, reference) } }
            }
            return found
        }
        // The points lie before, between and after the commits: some had answered nothing, one nearly everything.
        #expect(Set(found.map(\.0)).count >= reference.ends.count - 1)
        // And some were on the disk whose answer nobody heard.
        #expect(found.contains { $0.1 > $0.0 })
    }

    // MARK: - The process

    private static func inFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fog-kill-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await body(folder)
    }

    /// A store without anything in it, and books written into it until the end: each answered commit is noted in a
    /// file, which is there after a kill as whatever was written is.
    private static func write(in folder: String, _ point: Point?) async throws -> (AuditedBooks, DiskProbe) {
        let notes = open(folder + "/answered", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        #expect(notes >= 0)
        let probe = try DiskProbe(prefix: folder)
        if let point {
            probe.fail(
                point.isSync ? .sync : .write, with: point.isHalfway ? .killedHalfway : .killed, after: point.place,
                count: 1)
        }
        var books = try await AuditedBooks(path: folder + "/fog.db") { count in
            let line = Array("\(count)\n".utf8)
            _ = Glibc.write(notes, line, line.count)
        }
        try await books.work(on: books.nodes[0], tasks: 2)
        return (books, probe)
    }

    private static func reference(in folder: String) async throws -> Reference {
        var reference = Reference()
        try SQLiteStore(path: folder + "/fog.db").close()
        let (books, probe) = try await write(in: folder, nil)
        reference.rows = try await books.store.rows(of: .records)
        reference.records = try await books.records()
        reference.accounts = try await books.store.rows(of: .accounts)
        for case .document(let document, let digest) in try await books.store.rows(of: .documents) {
            reference.documents[digest] = document
        }
        let committed = Int(probe.counts.writes)
        // The log is moved into the file.
        try books.store.close()
        let all = Int(probe.counts.writes)
        reference.syncs = Int(probe.counts.syncs)
        reference.writes = stride(from: 1, to: committed, by: max(1, committed / 6)).map { $0 }
        reference.writes += [committed, (committed + all) / 2, all - 1]
        for line in try answered(in: folder) { reference.ends.insert(line) }
        return reference
    }

    private static func answered(in folder: String) throws -> [UInt64] {
        guard let text = try? String(contentsOfFile: folder + "/answered", encoding: .utf8) else { return [] }
        return text.split(separator: "\n").compactMap { UInt64($0) }
    }

    // MARK: - What is found

    /// How many records were answered, and how many there are.
    private static func kill(at point: Point, _ reference: Reference) async throws -> (UInt64, UInt64) {
        try await inFolder { folder in
            try SQLiteStore(path: folder + "/fog.db").close()
            await #expect(processExitsWith: .signal(SIGKILL), "\(point)") {
                [folder = folder as String, point = point as Point] in
                let (books, probe) = try await KillTests.write(in: folder, point)
                try withExtendedLifetime(probe) { try books.store.close() }
            }
            let answered = try answered(in: folder).last ?? 0
            let store = try SQLiteStore(path: folder + "/fog.db")
            let rows = try await store.rows(of: .records)
            let count = UInt64(rows.count)
            #expect(count >= answered, "\(point)")
            #expect(reference.ends.contains(count), "\(point): a commit is there whole")
            #expect(rows == Array(reference.rows.prefix(rows.count)), "\(point)")
            if count > 0 {
                let report = try await LedgerAuditor(store: store, coordinator: AuditedBooks.coordinator.publicKey)
                    .run()
                #expect(report.failed == [], "\(point)")
            }
            try await goOn(store, reference, from: rows.count)
            #expect(try await store.rows(of: .accounts) == reference.accounts, "\(point)")
            try store.close()
            return (answered, count)
        }
    }

    /// Everybody asks again for everything, under the same ids.
    private static func goOn(_ store: SQLiteStore, _ reference: Reference, from count: Int) async throws {
        var sealer = try await LedgerSealer.open(store, key: AuditedBooks.coordinator)
        var ledger = try await store.ledgerState().map { Ledger($0) } ?? Ledger()
        var known: [TransferID: KnownTransfer] = [:]
        for id in reference.records.compactMap({ $0.transfer?.id }) { known[id] = try await store.transfer(id) }
        var closed: [AccountID: Account] = [:]
        for case .account(let account) in try await store.rows(of: .accounts) { closed[account.id] = account }
        let lookup = LedgerLookup(transfer: { known[$0] }, account: { closed[$0] })
        var random = SeededGenerator(seed: 1)
        var chain: [LedgerEntry] = []
        for record in reference.records {
            chain.append(try #require(LedgerEntry(of: record)))
            guard record.following == 0 else { continue }
            defer { chain = [] }
            switch ledger.apply(chain, at: record.time, lookup: lookup, using: &random) {
            case .exists: #expect(record.sequence < count)
            case .refused(let refusal, _): Issue.record("record \(record.sequence): \(refusal)")
            case .applied(let applied):
                #expect(record.sequence >= count)
                var change = Change()
                change.ledger = applied
                change.evidence = chain.compactMap { reference.documents[$0.evidence] }
                sealer.seal(&change)
                #expect(try await store.commit([change]) == [.applied])
            }
        }
    }
}

extension LedgerEntry {
    /// What was asked for, as its record tells it.
    fileprivate init?(of record: LedgerRecord) {
        let action: LedgerAction
        switch record.body {
        case .transfer(let transfer, _, _):
            if let pending = transfer.pending {
                action = .resolve(
                    ResolutionProposal(
                        id: transfer.id, kind: transfer.kind, pending: pending, amount: transfer.amount,
                        ordinal: transfer.ordinal))
            } else {
                action = .transfer(
                    TransferProposal(
                        id: transfer.id, kind: transfer.kind, debit: transfer.debit, credit: transfer.credit,
                        amount: transfer.amount, expires: transfer.expires, ordinal: transfer.ordinal))
            }
        case .accountOpened(let opening): action = .open(opening)
        case .accountClosed(let id, _): action = .close(id)
        case .keyEnrolled(let enrolment): action = .enrol(enrolment)
        case .rolesSet(let id, let roles): action = .setRoles(id, roles)
        case .keyRevoked(let id): action = .revokeKey(id)
        case .ruleSet(let rule): action = .setRule(rule)
        case .unrecognised: return nil
        }
        self.init(
            action, subject: record.subject, evidence: record.evidence, authorisation: record.authorisation)
    }
}
