import CFog
import FogJobs
import FogSandbox
import Glibc
import Synchronization

/// What others tell a proxy's thread.
final class ProxyMailbox: Sendable {
    typealias Answer = Result<[NetworkAddress], ProxyRefusal>

    struct Mail {
        var isFrozen = false
        var isAllowed: Bool
        var isStopped = false
        /// Of names that were looked up, by connection.
        var answers: [(connection: UInt64, answer: Answer)] = []
    }

    /// Can be read when there is mail.
    let event: Int32
    private let mail: Mutex<Mail>

    init(isAllowed: Bool) throws(SandboxFailure) {
        event = fog_event()
        mail = Mutex(Mail(isAllowed: isAllowed))
        guard event >= 0 else {
            throw SandboxFailure("sandbox_failed", "no event for a proxy: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(event) }

    func tell(_ change: (inout Mail) -> Void) {
        mail.withLock { change(&$0) }
        var one: UInt64 = 1
        write(event, &one, 8)
    }

    /// What holds now; answers are given out once.
    func take() -> Mail {
        var count: UInt64 = 0
        read(event, &count, 8)
        return mail.withLock { mail in
            defer { mail.answers = [] }
            return mail
        }
    }
}
