internal import FogCore
internal import FogJobs

extension MemoryState {
    /// Why an invitation may not be written; nil when it may.
    func mistake(in invitation: Invitation) -> String? {
        guard (1...max(1, invitation.uses)).contains(invitation.usesLeft), invitation.credits >= .zero else {
            return "an invitation has 1 to \(invitation.uses) uses left, found \(invitation.usesLeft)"
        }
        guard let old = invitations[invitation.secretHash] else { return nil }
        guard invitation.usesLeft <= old.usesLeft, invitation.uses == old.uses, invitation.roles == old.roles,
            invitation.owner == old.owner, invitation.credits == old.credits,
            invitation.needsApproval || !old.needsApproval, invitation.expiresAt <= old.expiresAt
        else { return "an invitation only ever loses uses" }
        return nil
    }
}
