internal import FogCore
internal import FogJobs
internal import FogStore
import Testing

extension StoreFixture {
    mutating func invitation(uses: Int = 3) -> Invitation {
        Invitation(
            secretHash: digest(), roles: [.worker, .client], uses: uses, owner: id(), credits: Credits(micro: 250_000),
            needsApproval: true, inviter: key(), createdAt: tick(), expiresAt: tick())
    }

    mutating func applicant() -> Applicant {
        Applicant(
            key: key(), name: "ada", roles: [.worker], owner: id(), credits: .credits(2), inviter: key(),
            askedAt: tick())
    }
}

/// Getting in.
extension StoreConformance {
    static let enrolment = [
        StoreConformance("invitations, applicants and suspended keys come back as they were written") {
            store async throws in
            var make = StoreFixture()
            let invitation = make.invitation()
            var plain = make.invitation(uses: 1)
            plain.owner = nil
            plain.needsApproval = false
            plain.credits = .zero
            var applicant = make.applicant()
            var principal = Principal(
                key: make.key(), name: "eve", roles: [.client], account: make.id(), enrolledAt: make.tick())
            principal.suspendedAt = make.tick()
            var change = Change()
            change.invitations = [invitation.secretHash: invitation, plain.secretHash: plain]
            change.applicants = [applicant.key: applicant]
            change.principals = [principal]
            try await store.establish([change])
            #expect(try await store.invitations() == [invitation, plain].sorted { $0.secretHash < $1.secretHash })
            #expect(try await store.applicants() == [applicant])
            #expect(try await store.principals() == [principal])

            applicant.refusedAt = make.tick()
            principal.suspendedAt = nil
            change = Change()
            change.applicants = [applicant.key: applicant]
            change.principals = [principal]
            change.closedInvitations = [plain.secretHash, .zero]
            try await store.establish([change])
            #expect(try await store.invitations() == [invitation])
            #expect(try await store.applicants() == [applicant])
            #expect(try await store.principals() == [principal])
            try await store.establish([.make { $0.closedApplicants = [applicant.key] }])
            #expect(try await store.applicants().isEmpty)
        },
        StoreConformance("a use of an invitation counts once, however many come at the same time") {
            store async throws in
            var make = StoreFixture()
            let full = make.invitation(uses: 2)
            try await store.establish([.make { $0.invitations = [full.secretHash: full] }])
            var rest = full
            rest.usesLeft = 1
            let left = rest
            let first = Change.make {
                $0.preconditions = [.invitationUses(full.secretHash, 2)]
                $0.invitations = [full.secretHash: left]
            }
            let last = Change.make {
                $0.preconditions = [.invitationUses(full.secretHash, 1)]
                $0.closedInvitations = [full.secretHash]
            }
            let results = try await store.commit([first, first, last, last])
            #expect(results.map(\.word) == ["applied", "stale", "applied", "stale"], "\(results)")
            #expect(try await store.invitations().isEmpty)
        },
        StoreConformance("an invitation never gains uses, time, roles or credits") { store async throws in
            var make = StoreFixture()
            var invitation = make.invitation(uses: 5)
            invitation.usesLeft = 3
            let stored = invitation
            try await store.establish([.make { $0.invitations = [stored.secretHash: stored] }])
            let edits: [(inout Invitation) -> Void] = [
                { $0.usesLeft = 4 }, { $0.usesLeft = 0 }, { $0.uses = 6 }, { $0.roles = [.admin] }, { $0.owner = nil },
                { $0.credits = .credits(9) }, { $0.needsApproval = false }, { $0.expiresAt = $0.expiresAt + .days(1) },
            ]
            for (index, edit) in edits.enumerated() {
                var changed = stored
                edit(&changed)
                let wrong = changed
                let result = try await store.commit(.make { $0.invitations = [wrong.secretHash: wrong] })
                #expect(result.word == "refused", "edit \(index): \(result)")
            }
            #expect(try await store.invitations() == [stored])
        },
    ]
}
