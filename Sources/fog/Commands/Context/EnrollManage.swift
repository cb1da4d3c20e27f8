internal import ArgumentParser
internal import FogAPI
internal import FogCommandLine
internal import FogCore
internal import FogJobs

/// `fog enroll list`
struct EnrollList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show open invitations and keys that wait for approval.",
        examples: ["fog enroll list", "fog enroll list -o json"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let list = try await session.client().enrolments()
        switch session.mode {
        case .json: session.console.print(try Documents.document(of: list))
        case .quiet:
            for applicant in list.applicants where applicant.state == .pending {
                session.console.print(applicant.keyID.description)
            }
            for invitation in list.invitations { session.console.print(invitation.id) }
        case .table: show(list, session)
        }
    }

    private func show(_ list: EnrolmentListBody, _ session: Session) {
        if list.applicants.isEmpty && list.invitations.isEmpty {
            return session.console.note("none; `fog enroll create --role worker,client` makes an invitation")
        }
        if !list.applicants.isEmpty {
            var table = Table([.init("WAITS"), .init("NAME"), .init("ROLES"), .init("STATE"), .init("SINCE")])
            for applicant in list.applicants {
                table.add([
                    Table.Cell(String(applicant.keyID.description.prefix(10))), Table.Cell(applicant.name),
                    Table.Cell(EnrollText.roles(applicant.roles)), Table.Cell(applicant.state.rawValue),
                    Table.Cell("\((session.now - applicant.askedAt).brief) ago"),
                ])
            }
            session.console.print(table)
        }
        if !list.invitations.isEmpty {
            var table = Table([
                .init("INVITATION"), .init("ROLES"), .init("USES"), .init("CREDITS"), .init("APPROVAL"),
                .init("ENDS IN"),
            ])
            for invitation in list.invitations {
                table.add([
                    Table.Cell(invitation.id), Table.Cell(EnrollText.roles(invitation.roles)),
                    Table.Cell("\(invitation.usesLeft) of \(invitation.uses)"),
                    Table.Cell(invitation.credits.description), Table.Cell(invitation.approve ? "yes" : "no"),
                    Table.Cell((invitation.expiresAt - session.now).brief),
                ])
            }
            session.console.print(table)
        }
    }
}

/// `fog enroll approve`
struct EnrollApprove: SessionCommand {
    static let configuration = CommandConfiguration(
        "approve", "Let in a key that waits for approval.",
        examples: ["fog enroll approve ada-laptop", "fog enroll approve 7k2m9x0c4b"])

    @Argument(help: "Its name, its key id, or the beginning of that: fog enroll list.")
    var key: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let identity = try await session.client().approve(key)
        try session.show(identity, id: identity.keyID.description) {
            session.console.print(
                "\(DisplayText.clean(identity.name)) is in (\(EnrollText.roles(identity.roles)))")
        }
    }
}

/// `fog enroll revoke`
struct EnrollRevoke: SessionCommand {
    static let configuration = CommandConfiguration(
        "revoke", "End an invitation, or refuse a key that waits.",
        examples: ["fog enroll revoke 4t9h1zq8", "fog enroll revoke ada-laptop"],
        more: "A key that is in already is ended with fog identity revoke.")

    @Argument(help: "The invitation, or the key or name of one that waits: fog enroll list.")
    var reference: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let withdrawn = try await session.client().withdraw(reference)
        try session.show(withdrawn, id: withdrawn.invitation?.id ?? withdrawn.applicant?.keyID.description ?? "") {
            if let invitation = withdrawn.invitation {
                session.console.print("invitation \(invitation.id) lets nobody in any more")
            }
            if let applicant = withdrawn.applicant {
                session.console.print("\(DisplayText.clean(applicant.name)) was refused")
            }
        }
    }
}

/// Words that these commands share.
enum EnrollText {
    static func roles(_ roles: [Role]) -> String { roles.map(\.rawValue).joined(separator: ", ") }
}
