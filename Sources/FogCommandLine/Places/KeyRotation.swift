package import FogCore
internal import Glibc

/// The files of a key that is replaced by a new one.
///
/// The new key is written beside the old before anybody is asked, so that it is not lost when the answer is; the old
/// one is kept under another name, for a key that was replaced at one coordinator may still be known at others.
package struct KeyRotation: Sendable {
    /// The file of the key in use.
    package let file: String
    package let old: SigningKey
    package let new: SigningKey
    /// The new key was made by this attempt, not by one before it.
    package let isFresh: Bool

    /// Where the new key waits until it is in.
    private var waiting: String { "\(file).new" }

    /// Reads the key, and makes the new one unless an earlier attempt did.
    package init(of file: String) throws {
        self.file = file
        old = try KeyFile.read(file)
        (new, isFresh) = try KeyFile.readOrCreate("\(file).new")
    }

    /// The coordinator said no: the new key is of no use.
    package func giveUp() { if isFresh { unlink(waiting) } }

    /// Puts the new key where it belongs, once it is in.
    ///
    /// - Parameter contexts: whose identity is this file; those of the coordinator get the new key. When others use the
    ///   file too it stays, and the new key goes beside it.
    /// - Returns: the file of the new key, and where the old one is kept.
    package func finish(for coordinator: PublicKey, in contexts: inout ContextsFile) throws -> (
        new: String, old: String
    ) {
        let users = contexts.contexts.filter { $0.identityFile == file }
        guard users.allSatisfy({ $0.coordinator == coordinator }) else {
            let own = "\(file).\(new.publicKey.id.description.prefix(8))"
            try move(waiting, to: own)
            for var context in users where context.coordinator == coordinator {
                context.identityFile = own
                try contexts.put(context, makeCurrent: false)
            }
            return (own, file)
        }
        let kept = "\(file).\(old.publicKey.id.description.prefix(8)).old"
        unlink(kept)
        guard link(file, kept) == 0 else {
            throw CommandLineFailure("unwritable", "\(kept) cannot be made: \(Disk.words())")
        }
        try move(waiting, to: file)
        return (file, kept)
    }

    private func move(_ from: String, to: String) throws {
        guard rename(from, to) == 0 else {
            throw CommandLineFailure("unwritable", "\(from) cannot be put in the place of \(to): \(Disk.words())")
        }
    }
}
