import FogAPI
import FogCore
import FogNet

/// What a failed call means for the caller.
enum Refusal: Sendable, Hashable {
    /// No answer, or one that will be another later: try again.
    case away(String)
    /// The coordinator does not know this worker (any more): say hello.
    case unknownWorker
    /// The coordinator does not speak with this version of the program; the words have the command that helps.
    case outdated(String)
    /// The worker's key acts no more: it was revoked, or another took its place.
    case keyEnded(String)
    /// The lease is not ours any more.
    case stale
    /// It will not be granted, however often it is asked.
    case refused(code: String, message: String)

    init(_ error: any Error) {
        switch error {
        case let problem as Problem:
            switch (problem.code, problem.status) {
            case ("unknown_worker", _): self = .unknownWorker
            case ("stale_lease", _): self = .stale
            case (_, 426): self = .outdated(problem.message)
            case ("key_revoked", _): self = .keyEnded(problem.message)
            case ("busy", _), (_, 408), (_, 429), (_, 401), (_, 500...): self = .away(problem.description)
            default: self = .refused(code: problem.code, message: problem.message)
            }
        case let failure as CarrierFailure where failure.code == "too_large":
            self = .refused(code: failure.code, message: failure.message)
        case let failure as any CodedFailure: self = .away(failure.description)
        default: self = .away("\(error)")
        }
    }

    /// Whether the same call may succeed later.
    var isPassing: Bool {
        switch self {
        case .away, .unknownWorker, .outdated, .keyEnded: true
        case .stale, .refused: false
        }
    }

    /// Whether nothing that this process does changes it: another program or another key is wanted.
    var isForGood: Bool {
        switch self {
        case .outdated, .keyEnded: true
        case .away, .unknownWorker, .stale, .refused: false
        }
    }

    var words: String {
        switch self {
        case .away(let words): words
        case .outdated(let words), .keyEnded(let words): words
        case .unknownWorker: "the coordinator does not know this worker"
        case .stale: "the lease is not ours any more"
        case .refused(let code, let message): "\(message) (\(code))"
        }
    }
}
