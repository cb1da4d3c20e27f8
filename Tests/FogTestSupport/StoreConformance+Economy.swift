internal import FogCore
internal import FogJobs
internal import FogLedger
internal import FogStore
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
            #expect(try await store.ledgerRecords(from: 0, limit: 99) == records)
            #expect(try await store.ledgerRecords(from: 4, limit: 2) == Array(records[4..<6]))
            // Opened in record 4, then reserved for twice and paid once.
            let named = try await store.ledgerRecords(of: payee.id, before: nil, limit: 9)
            #expect(named == [8, 7, 6, 4].map { records[$0] })
            let page = try await store.ledgerRecords(of: payee.id, before: 8, limit: 2)
            #expect(page == [7, 6].map { records[$0] })
            #expect(try await store.ledgerProjection() == make.ledger.projection)
        },
        StoreConformance("a restart needs open accounts only; the audit gets all") { store async throws in
            var make = StoreFixture()
            let genesis = make.genesis(), opened = make.open(.escrow)
            let closed = make.entries([LedgerEntry(.close(opened.id))])
            let enrolled = make.entries([
                LedgerEntry(.enrol(KeyEnrolment(key: make.key(), roles: [.client, .worker], owner: .treasury)))
            ])
            let results = try await store.commit([genesis, opened.change, closed, enrolled].map { .ledger($0) })
            #expect(results.map(\.word) == ["applied", "applied", "applied", "applied"])
            #expect(try await store.ledgerProjection() == make.ledger.projection)
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
            #expect(try await store.ledgerRecords(from: 0, limit: 99).count == Int(make.ledger.head.count))
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
