internal import FogCore
internal import FogJobs
package import FogLedger
package import FogStore
import Testing

extension StoreConformance {
    static let economy = [
        StoreConformance("the ledger's rows are found by sequence, account, id and subject") { store async throws in
            var make = StoreFixture()
            var changes = [Change.ledger(make.genesis())]
            let payer = make.open(.user), payee = make.open(.user)
            changes += [.ledger(payer.change), .ledger(payee.change)]
            let (evidence, grant) = try make.grant(.credits(10), to: payer.id)
            changes.append(grant)
            let subject = SubjectID(digestOf: [1]), unpaid = SubjectID(digestOf: [2])
            let first = make.reserve(.credits(2), from: payer.id, to: payee.id, subject: subject)
            let second = make.reserve(.credits(1), from: payer.id, to: payee.id, subject: unpaid)
            changes += [.ledger(first.change), .ledger(second.change)]
            for result in try await store.commit(changes) { #expect(result == .applied) }
            #expect(try await store.ledgerState() == make.ledger.projection)
            #expect(try await store.isPaid(subject) == false)
            let post = make.post(.credits(2), of: first.id, subject: subject)
            #expect(try await store.commit(.ledger(post.change)) == .applied)
            #expect(try await store.isPaid(subject))
            #expect(try await store.isPaid(unpaid) == false)
            #expect(try await store.transfer(first.id)?.resolution == .post)
            #expect(try await store.transfer(first.id)?.transfer.amount == .credits(2))
            #expect(try await store.transfer(first.id)?.subject == subject)
            #expect(try await store.transfer(second.id)?.resolution == nil)
            #expect(try await store.transfer(post.id)?.transfer.pending == first.id)
            #expect(try await store.transfer(make.id()) == nil)
            #expect(try await store.account(payee.id) == make.ledger.account(payee.id))
            #expect(try await store.account(make.id()) == nil)
            #expect(try await store.evidence(evidence) == grant.evidence[0])
            let rows = (changes + [.ledger(post.change)]).flatMap { $0.ledger?.rows ?? [] }
            let records = rows.map {
                StoredLedgerRecord(sequence: $0.record.sequence, bytes: $0.bytes, hash: $0.hash)
            }
            // Opened in record 4, then reserved for twice and paid once.
            let named = try await store.ledgerRecords(of: payee.id, before: nil, limit: 9)
            #expect(named == [8, 7, 6, 4].map { records[$0] })
            let page = try await store.ledgerRecords(of: payee.id, before: 8, limit: 2)
            #expect(page == [7, 6].map { records[$0] })
            #expect(try await store.projectedRows() == make.ledger.projectedRows)
        },
        StoreConformance("a restart needs open accounts only; the audit gets all") { store async throws in
            var make = StoreFixture()
            let genesis = make.genesis(), opened = make.open(.escrow)
            let closed = make.entries([LedgerEntry(.close(opened.id))])
            let enrolled = make.entries([
                LedgerEntry(.enrol(KeyEnrolment(key: make.key(), roles: [.client, .worker], owner: .treasury)))
            ])
            let ruled = make.entries(LedgerRule.genesis.map { LedgerEntry(.setRule($0)) })
            let results = try await store.commit([genesis, opened.change, closed, enrolled, ruled].map { .ledger($0) })
            #expect(results.map(\.word) == ["applied", "applied", "applied", "applied", "applied"])
            #expect(try await store.ledgerState()?.rules.versions == LedgerRule.genesis)
            #expect(try await store.projectedRows() == make.ledger.projectedRows)
            make.ledger.forget([opened.id])
            #expect(try await store.ledgerState() == make.ledger.projection)
            #expect(try await store.account(opened.id)?.isClosed == true)
        },
        StoreConformance("the log has no gap and no fork, and nothing is paid or resolved twice") {
            store async throws in
            var make = StoreFixture()
            let genesis = make.genesis(), payer = make.open(.user), payee = make.open(.user)
            let (_, grant) = try make.grant(.credits(10), to: payer.id)
            let subject = SubjectID(digestOf: [1])
            let first = make.reserve(.credits(1), from: payer.id, to: payee.id, subject: subject)
            let before = make
            let post = make.post(.credits(1), of: first.id, subject: subject)
            let changes = [
                .ledger(genesis), .ledger(payer.change), .ledger(payee.change), grant, .ledger(first.change),
            ]
            #expect(try await store.commit(.ledger(payer.change)).word == "refused", "the log begins with record 0")
            for result in try await store.commit(changes) { #expect(result == .applied) }
            // Two ledgers that went on from the same head: the second to arrive is refused.
            var fork = before
            let other = fork.post(.credits(1), of: first.id, subject: subject)
            #expect(try await store.commit(.ledger(post.change)) == .applied)
            #expect(try await store.commit(.ledger(other.change)).word == "refused")
            // The same again, on a ledger whose log is long enough but which forgot the payment.
            _ = fork
            var forgetful = before
            _ = forgetful.open(.user)
            let again = forgetful.post(.credits(1), of: first.id, subject: subject)
            #expect(try await store.commit(.ledger(again.change)).word == "refused")
            #expect(try await store.ledgerState() == make.ledger.projection)
            #expect(try await store.rows(of: .records).count == Int(make.ledger.head.count))
        },
        StoreConformance("the audit gets every row of every table, in the order of its key") { store async throws in
            var make = StoreFixture()
            let genesis = make.genesis(), payer = make.open(.user), payee = make.open(.user)
            let (evidence, grant) = try make.grant(.credits(10), to: payer.id)
            let subject = SubjectID(digestOf: [1])
            let first = make.reserve(.credits(1), from: payer.id, to: payee.id, subject: subject)
            let second = make.reserve(.credits(2), from: payer.id, to: payee.id, subject: SubjectID(digestOf: [2]))
            let post = make.post(.credits(1), of: first.id, subject: subject)
            try await store.establish([
                .ledger(genesis), .ledger(payer.change), .ledger(payee.change), grant, .ledger(first.change),
                .ledger(second.change), .ledger(post.change),
            ])
            let issue = try #require(grant.ledger?.rows.first?.record.transfer?.id)
            #expect(
                try await store.rows(of: .transfers)
                    == [
                        (issue, 5 as UInt64, nil as TransferKind?), (first.id, 6, .post), (second.id, 7, nil),
                        (post.id, 8, nil),
                    ].sorted { $0.0 < $1.0 }.map { .transfer($0, sequence: $1, resolution: $2) })
            let named: [(AccountID, [UInt64])] = [
                (.issuance, [0, 5]), (.treasury, [1]), (.fees, [2]), (payer.id, [3, 5, 6, 7, 8]),
                (payee.id, [4, 6, 7, 8]),
            ]
            for (account, sequences) in named {
                #expect(
                    try await store.ledgerRecords(of: account, before: nil, limit: 100).map(\.sequence)
                        == sequences.reversed())
                for end in 0...9 {
                    let below = sequences.filter { $0 < end }
                    let page = try await store.ledgerRecords(of: account, before: UInt64(end), limit: 2)
                    #expect(page.map(\.sequence) == below.suffix(2).reversed())
                    let found = try await store.readEconomy { economy in
                        var found: [[EconomyRow]] = [[], [], []]
                        let keys: [EconomyKey] = [
                            .firstRecord(of: account), .lastRecord(of: account, below: UInt64(end)),
                            .accountRecords(account, from: UInt64(end)),
                        ]
                        for (place, key) in keys.enumerated() {
                            try economy.rows(under: key) { found[place].append($0) }
                        }
                        return found
                    }
                    let wanted = [sequences.prefix(1), below.suffix(1), sequences.filter { $0 >= end }[...]]
                    #expect(found == wanted.map { $0.map { .accountRecord(account, sequence: $0) } })
                }
            }
            #expect(try await store.rows(of: .paid) == [.paid(subject, sequence: 8)])
            #expect(try await store.rows(of: .documents) == [.document(grant.evidence[0], under: evidence)])
            let written = [genesis, payer.change, payee.change, grant.ledger, first.change, second.change, post.change]
            #expect(
                try await store.rows(of: .records)
                    == written.flatMap { $0?.rows ?? [] }.map {
                        .record(
                            sequence: $0.record.sequence, bytes: $0.bytes, hash: $0.hash.bytes, earlier: $0.earlier)
                    })
            #expect(try await store.readEconomy { try $0.document(evidence) } == grant.evidence[0])
            #expect(try await store.readEconomy { try $0.document(.zero) } == nil)
            #expect(try await store.readEconomy { try $0.complaints() } == [])
        },
        StoreConformance("the tree's tiles are kept once, the newest checkpoint grows and the others stay") {
            store async throws in
            var make = StoreFixture()
            let genesis = make.genesis()
            func tree(_ number: UInt64, _ size: UInt64, _ filled: [TileRoot] = []) -> Change {
                .make {
                    $0.tree = TreeChange(
                        filled: filled, checkpoint: StoredCheckpoint(number: number, size: size, note: [UInt8(size)]))
                }
            }
            let tiles = (0..<2 as Range<UInt64>).map {
                TileRoot(tile: TileID(level: 0, number: $0), root: Digest.sha256([UInt8($0)]))
            }
            #expect(try await store.checkpoint() == nil)
            try await store.establish([.ledger(genesis), tree(0, 1), tree(0, 3, tiles), tree(1, 4)])
            for refused in [tree(1, 4), tree(0, 9), tree(2, 5, [tiles[0]])] {
                guard case .refused = try await store.commit(refused) else {
                    #expect(Bool(false), "applied")
                    continue
                }
            }
            #expect(try await store.checkpoint() == StoredCheckpoint(number: 1, size: 4, note: [4]))
            #expect(
                try await store.rows(of: .checkpoints) == [
                    .checkpoint(StoredCheckpoint(number: 0, size: 3, note: [3])),
                    .checkpoint(StoredCheckpoint(number: 1, size: 4, note: [4])),
                ])
            #expect(try await store.rows(of: .tiles) == tiles.map { .tile($0) })
            #expect(try await store.hashes(of: TileID(level: 1, number: 0)) == tiles.map(\.root))
            #expect(try await store.hashes(of: TileID(level: 1, number: 1)).isEmpty)
            #expect(try await store.hashes(of: TileID(level: 0, number: 0)) == genesis.rows.map(\.hash))
            #expect(try await store.hashes(of: TileID(level: 0, number: .max)).isEmpty)
            #expect(try await store.ledgerRecords(from: 1, limit: 1).map(\.sequence) == [1])
        },
        StoreConformance("the audit learns what is at work, and which receipts there must be") { store async throws in
            var make = StoreFixture()
            let open = make.job()
            var settled = make.job()
            settled.record.progress.settled = true
            let tasks = [make.task(open, 0), make.task(open, 1)]
            let attempts = [make.attempt(tasks[0].id), make.attempt(tasks[1].id)]
            let ended = make.ended(attempts[1])
            let change = Change.make {
                $0.newJobs = [open, settled]
                for task in tasks { $0.tasks[task.id] = task }
                $0.newAttempts = attempts
                $0.endedAttempts = [ended]
            }
            #expect(try await store.commit(change) == .applied)
            #expect(try await store.readEconomy { try $0.openJobs() } == [open.record.id])
            #expect(try await store.readEconomy { try $0.openAttempts() } == [attempts[0].id])
            let receipts = try await store.readEconomy { economy in
                var found: [AttemptID: Digest] = [:]
                try economy.receipts { found[$0] = $1 }
                return found
            }
            #expect(receipts == [ended.id: ended.receipt])
        },
        StoreConformance("a document is kept once, as it first came") { store async throws in
            let document = EvidenceDocument(kind: .quorumVerdict, bytes: [1, 2, 3])
            let change = Change.make { $0.evidence = [document, document] }
            #expect(try await store.commit([change, change]) == [.applied, .applied])
            #expect(try await store.evidence(document.digest) == document)
            #expect(try await store.evidence(.zero) == nil)
        },
    ]
}

extension Store {
    /// The rows of a table as the audit gets them.
    package func rows(of table: EconomyTable) async throws -> [EconomyRow] {
        try await readEconomy { economy in
            var found: [EconomyRow] = []
            try economy.rows(of: table) { found.append($0) }
            return found
        }
    }

    /// The rows of accounts, pendings and keys.
    package func projectedRows() async throws -> [[EconomyRow]] {
        [try await rows(of: .accounts), try await rows(of: .pendings), try await rows(of: .keys)]
    }
}

extension Ledger {
    /// The same rows as the ledger in memory has them.
    package var projectedRows: [[EconomyRow]] {
        let projection = projection
        return [
            projection.accounts.map { .account($0) }, projection.pendings.map { .pending($0) },
            projection.keys.map { .key($0) },
        ]
    }
}
