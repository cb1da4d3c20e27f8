/// What the process says to its caller when it ends; scripts may rely on it.
package enum ExitStatus: Int32, Sendable {
    case success = 0
    /// The command did what it could, and the answer is no: a job failed, a thing was not found.
    case failure = 1
    /// `ledger audit`: the records could not be read.
    case unreadable = 2
    /// `job wait`: the coordinator could not be asked.
    case waitUnreachable = 3
    /// A bad argument (EX_USAGE of sysexits.h, as the argument parser has it).
    case usage = 64
    /// A bad manifest (EX_DATAERR).
    case badData = 65
    /// The coordinator does not answer (EX_UNAVAILABLE).
    case unreachable = 69
    /// Busy or over a limit: the same command may do later (EX_TEMPFAIL).
    case tryAgain = 75
    /// Not allowed (EX_NOPERM).
    case denied = 77
    /// A time that was given has passed, as of timeout(1).
    case timeout = 124
    /// `fog run`: Fog's own error, not the program's.
    case ownError = 125
    /// Ctrl-C: 128 + SIGINT.
    case interrupted = 130
}
